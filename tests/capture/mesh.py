"""The capture in docs/captures, and what the applications in it say they sent and got."""

from __future__ import annotations

import atexit
import base64
import importlib.util
import json
import shutil
import struct
import sys
import tempfile
from functools import cache
from pathlib import Path

CAPTURES = Path(__file__).resolve().parent.parent.parent / "docs" / "captures"
MESH = CAPTURES / "mesh.pcapng"
AWESOME = CAPTURES / "awesome.py"
RELAY, REDIS, RPC, WEB = 26602, 26603, 26604, 26605


@cache
def said() -> dict[int, dict]:
    """By the client's own port: what each application noted of its connection."""
    return {int(port): entry for port, entry in json.loads((CAPTURES / "mesh.json").read_text()).items()}


def arguments(request: list[str]) -> list[bytes]:
    return [base64.b64decode(argument) for argument in request]


@cache
def first_scenes() -> Path:
    """The capture without the scenes of protocols that came later: what rules are counted on stays the same."""
    kept = []
    data = MESH.read_bytes()
    position = 0
    while position < len(data):
        kind, size = struct.unpack_from("<II", data, position)
        ports = struct.unpack_from(">HH", data, position + 28 + 14 + 20) if kind == 6 else ()  # Ethernet, IPv4
        if not any(WEB < port < WEB + 100 for port in ports):
            kept.append(data[position : position + size])
        position += size
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = Path(folder) / "mesh.pcapng"
    path.write_bytes(b"".join(kept))
    return path


@cache
def awesome():
    """The declaration beside the capture, loaded as the command line does."""
    spec = importlib.util.spec_from_file_location("awesome_of_the_capture", AWESOME)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
