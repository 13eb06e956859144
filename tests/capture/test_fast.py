"""The fast path and the plain one give the same segments, packet for packet, on every file there is."""

from __future__ import annotations

import io
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec.capture import CaptureError
from l7codec.capture.dissect import Dissector
from l7codec.capture.fast import pcap_segments, pcapng_segments, plain_segments, segments
from l7codec.capture.files import open_source
from l7codec.capture.limits import CaptureLimits
from l7codec.capture.reader import open_reader
from l7codec.capture.shard import Shard

from .build import (
    ACK,
    PSH,
    START,
    Dribble,
    block,
    enhanced,
    ethernet,
    interface,
    ipv4,
    ipv6,
    obsolete,
    option,
    pcap_header,
    record,
    section,
    simple,
    tcp,
    udp,
)
from .test_dissect import FOUND, SKIPPED
from .test_packets import FILES
from .test_tcp import CASES

PACKETS = [data for link, data, _ in [*FOUND.values(), *SKIPPED.values()] if link == 1]


def both(data: bytes, step: int | None = None):
    """Segments, warnings, what was skipped and where reading ended: for the fast path and for the plain one."""
    results = []
    for choose in (segments, plain_segments):
        source = open_source(io.BytesIO(data) if step is None else Dribble(data, step))
        dissector = Dissector(limits=CaptureLimits())
        try:
            found = list(choose(open_reader(source), dissector, None))
        except CaptureError as error:
            found = [str(error)]
        results.append((found, source.warnings, dissector.skipped, source.offset))
    return results


def assert_agree(data: bytes, step: int | None = None):
    fast, plain = both(data, step)
    assert fast == plain
    return fast[0]


@pytest.mark.parametrize("name", FILES)
def test_on_awkward_files(name):
    assert_agree(FILES[name][0])


@pytest.mark.parametrize("name", CASES)
def test_on_the_tcp_cases(name):
    assert assert_agree(CASES[name][0].file(), 777)


def test_on_awkward_packets_in_each_kind_of_file():
    for data in (
        pcap_header() + b"".join(record(packet) for packet in PACKETS),
        pcap_header(">") + b"".join(record(packet, order=">") for packet in PACKETS),
        pcap_header(magic=0xA1B2CD34) + b"".join(record(packet, extra=bytes(8)) for packet in PACKETS),
        pcap_header(minor=3) + b"".join(record(packet, captured=len(packet)) for packet in PACKETS),
        section() + interface() + b"".join(enhanced(packet) for packet in PACKETS),
        section(">") + interface(order=">") + b"".join(enhanced(packet, order=">") for packet in PACKETS),
    ):
        assert len(assert_agree(data)) > 10


def test_the_fast_path_is_taken():
    packet = ethernet(ipv4(tcp(b"data", 1, 1, PSH | ACK)))
    for data, path in (
        (pcap_header() + record(packet), pcap_segments),
        (section() + interface() + enhanced(packet), pcapng_segments),
        (pcap_header(">") + record(packet, order=">"), plain_segments),
        (pcap_header(link=101) + record(packet[14:]), plain_segments),
        (pcap_header(minor=3) + record(packet), plain_segments),
        (pcap_header(magic=0xA1B2CD34) + record(packet, extra=bytes(8)), plain_segments),
    ):
        source = open_source(io.BytesIO(data))
        found = segments(open_reader(source), Dissector(), None)
        assert found.__name__ == path.__name__
        assert [segment[7] for segment in found] == [b"data"]


def test_the_fast_path_reads_the_plain_packets_itself():
    """What the fast path is for must not fall to the plain one: the speed would be lost unseen."""
    packet = ethernet(ipv4(tcp(b"data", 1, 1, PSH | ACK, options=bytes(12))))
    for data, plain in (
        (pcap_header() + record(packet) * 50, []),
        (
            section() + interface() + enhanced(packet) * 50,
            [1, 50],
        ),  # `next` goes from the interface to a packet; the edge
    ):
        source = open_source(io.BytesIO(data))
        dissector = Watched()
        assert len(list(segments(open_reader(source), dissector, None))) == 50
        assert dissector.frames == plain


class Watched(Dissector):
    def __init__(self):
        super().__init__()
        self.frames = []

    def segment(self, packet):
        self.frames.append(packet.frame)
        return super().segment(packet)


def mutated(data: bytes, random: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 5])):
        if not changed:
            break
        at = random.randrange(len(changed))
        changed[at] = random.choice([0, 1, 0x45, 0x46, 0xFF, changed[at] ^ 1 << random.randrange(8)])
    if not random.randrange(4):
        del changed[random.randrange(len(changed) + 1) :]
    return bytes(changed)


def packet(random: random.Random) -> bytes:
    payload = random.randbytes(random.choice([0, 1, 5, 100, 1400]))
    kind = random.randrange(12)
    if kind < 7:
        segment = tcp(payload, random.getrandbits(32), random.getrandbits(32), random.getrandbits(6), options=bytes(12))
        packet = ethernet(ipv4(segment, fragment=random.choice([0, 0, 0, 0x4000, 0x8000, 0x2000, 5])))
    elif kind == 7:
        packet = ethernet(ipv4(tcp(payload), options=bytes(8)))
    elif kind == 8:
        packet = ethernet(ipv6(tcp(payload)), 0x86DD)
    elif kind == 9:
        packet = ethernet(ipv4(udp(payload), protocol=17))
    elif kind == 10:
        packet = ethernet(ipv4(tcp(payload), total=0))
    else:
        packet = ethernet(ipv4(tcp(payload)), tags=(0x8100,))
    packet += bytes(random.choice([0, 0, 6]))
    return mutated(packet, random) if random.randrange(3) == 0 else packet


def file(random: random.Random) -> bytes:
    packets = [packet(random) for _ in range(random.choice([0, 3, 20, 200]))]
    time = START + random.randrange(10**9)
    if random.randrange(2):
        magic = random.choice([0xA1B2C3D4, 0xA1B23C4D])
        data = pcap_header(magic=magic) + b"".join(
            record(p[: random.choice([len(p), len(p), 60])], time, length=len(p), unit=random.choice([1, 1000]))
            for p in packets
        )
    else:
        clock = [b"", option(9, b"\x09"), option(9, b"\x03"), option(9, b"\x8a"), option(14, struct.pack("<q", -7))]
        data = section() + interface(options=random.choice(clock))
        for p in packets:
            kind = random.randrange(20)
            if kind == 0:
                data += simple(p)
            elif kind == 1:
                data += obsolete(p)
            elif kind == 2:
                data += block(random.randrange(4, 12), p[:40])
            elif kind == 3:
                data += interface(link=random.choice([1, 1, 101]), options=random.choice(clock))
            elif kind == 4 and not random.randrange(3):
                data += section() + interface(options=random.choice(clock))
            else:
                cut = p[: random.choice([len(p), len(p), 60])]
                data += enhanced(cut, time // 1000, number=random.choice([0, 0, 0, 1]), length=len(p))
    return data if random.randrange(3) else mutated(data, random)


@given(st.randoms(use_true_random=False))
def test_on_random_files(random):
    assert_agree(file(random))


def test_on_many_random_files():
    """The same with a plain generator: more files in less time."""
    count = sum(len(assert_agree(file(random.Random(seed)), 5000)) for seed in range(1500))
    assert count > 20_000


def test_only_a_shards_segments_are_given():
    packets = []
    for port in range(100):
        packets += [ethernet(ipv4(tcp(b"x", source=port))), ethernet(ipv4(udp(b"x", port), protocol=17))]
    for data in (
        pcap_header() + b"".join(record(packet) for packet in packets),
        section() + interface() + b"".join(enhanced(packet) for packet in packets),
    ):
        for choose in (segments, plain_segments):
            source = open_source(io.BytesIO(data))
            shard = Shard(1, 3)
            found = [segment[1] for segment in choose(open_reader(source), Dissector(), shard)]
            assert found == [
                number for number, packet in enumerate(packets, 1) if number % 2 and shard.wants(6, packet[26:38])
            ]
            assert 10 < len(found) < 60
