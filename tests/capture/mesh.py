"""The capture in docs/captures, and what the applications in it say they sent and got."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from functools import cache
from pathlib import Path

CAPTURES = Path(__file__).resolve().parent.parent.parent / "docs" / "captures"
MESH = CAPTURES / "mesh.pcapng"
AWESOME = CAPTURES / "awesome.py"
RELAY, REDIS, RPC, WEB = 26602, 26603, 26604, 26605
QUIC = 26633


@cache
def said() -> dict[int, dict]:
    """By the client's own port: what each application noted of its connection."""
    return {int(port): entry for port, entry in json.loads((CAPTURES / "mesh.json").read_text()).items()}


def arguments(request: list[str]) -> list[bytes]:
    return [base64.b64decode(argument) for argument in request]


@cache
def awesome():
    """The declaration beside the capture, loaded as the command line does."""
    spec = importlib.util.spec_from_file_location("awesome_of_the_capture", AWESOME)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
