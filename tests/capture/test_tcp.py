"""TCP put together: captures as transcripts, with the one right answer for each."""

from __future__ import annotations

import io
import itertools

import pytest

from l7codec.capture import CaptureLimits, End, read_segments, read_streams
from l7codec.capture.flow import reverse
from l7codec.capture.shard import Shard
from l7codec.message import Side

from .build import ACK, FIN, PSH, RST, SYN, URG, ethernet, ipv4, ipv6, pcap, pcap_header, record, tcp, udp
from .talk import Talk

CASES: dict[str, tuple[Talk, list[str]]] = {
    "in order, both sides, orderly end": (
        Talk().handshake().c(b"ping").s(b"pong").c(flags=FIN).s(flags=FIN, ack=5).c(at=5, ack=5),
        ["1 c ping", "1 s pong", "1 c fin", "1 s fin"],
    ),
    "data with FIN": (
        Talk().handshake().c(b"bye", flags=FIN | PSH).s(b"ok", flags=FIN | PSH, ack=4),
        ["1 c bye fin", "1 s ok fin"],
    ),
    "half closed": (
        Talk().handshake().c(b"ask", flags=FIN).s(b"one", ack=4).s(b"two", ack=4).s(flags=FIN, ack=4),
        ["1 c ask fin", "1 s one", "1 s two", "1 s fin"],
    ),
    "out of order": (
        Talk().handshake().c(b"cc", at=4).c(b"bb", at=2).c(b"aa", at=0),
        ["1 c aa", "1 c bb", "1 c cc"],
    ),
    "retransmitted": (Talk().handshake().c(b"aa").c(b"aa", at=0).c(b"bb", at=2), ["1 c aa", "1 c bb"]),
    "retransmitted while out of order": (
        Talk().handshake().c(b"bb", at=2).c(b"bb", at=2).c(b"aa", at=0),
        ["1 c aa", "1 c bb"],
    ),
    "retransmitted and joined": (
        Talk().handshake().c(b"aa").c(b"bb").c(b"aabbcc", at=0),
        ["1 c aa", "1 c bb", "1 c cc"],
    ),
    "overlap: first wins, tail is new": (Talk().handshake().c(b"abcd").c(b"XXef", at=2), ["1 c abcd", "1 c ef"]),
    "overlap behind a hole: first wins": (
        Talk().handshake().c(b"CC", at=4).c(b"bbXXdd", at=2).c(b"aa", at=0),
        ["1 c aa", "1 c bb", "1 c CC", "1 c dd"],
    ),
    "filling a hole with more than fits: first wins": (
        Talk().handshake().c(b"CC", at=4).c(b"aabbXXXX", at=0),
        ["1 c aabb", "1 c CC", "1 c XX"],
    ),
    "inside what is there": (Talk().handshake().c(b"abcdef").c(b"XX", at=2), ["1 c abcdef"]),
    "a hole, acknowledged: the capture missed it": (
        Talk().handshake().c(b"aa").c(b"cc", at=7).s(b"ok", ack=9).c(b"dd"),
        ["1 c aa", "1 c gap 5 cc", "1 s ok", "1 c dd"],
    ),
    "a hole that is acknowledged before what follows": (
        Talk().handshake().c(b"aa").s(b"ok", ack=7).c(b"cc", at=7),
        ["1 c aa", "1 s ok", "1 c gap 5 cc"],
    ),
    "a hole acknowledged just up to what follows": (
        Talk().handshake().c(b"cc", at=4).s(ack=4).c(b"aabb", at=0),
        ["1 c gap 4 cc"],
    ),
    "a hole acknowledged in part still waits": (
        Talk().handshake().c(b"cc", at=6).s(ack=3).c(b"aaabbb", at=0),
        ["1 c aaabbb", "1 c cc"],
    ),
    "two holes, the first acknowledged": (
        Talk().handshake().c(b"b", at=1).c(b"d", at=3).s(ack=2).c(b"c", at=2),
        ["1 c gap 1 b", "1 c c", "1 c d"],
    ),
    "a hole that is never filled": (Talk().handshake().c(b"aa").c(b"cc", at=4), ["1 c aa", "1 c gap 2 cc"]),
    "bytes that come after they were given up": (
        Talk().handshake().c(b"cc", at=2).s(ack=4).c(b"aa", at=0).c(b"dd", at=4),
        ["1 c gap 2 cc", "1 c dd"],
    ),
    "data in the SYN": (
        Talk().c(b"fast", flags=SYN).s(flags=SYN, ack=4).c(b"open", at=4).s(b"ok"),
        ["1 c fast", "1 c open", "1 s ok"],
    ),
    "data in the SYN, not taken": (
        Talk().c(b"fast", flags=SYN).s(flags=SYN, ack=0).c(b"fastopen", at=0),
        ["1 c fast", "1 c open"],
    ),
    "data in the SYN's answer": (Talk().c(flags=SYN).s(b"hello", flags=SYN).c(b"hi"), ["1 s hello", "1 c hi"]),
    "SYN retransmitted": (
        Talk().c(flags=SYN).c(flags=SYN).s(flags=SYN).s(flags=SYN).c(b"aa"),
        ["1 c aa"],
    ),
    "data before the SYN's answer": (Talk().c(flags=SYN).c(b"aa").s(flags=SYN).s(b"bb"), ["1 c aa", "1 s bb"]),
    "the answer captured before the SYN": (Talk().s(flags=SYN).c(flags=SYN).c(b"aa").s(b"bb"), ["1 c aa", "1 s bb"]),
    "data captured before the SYN": (Talk().c(b"aa").c(flags=SYN).c(b"bb"), ["1 c aa", "1 c bb"]),
    "simultaneous open": (
        Talk().c(flags=SYN).send("s", flags=SYN, ack=0).c(flags=SYN, ack=0).c(b"aa").s(b"bb"),
        ["1 c aa", "1 s bb"],
    ),
    "in the middle": (Talk().c(b"aa", at=500).s(b"bb", at=900).c(b"cc"), ["1 c aa", "1 s bb", "1 c cc"]),
    "in the middle, the server first": (Talk().s(b"bb", at=900).c(b"aa", at=500), ["1 s bb", "1 c aa"]),
    "in the middle, bare acknowledgements first": (
        Talk().c(at=500).s(at=900).c(b"aa", at=500).s(b"bb", at=900),
        ["1 c aa", "1 s bb"],
    ),
    "in the middle, a keep-alive first": (
        Talk().c(b"\0", at=499, flags=URG).c(b"aa", at=500),
        ["1 c aa"],
    ),
    "keep-alive without a byte": (
        Talk().handshake().c(b"aa").c(at=1).s().c(b"bb", at=2),
        ["1 c aa", "1 c bb"],
    ),
    "keep-alive with a byte": (
        Talk().handshake().c(b"aa").c(b"\0", at=1).s().c(b"bb", at=2),
        ["1 c aa", "1 c bb"],
    ),
    "keep-alive before any data": (Talk().handshake().c(b"\0", at=-1).s().c(b"bb", at=0), ["1 c bb"]),
    "zero window probe": (
        Talk().handshake().c(b"aa").s(ack=2).c(b"b", at=2).s(ack=2).c(b"bcd", at=2),
        ["1 c aa", "1 c b", "1 c cd"],
    ),
    "sequence numbers wrap": (
        Talk(2**32 - 5, 2**32 - 1).handshake().c(b"abcdef").s(b"xy").c(b"ghi").s(b"z"),
        ["1 c abcdef", "1 s xy", "1 c ghi", "1 s z"],
    ),
    "out of order across the wrap": (
        Talk(2**32 - 5).handshake().c(b"ghi", at=6).s(ack=0).c(b"abcdef", at=0),
        ["1 c abcdef", "1 c ghi"],
    ),
    "a gap across the wrap": (
        Talk(2**32 - 5).handshake().c(b"ab").c(b"ij", at=8).s(ack=10),
        ["1 c ab", "1 c gap 6 ij"],
    ),
    "RST": (Talk().handshake().c(b"aa").c(flags=RST), ["1 c aa", "1 c rst", "1 s rst"]),
    "RST with text": (Talk().handshake().c(b"aa").s(b"go away", flags=RST), ["1 c aa", "1 s rst", "1 c rst"]),
    "RST behind a hole that fills": (
        Talk().handshake().c(flags=RST, at=4).c(b"aabb", at=0),
        ["1 c aabb rst", "1 s rst"],
    ),
    "RST far outside the window": (
        Talk().handshake().c(b"aa").c(flags=RST, at=2**31).c(b"bb"),
        ["1 c aa", "1 c bb"],
    ),
    "data in flight after the other side's RST": (
        Talk().handshake().s(b"one").c(flags=RST).s(b"two"),
        ["1 s one", "1 c rst", "1 s two", "1 s rst"],
    ),
    "connection refused": (Talk().c(flags=SYN).s(flags=RST | ACK), ["1 s rst", "1 c rst"]),
    "refused, and tried again with the same number": (
        Talk().c(flags=SYN).s(flags=RST | ACK).handshake().c(b"aa"),
        ["1 s rst", "1 c rst", "2 c aa"],
    ),
    "FIN behind a hole that fills": (
        Talk().handshake().c(flags=FIN, at=4).c(b"bb", at=2).c(b"aa", at=0),
        ["1 c aa", "1 c bb fin"],
    ),
    "FIN behind a hole that is acknowledged": (
        Talk().handshake().c(b"aa").c(flags=FIN, at=6).s(ack=7),
        ["1 c aa", "1 c gap 4 fin"],
    ),
    "FIN with data behind a hole that never fills": (
        Talk().handshake().c(b"cc", at=4, flags=FIN),
        ["1 c gap 4 cc fin"],
    ),
    "FIN retransmitted": (
        Talk().handshake().c(b"a", flags=FIN).c(b"a", at=0, flags=FIN).c(at=1, flags=FIN),
        ["1 c a fin"],
    ),
    "data behind a FIN is not of the stream": (
        Talk().handshake().c(b"cc", at=4).c(flags=FIN, at=4).c(b"aaaaXX", at=0),
        ["1 c aaaa fin"],
    ),
    "keep-alive after the end": (
        Talk().handshake().c(b"aa", flags=FIN).c(b"\0", at=2).s(b"bb", ack=3),
        ["1 c aa fin", "1 s bb"],
    ),
    "ports used again after FIN": (
        Talk().handshake().c(b"a", flags=FIN).s(b"b", flags=FIN).again().handshake().c(b"c").s(b"d"),
        ["1 c a fin", "1 s b fin", "2 c c", "2 s d"],
    ),
    "ports used again after RST": (
        Talk().handshake().c(b"a").s(flags=RST).again().handshake().c(b"c"),
        ["1 c a", "1 s rst", "1 c rst", "2 c c"],
    ),
    "ports used again without an end": (
        Talk().handshake().c(b"a").s(b"b").again().handshake().c(b"c").s(b"d"),
        ["1 c a", "1 s b", "1 c reused", "1 s reused", "2 c c", "2 s d"],
    ),
    "ports used again, data in the SYN": (
        Talk().handshake().c(b"a").again().c(b"fast", flags=SYN).s(flags=SYN, ack=4).c(b"open", at=4),
        ["1 c a", "1 c reused", "1 s reused", "2 c fast", "2 c open"],
    ),
    "ports used again, only the client's side captured": (
        Talk().c(flags=SYN).c(b"a").again().c(flags=SYN).c(b"b"),
        ["1 c a", "1 c reused", "1 s reused", "2 c b"],
    ),
    "ports used again, only the server's side captured": (
        Talk().s(flags=SYN).s(b"a").again().s(flags=SYN).s(b"b"),
        ["1 s a", "1 s reused", "1 c reused", "2 s b"],
    ),
    "ports used again, neither end nor SYN captured": (
        Talk().handshake().c(b"a").again(2**31).c(b"b").c(b"c"),
        ["1 c a", "1 c reused", "1 s reused", "2 c b", "2 c c"],
    ),
    "ports used again, neither end nor SYN captured, an acknowledgement tells": (
        Talk().handshake().c(b"a").again(2**31).c(b"b").again(999, 1999).c(b"a", at=0).again(2**31).s(ack=1),
        ["1 c a", "1 c reused", "1 s reused", "2 c b"],
    ),
    "ports used again after FIN, SYN not captured": (
        Talk().handshake().c(b"a", flags=FIN).s(flags=FIN).again().c(b"b").s(b"c"),
        ["1 c a fin", "1 s fin", "2 c b", "2 s c"],
    ),
    "a forged SYN splits nothing": (
        Talk()
        .handshake()
        .c(b"a")
        .send("c", flags=SYN, at=0)
        .again(70_000)
        .c(flags=SYN)
        .again(999, 1999)
        .c(b"b", at=1)
        .s(b"d"),
        ["1 c a", "1 c b", "1 s d"],
    ),
    "ports used again, the answer's SYN first": (
        Talk().handshake().c(b"a").s(b"b").again().s(flags=SYN).c(flags=SYN).c(b"c").s(b"d"),
        ["1 c a", "1 s b", "1 c reused", "1 s reused", "2 c c", "2 s d"],
    ),
    "a reset that is not believed, and a FIN too far away": (
        Talk().handshake().c(b"a").c(flags=RST, at=2**31).c(flags=FIN, at=2**31).c(b"b", at=1),
        ["1 c a", "1 c b"],
    ),
    "a reset after the end": (Talk().handshake().c(b"a", flags=FIN).c(flags=RST), ["1 c a fin", "1 s rst"]),
    "a forged segment far away splits nothing": (
        Talk().handshake().c(b"a").c(b"evil", at=2**31).c(b"evil", at=2**31).c(b"b", at=1),
        ["1 c a", "1 c b"],
    ),
    "one side captured, client": (Talk().c(flags=SYN).c(b"a").c(b"b").c(flags=FIN), ["1 c a", "1 c b", "1 c fin"]),
    "one side captured, server": (
        Talk().s(flags=SYN).s(b"a").s(b"b").s(flags=RST),
        ["1 s a", "1 s b", "1 s rst", "1 c rst"],
    ),
    "cut by the snap length": (
        Talk().handshake().c(b"abcdef", keep=4).c(b"gh"),
        ["1 c abcd", "1 c gap 2", "1 c gh"],
    ),
    "cut to nothing": (Talk().handshake().c(b"abcdef", keep=0).c(b"gh"), ["1 c gap 6", "1 c gh"]),
    "cut and out of order": (
        Talk().handshake().c(b"efgh", at=4, keep=1).c(b"abcd", at=0, keep=3).c(b"ij", at=8),
        ["1 c abc", "1 c gap 1", "1 c e", "1 c gap 3", "1 c ij"],
    ),
    "cut with FIN": (Talk().handshake().c(b"abcdef", keep=4, flags=FIN), ["1 c abcd", "1 c gap 2 fin"]),
    "nothing but acknowledgements": (Talk().c().s().c(), []),
    "a port scan": (Talk().c(flags=SYN), []),
    "the end of a connection from before": (Talk().c(flags=FIN).s(flags=FIN).c(flags=RST), []),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name):
    talk, pieces = CASES[name]
    assert talk.pieces() == pieces


@pytest.mark.parametrize("name", CASES)
def test_each_conversation_with_pieces_ends_once_on_each_side(name):
    ends: dict[tuple[int, str], int] = {}
    for piece in CASES[name][0].read():
        assert (piece.conversation, piece.side) not in ends, "a piece after the end"
        if piece.end:
            ends[piece.conversation, piece.side] = 1
    assert len(ends) == 2 * len({number for number, _ in ends})


@pytest.mark.parametrize("name", CASES)
def test_the_quick_way_and_the_thorough_way_agree(name, monkeypatch):
    """`StreamReader` has a short cut for the next segment in order; without it the pieces are the same."""
    quick = [describe(piece) for piece in CASES[name][0].read()]
    monkeypatch.setattr("l7codec.capture.streams.TELLING", 0)  # no segment's flags are then those of a plain one
    assert [describe(piece) for piece in CASES[name][0].read()] == quick


def describe(piece):
    return (
        piece.conversation, piece.side, piece.time_ns, piece.frame, piece.gap, piece.data, piece.end, piece.start_known
    )  # fmt: skip


def test_what_a_piece_tells():
    talk = Talk().handshake().c(b"ping")
    piece = talk.read()[0]
    assert (piece.conversation, piece.side, piece.transport) == (1, Side.CLIENT, "tcp")
    assert (piece.source, piece.destination) == (("10.0.0.1", 40112), ("10.0.0.2", 6379))
    assert (piece.frame, piece.time_ns) == (4, talk.time)
    assert piece.start_known
    assert (piece.end, piece.gap, piece.missing) == (None, 0, 0)
    assert piece.flow.certain
    assert repr(piece) == "<Piece tcp 1 client frame 4: 4 bytes>"
    assert repr(piece.flow) == "<Flow 1 tcp 10.0.0.1 40112 > 10.0.0.2 6379>"


def test_frame_and_time_are_of_the_packet_that_completed_the_piece():
    talk = Talk().handshake().c(b"cc", at=4).c(b"bb", at=2).c(b"aa", at=0).c(b"ee", at=8)
    assert [piece.frame for piece in talk.read() if piece.data] == [6, 6, 6, 7]
    times = [piece.time_ns for piece in talk.read() if piece.data]
    assert times[0] == times[1] == times[2] < times[3]
    # What was behind a hole that never filled was complete when it was captured, not when the hole was given up.
    late = Talk().handshake().c(b"bb", at=2).wait(5).s(ack=4)
    assert [piece.frame for piece in late.read() if piece.data] == [4]


def test_the_middle_of_a_connection_is_told():
    assert [piece.start_known for piece in Talk().c(b"a", at=5).s(b"b", at=5).read() if piece.data] == [False, False]
    assert [piece.start_known for piece in Talk().s(flags=SYN).s(b"b").c(b"a").read() if piece.data] == [True, False]
    assert [piece.start_known for piece in Talk().c(b"aa").c(flags=SYN).read() if piece.data] == [True]


@pytest.mark.parametrize(
    ("source", "destination", "side"),
    [
        (40112, 6379, "client"),
        (6379, 40112, "server"),
        (80, 6379, "server"),
        (40000, 50000, "client"),
        (53, 53, "client"),
    ],
)
def test_without_a_handshake_the_ports_tell_the_side(source, destination, side):
    packet = ethernet(ipv4(tcp(b"data", 1, 1, PSH | ACK, source, destination)))
    piece = next(read_streams(io.BytesIO(pcap(packet))))
    assert piece.side == side
    assert not piece.flow.certain
    piece.flow.turn()
    assert piece.side != side


def test_a_handshake_tells_the_side_whatever_the_ports():
    talk = Talk()
    talk.ports = {"c": 6379, "s": 40112}
    pieces = talk.handshake().c(b"a").s(b"b").read()
    assert [piece.side for piece in pieces if piece.data] == ["client", "server"]
    talk = Talk()
    talk.ports = {"c": 6379, "s": 40112}
    assert [piece.side for piece in talk.s(flags=SYN).s(b"b").read() if piece.data] == ["server"]


def test_ipv6():
    packets = [
        ethernet(ipv6(tcp(b"ping", 1, 1, PSH | ACK)), 0x86DD),
        ethernet(ipv6(tcp(b"pong", 1, 5, PSH | ACK, 6379, 40112), "fd00::2", "fd00::1"), 0x86DD),
    ]
    pieces = [piece for piece in read_streams(io.BytesIO(pcap(*packets))) if piece.data]
    assert [(piece.side, piece.source, piece.data) for piece in pieces] == [
        ("client", ("fd00::1", 40112), b"ping"),
        ("server", ("fd00::2", 6379), b"pong"),
    ]


def test_a_packet_to_itself():
    packet = ethernet(ipv4(tcp(b"odd", 1, 1, PSH | ACK, 7, 7), "10.0.0.1", "10.0.0.1"))
    assert [piece.data for piece in read_streams(io.BytesIO(pcap(packet)))] == [b"odd", b"", b""]


def test_datagrams_come_in_order_among_the_streams():
    there = ethernet(ipv4(udp(b"one", 40000, 53), protocol=17))
    back = ethernet(ipv4(udp(b"two", 53, 40000), "10.0.0.2", "10.0.0.1", protocol=17))
    stream = ethernet(ipv4(tcp(b"tcp", 1, 1, PSH | ACK)))
    empty = ethernet(ipv4(udp(b"", 40000, 53), protocol=17))
    reader = read_streams(io.BytesIO(pcap(there, stream, back, empty)))
    pieces = [(reader.frame, p.transport, p.conversation, p.side, p.data, p.start_known, p.end) for p in reader]
    assert pieces == [
        (1, "udp", 1, "client", b"one", True, None),
        (2, "tcp", 2, "client", b"tcp", False, None),
        (3, "udp", 1, "server", b"two", True, None),
        (4, "udp", 1, "client", b"", True, None),
        (4, "udp", 1, "client", b"", True, End.CAPTURE),
        (4, "udp", 1, "server", b"", True, End.CAPTURE),
        (4, "tcp", 2, "client", b"", False, End.CAPTURE),
        (4, "tcp", 2, "server", b"", False, End.CAPTURE),
    ]


def test_a_cut_datagram_tells_what_it_lacks():
    data = ethernet(ipv4(udp(b"abcdef"), protocol=17))
    piece = next(read_streams(io.BytesIO(pcap_header() + record(data[:-2], length=len(data)))))
    assert (piece.data, piece.missing, piece.gap) == (b"abcd", 2, 0)


# Bounds


def test_a_hole_is_given_up_when_too_much_is_behind_it():
    talk = Talk().handshake()
    for n in range(100):
        talk.c(b"x" * 1000, at=4 + 1000 * n)
    frames = []
    reader = read_streams(io.BytesIO(talk.file()), limits=CaptureLimits(hole_bytes=50_000))
    for piece in reader:
        if piece.data:
            frames.append(reader.frame)
            assert reader._tcp.held <= 50_000 + 2_000
    assert len(frames) == 100
    assert frames[0] == 3 + 40  # 1,256 each with the overhead


def test_tiny_segments_behind_a_hole_are_bounded_too():
    talk = Talk().handshake()
    for n in range(1000):
        talk.c(b"x", at=4 + 2 * n)
    reader = read_streams(io.BytesIO(talk.file()), limits=CaptureLimits(hole_bytes=10_000))
    for piece in reader:
        assert piece.data in {b"x", b""}
        assert reader._tcp.held <= 11_000


def test_all_holes_together_are_bounded_and_the_oldest_goes_first():
    packets = []
    for port in range(20_000, 20_100):
        packets.append(ethernet(ipv4(tcp(b"a", 1, 1, PSH | ACK, port))))
        packets.append(ethernet(ipv4(tcp(b"c" * 1000, 3, 1, PSH | ACK, port))))
    reader = read_streams(io.BytesIO(pcap(*packets)), limits=CaptureLimits(held=20_000))
    given_up = []
    for piece in reader:
        assert reader._tcp.held <= 20_000
        if piece.gap and reader.frame < len(packets):
            given_up.append(piece.conversation)
    assert given_up == list(range(1, len(given_up) + 1))
    assert len(given_up) > 80


def test_a_hole_is_given_up_after_a_time():
    talk = Talk().c(flags=SYN).c(b"aa").c(b"cc", at=4).wait(9).c(b"dd", at=6).wait(2).c(b"ee", at=8)
    assert talk.pieces() == ["1 c aa", "1 c gap 2 cc", "1 c dd", "1 c ee"]
    reader = read_streams(io.BytesIO(talk.file()))
    assert [reader.frame for piece in reader if piece.gap] == [5]


def test_other_packets_give_up_a_hole_after_a_time_too():
    talk = Talk().c(flags=SYN).c(b"aa").c(b"cc", at=4).wait(11)
    talk.ports = {"c": 1, "s": 2}
    talk.again().c(b"other").wait(6).c(b"more").wait(6).c(b"again")
    reader = read_streams(io.BytesIO(talk.file()))
    assert [reader.frame for piece in reader if piece.gap] == [5]


def test_one_wild_time_stamp_ends_nothing():
    talk = Talk().handshake().c(b"aa").c(b"cc", at=4)
    now = talk.time
    talk.ports["c"] = 7
    talk.wait(10**8).c(b"from the future")
    talk.time, talk.ports["c"] = now, 40112
    talk.c(b"bb", at=2)
    assert talk.pieces()[:1] + talk.pieces()[2:] == ["1 c aa", "1 c bb", "1 c cc"]


def test_a_connection_that_is_quiet_for_too_long_ends():
    talk = Talk().handshake().c(b"aa").wait(3601).c(b"bb")
    assert talk.pieces() == ["1 c aa", "1 c timeout", "1 s timeout", "2 c bb"]
    assert Talk().handshake().c(b"aa").wait(3599).c(b"bb").pieces() == ["1 c aa", "1 c bb"]


def test_quiet_connections_are_swept_by_the_traffic_of_others():
    talk = Talk().handshake().c(b"aa").c(b"cc", at=4)
    talk.ports["c"] = 50_000
    for _ in range(20):
        talk.wait(500).c(b"x")
    words = talk.pieces()
    assert words[:2] == ["1 c aa", "2 c x"]
    assert "1 c gap 2 cc" in words
    assert words.index("1 c timeout") < len(words) - 10


def test_quiet_datagrams_are_swept():
    packets = [ethernet(ipv4(udp(b"x", 100 + n % 2 * (n > 1)), protocol=17)) for n in range(6)]
    reader = read_streams(io.BytesIO(pcap(*packets, step=200 * 10**9)))
    words = [(piece.conversation, piece.data, piece.end and piece.end.value) for piece in reader]
    assert words[:4] == [(1, b"x", None), (1, b"x", None), (1, b"x", None), (2, b"x", None)]
    assert (1, b"", "timeout") in words


def test_an_old_datagram_pair_begins_anew():
    packets = [ethernet(ipv4(udp(b"x"), protocol=17))] * 2
    words = [(p.conversation, p.end) for p in read_streams(io.BytesIO(pcap(*packets, step=301 * 10**9))) if p.data]
    assert words == [(1, None), (2, None)]


def test_the_table_of_connections_is_bounded():
    packets = [ethernet(ipv4(tcp(b"x", 1, 1, PSH | ACK, port))) for port in range(1000, 3000)]
    reader = read_streams(io.BytesIO(pcap(*packets)), limits=CaptureLimits(connections=100))
    evicted = []
    for piece in reader:
        assert len(reader._tcp) <= 100
        assert len(reader._tcp.halves) <= 200
        if piece.end is End.EVICTED:
            evicted.append(piece.conversation)
    assert evicted == sorted(evicted)
    assert len(evicted) > 3700


def test_a_port_scan_leaves_nothing():
    packets = [ethernet(ipv4(tcp(b"", 1, 0, SYN, 40000, port))) for port in range(2000)]
    reader = read_streams(io.BytesIO(pcap(*packets)), limits=CaptureLimits(connections=100))
    assert list(reader) == []
    assert len(reader._tcp.halves) == 0


def test_closed_connections_are_remembered_for_a_while_only():
    talk = Talk()
    for port in range(300):
        talk.ports["c"] = 1000 + port
        talk.again().handshake().c(b"a", flags=FIN).s(flags=FIN)
    reader = read_streams(io.BytesIO(talk.file()), limits=CaptureLimits(lingering=10))
    for _ in reader:
        assert len(reader._tcp.halves) <= 2 * 12
    talk.wait(100).ports["c"] = 7
    talk.again().c(b"x").wait(6).c(b"y").wait(6).c(b"z")
    reader = read_streams(io.BytesIO(talk.file()))
    for piece in reader:
        if piece.data == b"z":
            assert len(reader._tcp.halves) == 2


def test_a_reset_connection_ends_on_its_other_side_after_a_while():
    talk = Talk().handshake().s(b"aa").c(flags=RST).wait(61)
    talk.ports["c"] = 50_000
    talk.again().c(b"x").wait(6).c(b"y")
    words = talk.pieces()
    assert words[:2] == ["1 s aa", "1 c rst"]
    assert sorted(words[2:]) == ["1 s rst", "2 c x", "2 c y"]


# Shards


def test_shards_are_disjoint_and_together_everything():
    talk = Talk()
    for port in range(50):
        talk.ports["c"] = 1000 + port
        talk.again(port).handshake().c(b"ask %d" % port).s(b"answer %d" % port).c(b"late", at=50)
    whole = [(p.flow.first_frame, p.side, p.frame, p.data, p.gap, p.end) for p in talk.read()]
    parts = []
    for index in range(3):
        reader = read_streams(io.BytesIO(talk.file()), shard=(index, 3))
        parts.append([(p.flow.first_frame, p.side, p.frame, p.data, p.gap, p.end) for p in reader])
    assert sorted(itertools.chain(*parts)) == sorted(whole)
    assert all(parts)
    assert sum(len({row[0] for row in part}) for part in parts) == 50


def test_a_shard_must_be_one_of_its_count():
    with pytest.raises(ValueError, match="shard 2 of 2"):
        read_streams(io.BytesIO(pcap()), shard=(2, 2))


def test_a_shard_remembers_a_bounded_number_of_connections(monkeypatch):
    monkeypatch.setattr("l7codec.capture.shard._REMEMBERED", 10)
    shard = Shard(1, 2)
    keys = [bytes([10, 0, 0, 1, 10, 0, 0, n, 0, 80, 200, n]) for n in range(100)]
    answers = [shard.wants(6, key) for key in keys * 2]
    assert answers[:100] == answers[100:] == [shard.wants(6, reverse(key)) for key in keys]
    assert 20 < sum(answers[:100]) < 80
    assert len(shard.tcp) <= 10


def test_all_datagrams_belong_to_the_first_shard():
    packets = [ethernet(ipv4(udp(b"x", 1000 + n), protocol=17)) for n in range(10)]
    counts = [len(list(read_streams(io.BytesIO(pcap(*packets)), shard=(index, 2)))) for index in range(2)]
    assert counts == [30, 0]


def test_skipped_packets_are_counted():
    reader = read_streams(io.BytesIO(pcap(ethernet(bytes(28), 0x0806), ethernet(ipv4(bytes(8), protocol=1)))))
    assert list(reader) == []
    assert reader.skipped == {"ethertype 0x0806": 1, "ip protocol 1": 1}
    assert reader.warnings == []
    assert reader.offset == 24 + 2 * 16 + 42 + 42


def test_segments():
    talk = Talk().handshake().c(b"ping")
    data = talk.file() + record(ethernet(bytes(28), 0x0806), unit=1)
    reader = read_segments(io.BytesIO(data))
    flags = [segment[6] for segment in reader]
    assert flags == [SYN, SYN | ACK, ACK, PSH | ACK]
    assert reader.skipped == {"ethertype 0x0806": 1}
    assert reader.warnings == []
    assert reader.offset == len(data)
    assert list(read_segments(io.BytesIO(data), shard=(0, 1)))[3][7] == b"ping"


def test_a_segment_that_fits_no_connection_is_counted():
    talk = Talk().handshake().c(b"a").c(b"far", at=2**31).c(b"far", at=2**31).c(b"b", at=1).c(b"far", at=2**31 + 9)
    reader = read_streams(io.BytesIO(talk.file()))
    assert b"".join(piece.data for piece in reader) == b"ab"
    assert reader.skipped == {"tcp segment outside its connection": 3}
    talk = Talk().handshake().c(b"a").again(2**31).c(b"b").c(b"c")
    reader = read_streams(io.BytesIO(talk.file()))
    assert b"".join(piece.data for piece in reader) == b"abc"
    assert reader.skipped == {}


def test_a_stream_reader_can_be_closed_early():
    with read_streams(io.BytesIO(CASES["retransmitted"][0].file())) as pieces:
        assert next(pieces).data == b"aa"
    assert list(pieces) == []
    reader = read_streams(io.BytesIO(CASES["retransmitted"][0].file()))
    given = 0
    for _ in reader:
        given += 1
        reader.close()
    assert given == 1
