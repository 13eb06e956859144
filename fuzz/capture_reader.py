"""Any bytes as a capture file: packets and pieces or a CaptureError, and the fast path agrees with the plain one.

python -m fuzz capture_reader
"""

from __future__ import annotations

import io

from l7codec.capture import CaptureError, read_packets, read_streams
from l7codec.capture.dissect import Dissector
from l7codec.capture.fast import plain_segments, segments
from l7codec.capture.files import open_source
from l7codec.capture.reader import open_reader


def test_one(data: bytes) -> None:
    """Raises when an invariant is broken."""
    try:
        reader = read_packets(io.BytesIO(data))
    except CaptureError:
        return
    frames = [packet.frame for packet in reader]
    assert frames == sorted(set(frames))
    results = []
    for choose in (segments, plain_segments):
        source = open_source(io.BytesIO(data))
        dissector = Dissector(tunnels=len(data) % 2 == 1)
        found = list(choose(open_reader(source), dissector, None))
        results.append((found, source.warnings, dissector.skipped))
    assert results[0] == results[1]
    assert results[0][1] == reader.warnings
    over: set[tuple[int, str]] = set()
    for piece in read_streams(io.BytesIO(data), tunnels=len(data) % 2 == 1):
        direction = (piece.conversation, str(piece.side))
        assert direction not in over, "a piece after the end"
        if piece.end:
            over.add(direction)
    assert len(over) == 2 * len({number for number, _ in over})
