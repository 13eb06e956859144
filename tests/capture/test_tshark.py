"""The same files read by tshark, wherever tshark is right; where it is not, the case is named with the reason."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections import defaultdict

import pytest

from l7codec.capture import read_packets, read_segments, read_streams

from .build import pcap_header, record
from .test_dissect import FOUND
from .test_packets import FILES
from .test_tcp import CASES

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_tshark")]

TSHARK = shutil.which("tshark")

OTHER_FILES = {
    "pcap modified little": "guesses from the first records which of several modified formats it is, and guesses wrong",
    "pcap modified big": "the same",
    "pcap captured 2^31": "the same damage; it gives no packet at all, since it looks at the next records first",
    "pcapng undeclared interface": "stops there",
    "pcapng section without interfaces": "stops there",
    "pcapng simple packets": "a simple packet has no time there, and none is printed",
    "pcapng short blocks": "stops there",
    "pcapng packet longer than its block": "stops there",
    "pcapng packet options": "stops at the damaged option",
    "pcapng damaged interface options": "stops at the damaged option",
    "pcapng unknown, custom, name and secrets blocks": "reads name and statistics blocks, and stops at these",
    "pcapng 10^-127 s": "cannot hold so fine a clock",
}

OTHER_SEGMENTS = {
    "ipv6 mobility, HIP, shim6": "takes the mobility header for the last one",
    "ipv6 length 0: segmentation offload": "calls the packet malformed",
    "udp length 0": "only believes it in a jumbogram",
    "udp padded inside ip": "counts the surplus behind the datagram's own length (RFC 9868) as payload",
    "udp longer than ip": "calls the length bad and shows no payload",
}

OTHER_STREAMS = {
    "a hole that is acknowledged before what follows": "stalls at a hole whose acknowledgement came first",
    "a hole that is never filled": "stalls at the hole",
    "FIN with data behind a hole that never fills": "stalls at the hole",
    "cut and out of order": "stalls at the bytes that the snap length cut",
    "cut to nothing": "gives nothing of the stream",
    "a hole acknowledged just up to what follows": "waits for what comes after that, and here the bytes come late",
    "ports used again, neither end nor SYN captured, an acknowledgement tells": "takes it for the old connection",
    "RST with text": "counts the text as data",
    "a forged SYN splits nothing": "begins a new connection at the first SYN it sees",
    "ports used again after FIN, SYN not captured": "takes it for the old connection, with a gap",
    "ports used again, neither end nor SYN captured": "takes it for the old connection, and drops it",
    "ports used again, only the server's side captured": "takes it for the old connection, and drops it",
    "data behind a FIN is not of the stream": "goes on behind the FIN",
    "in the middle, a keep-alive first": "takes the byte for data",
    "keep-alive after the end": "goes on behind the FIN",
    "filling a hole with more than fits: first wins": "the later bytes win here",
    "overlap behind a hole: first wins": "the later bytes win here",
}


def tshark(path, *arguments: str) -> str:
    """Its standard output; what it says about damaged files goes elsewhere."""
    command = [TSHARK, "-n", "-r", str(path), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60).stdout


def fields(path, *names: str, options: tuple[str, ...] = ()) -> list[list[str]]:
    wanted = [word for name in names for word in ("-e", name)]
    return [line.split("\t") for line in tshark(path, "-T", "fields", *wanted, *options).splitlines()]


def nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


@pytest.mark.parametrize("name", [name for name in FILES if name not in OTHER_FILES])
def test_packets(name, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(FILES[name][0])
    theirs = [
        (int(frame), nanoseconds(time), int(captured), int(length))
        for frame, time, captured, length in fields(
            path, "frame.number", "frame.time_epoch", "frame.cap_len", "frame.len"
        )
    ]
    ours = [(packet.frame, packet.time_ns, len(packet.data), packet.length) for packet in read_packets(path)]
    assert ours == theirs


@pytest.mark.parametrize("link", sorted({link for link, _, _ in FOUND.values()}))
def test_segments(link, tmp_path):
    path = tmp_path / "file"
    cases = {name: data for name, (kind, data, _) in FOUND.items() if kind == link}
    path.write_bytes(pcap_header(link=link) + b"".join(record(data) for data in cases.values()))
    theirs = {
        int(frame): (sequence, tcp_data + udp_data)
        for frame, sequence, tcp_data, udp_data in fields(
            path,
            "frame.number",
            "tcp.seq_raw",
            "tcp.payload",
            "udp.payload",
            options=("-o", "tcp.check_checksum:FALSE"),
        )
    }
    for _, frame, transport, _, sequence, _, _, payload, _ in list(read_segments(path)):
        name = list(cases)[frame - 1]
        if name in OTHER_SEGMENTS:
            continue
        assert (name, str(sequence) if transport == 6 else "", payload.hex()) == (name, *theirs[frame])


def test_streams(tmp_path):
    """All cases in one file, each with a client port of its own; then every stream followed."""
    ports = {name: 10_000 + number for number, name in enumerate(CASES)}
    data = pcap_header(magic=0xA1B23C4D)
    for name, port in ports.items():
        for packet in read_packets(io.BytesIO(CASES[name][0].file())):
            new = bytearray(packet.data)
            for at in (34, 36):
                if int.from_bytes(new[at : at + 2], "big") != 6379:
                    new[at : at + 2] = port.to_bytes(2, "big")
            data += record(bytes(new), packet.time_ns, length=packet.length, unit=1)
    path = tmp_path / "file"
    path.write_bytes(data)
    numbers = sorted({int(row[0]) for row in fields(path, "tcp.stream")})
    follow = [word for number in numbers for word in ("-z", f"follow,tcp,raw,{number}")]
    theirs = defaultdict(list)
    for text in re.split("=+\nFollow", tshark(path, "-q", *follow))[1:]:
        port = next(int(found) for found in re.findall(r"Node \d: \S+:(\d+)", text) if found != "6379")
        turned = "Node 0: 10.0.0.2" in text
        streams = {"client": b"", "server": b""}
        for line in text.split("Node 1: ")[1].splitlines()[1:]:
            if line.startswith("="):
                break
            found = re.sub(rb"\[\d+ bytes missing in capture file\]\0", b"", bytes.fromhex(line.strip()))
            streams["server" if line.startswith("\t") != turned else "client"] += found
        theirs[port].append(streams)
    ours = defaultdict(lambda: defaultdict(lambda: {"client": b"", "server": b""}))
    for piece in read_streams(path):
        client = next(port for _, port in (piece.source, piece.destination) if port != 6379)
        side = "client" if piece.source[1] == client else "server"
        ours[client][piece.conversation][side] += piece.data
    different = {}
    for name, port in ports.items():
        mine = sorted(str(streams) for streams in ours[port].values() if any(streams.values()))
        other = sorted(str(streams) for streams in theirs[port] if any(streams.values()))
        if mine != other:
            different[name] = (mine, other)
    for name in sorted(set(different) ^ set(OTHER_STREAMS)):
        print(name, different.get(name))
    assert set(different) == set(OTHER_STREAMS)
