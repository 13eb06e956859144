"""A TCP connection whose segments, acknowledgements and flags are the fuzzer's, against a model that is slow and plain.

The input is read as records of five bytes: who and which flags, offset, length, acknowledgement, time. All payloads
are cut from one known stream for each side, so that every byte given out can be checked: it must be the right one at
its place, in order, with gaps counted exactly.

    python -m fuzz reassembler
"""

from __future__ import annotations

from itertools import count

from l7codec.capture.flow import Piece
from l7codec.capture.limits import CaptureLimits
from l7codec.capture.tcp import TcpTable

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
STREAM = bytes(n * 7 % 251 for n in range(2048))
ISNS = (0xFFFF_FF80, 1000)
KEYS = (b"\x0a\0\0\1\x0a\0\0\2\xc0\0\x18\xeb", b"\x0a\0\0\2\x0a\0\0\1\x18\xeb\xc0\0")
LIMITS = CaptureLimits(hole_bytes=4096, held=8192, connections=4, lingering=2)


def test_one(data: bytes) -> None:
    """Raises when an invariant is broken."""
    table = TcpTable(LIMITS, count(1))
    pieces: list[Piece] = []
    time_ns = 0
    for frame, at in enumerate(range(0, len(data) - 4, 5), 1):
        kind, offset, length, acknowledged, pause = data[at : at + 5]
        side = kind & 1
        flags = ACK | PSH | (FIN if kind & 6 == 6 else 0) | (RST if kind & 56 == 56 else 0)
        start = offset * 4
        if kind >> 6 == 3:
            flags, start = SYN | (ACK if side else 0), -1
        payload = b"" if flags & SYN else STREAM[start : start + length]
        cut = len(payload) // 2 if kind & 0x48 == 0x48 else len(payload)
        time_ns += pause * pause * 1_000_000
        pieces += table.receive(
            *(time_ns, frame, KEYS[side], (ISNS[side] + 1 + start) & 0xFFFF_FFFF),
            *((ISNS[1 - side] + 1 + acknowledged * 4) & 0xFFFF_FFFF, flags, payload[:cut], len(payload) - cut),
        )
        assert table.held <= LIMITS.held
        assert len(table) <= LIMITS.connections
    pieces += table.finish()
    assert table.held == 0
    check(pieces)


def check(pieces: list[Piece]) -> None:
    """Every piece continues its direction, and ends it once."""
    places: dict[tuple[int, int], int] = {}
    over: set[tuple[int, int]] = set()
    for piece in pieces:
        index = 0 if piece.half.key == KEYS[0] else 1
        direction = (piece.conversation, index)
        assert direction not in over, "a piece after the end"
        assert piece.data or piece.gap or piece.end, "an empty piece"
        place = places.get(direction)
        if place is None:
            place = (piece.half.first - ISNS[index] - 1) & 0xFFFF_FFFF
        place += piece.gap
        assert STREAM[place : place + len(piece.data)] == piece.data, "a wrong byte"
        places[direction] = place + len(piece.data)
        if piece.end:
            over.add(direction)
    assert len(over) == 2 * len({number for number, _ in over}), "not one end for each side"
