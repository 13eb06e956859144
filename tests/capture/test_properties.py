"""Whatever happens to the segments of a connection on their way, the same streams come out."""

from __future__ import annotations

import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from l7codec.capture import CaptureError, CaptureLimits, read_packets, read_streams
from l7codec.capture.intervals import OVERHEAD, Intervals

from .build import ACK, CLIENT, FIN, PSH, SERVER, START, SYN, ethernet, ipv4, ipv6, pcap, pcap_header, record, tcp
from .test_packets import FILES
from .test_tcp import CASES

isns = st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 300, 2**32 - 1))


@st.composite
def cut_up(draw, stream: bytes) -> list[tuple[int, bytes]]:
    """Segments that together hold the stream, with some of it more than once, in any order."""
    cuts = sorted(draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)) if len(stream) > 1 else [])
    edges = [0, *cuts, len(stream)]
    pieces = [(a, stream[a:b]) for a, b in pairwise(edges)]
    again = draw(st.lists(st.tuples(st.integers(0, len(stream)), st.integers(0, 40)), max_size=6))
    pieces += [(at, stream[at : at + size]) for at, size in again]
    return draw(st.permutations(pieces))


@given(
    st.binary(min_size=1, max_size=300).flatmap(lambda stream: st.tuples(st.just(stream), cut_up(stream))),
    st.binary(min_size=1, max_size=300).flatmap(lambda stream: st.tuples(st.just(stream), cut_up(stream))),
    isns,
    isns,
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_reordered_duplicated_and_split_segments_give_the_same_streams(there, back, client_isn, server_isn, random, v6):
    (asked, asks), (answered, answers) = there, back
    mask = 2**32 - 1

    def packet(from_client: bool, isn: int, at: int, data: bytes, flags: int) -> bytes:
        ports = (CLIENT[1], SERVER[1]) if from_client else (SERVER[1], CLIENT[1])
        # Acknowledges only what was there from the start: the receiver's progress has a test of its own.
        acknowledged = ((server_isn if from_client else client_isn) + 1) & mask
        segment = tcp(data, isn + at, acknowledged, flags, *ports)
        if v6:
            hosts = ("fd00::1", "fd00::2") if from_client else ("fd00::2", "fd00::1")
            return ethernet(ipv6(segment, *hosts), 0x86DD)
        hosts = (CLIENT[0], SERVER[0]) if from_client else (SERVER[0], CLIENT[0])
        return ethernet(ipv4(segment, *hosts))

    packets = [packet(True, client_isn, 1 + at, data, ACK | PSH) for at, data in asks]
    packets += [packet(False, server_isn, 1 + at, data, ACK | PSH) for at, data in answers]
    packets.append(packet(True, client_isn, 1 + len(asked), b"", FIN | ACK))
    packets.append(packet(False, server_isn, 1 + len(answered), b"", FIN | ACK))
    random.shuffle(packets)
    packets[:0] = [packet(True, client_isn, 0, b"", SYN), packet(False, server_isn, 0, b"", SYN | ACK)]
    streams = {"client": b"", "server": b""}
    ends = []
    for piece in read_streams(io.BytesIO(pcap(*packets))):
        assert piece.conversation == 1
        assert not piece.gap
        assert piece.start_known
        streams[piece.side] += piece.data
        if piece.end:
            ends.append((piece.side, piece.end))
    assert streams == {"client": asked, "server": answered}
    assert sorted(ends) == [("client", "fin"), ("server", "fin")]


@given(st.data(), st.binary(min_size=2, max_size=200))
def test_with_lost_segments_each_byte_is_right_or_counted_as_missing(data, stream):
    """Drop segments, acknowledge at random: what comes out is the stream with holes whose sizes add up."""
    segments = data.draw(cut_up(stream))
    kept = data.draw(st.lists(st.sampled_from(segments), max_size=20))
    packets = [ethernet(ipv4(tcp(b"", 0, 0, SYN)))]
    for at, part in kept:
        packets.append(ethernet(ipv4(tcp(part, 1 + at, 1, ACK | PSH))))
        if data.draw(st.booleans()):
            acked = 1 + data.draw(st.integers(0, len(stream)))
            answer = tcp(b"", 1, acked, ACK, SERVER[1], CLIENT[1])
            packets.append(ethernet(ipv4(answer, SERVER[0], CLIENT[0])))
    at = 0
    for piece in read_streams(io.BytesIO(pcap(*packets))):
        at += piece.gap
        assert stream[at : at + len(piece.data)] == piece.data
        at += len(piece.data)
    assert at <= len(stream)


@given(st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=20)), max_size=30), st.integers(0, 80))
def test_intervals_keep_the_first_of_each_byte(parts, end):
    intervals: Intervals[int] = Intervals()
    first: dict[int, int] = {}
    for number, (start, data) in enumerate(parts):
        places = range(start, start + len(data))
        overlapped = any(place in first for place in places)
        assert intervals.insert(start, start + len(data), data, number) == overlapped
        for place, byte in zip(places, data, strict=True):
            first.setdefault(place, byte)
    intervals.cut(end)
    first = {place: byte for place, byte in first.items() if place < end}
    assert intervals.starts == sorted(intervals.starts)
    assert intervals.covered == len(first)
    assert all(intervals.holds(piece[0], piece[1]) for piece in intervals.pieces)
    assert not intervals.holds(end, end + 1)
    assert intervals.cost == sum(len(piece[2]) + OVERHEAD for piece in intervals.pieces)
    kept: dict[int, int] = {}
    while intervals:
        start, stop, data, _ = intervals.pop()
        assert stop - start == len(data)
        for place, byte in zip(range(start, stop), data, strict=True):
            assert place not in kept
            kept[place] = byte
    assert kept == first
    assert intervals.cost == intervals.covered == 0


BYTES = [data for data, _, _ in FILES.values() if len(data) < 2000] + [talk.file() for talk, _ in CASES.values()]


@given(st.sampled_from(BYTES), st.data())
def test_any_bytes_give_packets_and_pieces_or_the_one_error(data, draw):
    changed = bytearray(data)
    for at, byte in draw.draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)):
        changed[at] = byte
    for reading in (read_packets, read_streams):
        try:
            reader = reading(io.BytesIO(bytes(changed)))
        except CaptureError:
            continue
        for _ in reader:
            pass


@given(st.binary(max_size=120), st.sampled_from([0, 1, 9, 50, 51, 101, 104, 108, 113, 276]), st.integers(0, 200))
def test_any_packet_is_a_segment_or_counted(data, link, length):
    file = pcap_header(link=link) + record(data, START, length=length)
    for tunnels in (False, True):
        reader = read_streams(io.BytesIO(file), tunnels=tunnels, limits=CaptureLimits())
        pieces = list(reader)
        assert len(pieces) <= 4
        assert pieces or sum(reader.skipped.values()) <= 1
