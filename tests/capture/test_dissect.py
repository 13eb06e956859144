"""Link layers, IP and tunnels: each wrapping of one segment gives that segment, or a reason why not."""

from __future__ import annotations

import io
import random
import struct

import pytest

from l7codec.capture import read_packets, read_streams
from l7codec.capture.dissect import Dissector
from l7codec.capture.limits import CaptureLimits

from .build import (
    ACK,
    CLIENT,
    CLIENT6,
    PSH,
    SECOND,
    SERVER,
    SERVER6,
    START,
    address,
    ethernet,
    ipv4,
    ipv6,
    pcap,
    pcap_header,
    record,
    tcp,
    udp,
)

DATA = b"*1\r\n$4\r\nPING\r\n"
SEGMENT = tcp(DATA, 1000, 2000, PSH | ACK)
V4 = ipv4(SEGMENT)
V6 = ipv6(SEGMENT)
KEY4 = address(CLIENT[0]) + address(SERVER[0]) + struct.pack(">HH", 40112, 6379)
KEY6 = address(CLIENT6[0]) + address(SERVER6[0]) + struct.pack(">HH", 40112, 6379)
IS4 = (6, KEY4, 1000, 2000, PSH | ACK, DATA, 0)
IS6 = (6, KEY6, 1000, 2000, PSH | ACK, DATA, 0)
DATAGRAM = udp(DATA)
IS_UDP = (17, KEY4[:8] + struct.pack(">HH", 40112, 8125), 0, 0, 0, DATA, 0)


def arp(kind: bytes) -> bytes:
    return b"\0\1" + kind


def ppp(protocol: bytes, payload: bytes) -> bytes:
    return protocol + payload


def extension(following: int, size: int = 8) -> bytes:
    return bytes([following, size // 8 - 1]) + bytes(size - 2)


def pppoe(payload: bytes, protocol: int = 0x21) -> bytes:
    return struct.pack(">BBHHH", 0x11, 0, 1, len(payload) + 2, protocol) + payload


def mpls(payload: bytes, labels: int = 2) -> bytes:
    entries = [(16 + n) << 12 | (n == labels - 1) << 8 | 64 for n in range(labels)]
    return b"".join(entry.to_bytes(4, "big") for entry in entries) + payload


def sll(payload: bytes, kind: int) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", kind) + payload


def sll2(payload: bytes, kind: int) -> bytes:
    return struct.pack(">HHIHBB8s", kind, 0, 3, 1, 0, 6, b"\2\0\0\0\0\1") + payload


SNAP = b"\xaa\xaa\x03\0\0\0"

FOUND = {
    "ethernet": (1, ethernet(V4), IS4),
    "ethernet ipv6": (1, ethernet(V6, 0x86DD), IS6),
    "ethernet udp": (1, ethernet(ipv4(DATAGRAM, protocol=17)), IS_UDP),
    "ethernet padding": (1, ethernet(ipv4(tcp(b"x", 1000, 2000, PSH | ACK)) + bytes(9)), (*IS4[:5], b"x", 0)),
    "ethernet padding, no payload": (1, ethernet(ipv4(tcp(b"", 1000, 2000, ACK)) + bytes(6)), (*IS4[:4], ACK, b"", 0)),
    "vlan": (1, ethernet(V4, tags=(0x8100,)), IS4),
    "vlan in vlan": (1, ethernet(V4, tags=(0x88A8, 0x8100)), IS4),
    "old vlan in vlan, ipv6": (1, ethernet(V6, 0x86DD, tags=(0x9100, 0x8100)), IS6),
    "802.3 with snap": (1, ethernet(SNAP + b"\x08\0" + V4, len(V4) + 8), IS4),
    "pppoe": (1, ethernet(pppoe(V4), 0x8864), IS4),
    "pppoe in vlan, ipv6": (1, ethernet(pppoe(V6, 0x57), 0x8864, tags=(0x8100,)), IS6),
    "mpls": (1, ethernet(mpls(V4), 0x8847), IS4),
    "mpls multicast, ipv6": (1, ethernet(mpls(V6, 1), 0x8848), IS6),
    "null little": (0, b"\2\0\0\0" + V4, IS4),
    "null big": (0, b"\0\0\0\2" + V4, IS4),
    "null ipv6 on macOS": (0, b"\x1e\0\0\0" + V6, IS6),
    "null ipv6 on FreeBSD": (0, b"\0\0\0\x1c" + V6, IS6),
    "loop": (108, b"\0\0\0\x18" + V6, IS6),
    "ppp": (9, b"\0\x21" + V4, IS4),
    "ppp with address and control": (9, b"\xff\x03\0\x57" + V6, IS6),
    "ppp compressed protocol": (9, b"\xff\x03\x21" + V4, IS4),
    "ppp mpls": (9, b"\xff\x03\x02\x81" + mpls(V4), IS4),
    "ppp in hdlc": (50, b"\xff\x03\0\x21" + V4, IS4),
    "cisco hdlc": (104, b"\x0f\0\x08\0" + V4, IS4),
    "cisco hdlc on a ppp link": (50, b"\x8f\0\x86\xdd" + V6, IS6),
    "pppoe link": (51, pppoe(V4), IS4),
    "raw 101": (101, V4, IS4),
    "raw 101 ipv6": (101, V6, IS6),
    "raw 12": (12, V4, IS4),
    "raw 14": (14, V6, IS6),
    "raw ipv4": (228, V4, IS4),
    "raw ipv6": (229, V6, IS6),
    "sll": (113, sll(V4, 0x0800), IS4),
    "sll vlan": (113, sll(b"\0\7\x86\xdd" + V6, 0x8100), IS6),
    "sll2": (276, sll2(V6, 0x86DD), IS6),
    "ip options": (101, ipv4(SEGMENT, options=bytes(40)), IS4),
    "tcp options": (101, ipv4(tcp(DATA, 1000, 2000, PSH | ACK, options=b"\1" * 40)), IS4),
    "total length 0: segmentation offload": (1, ethernet(ipv4(SEGMENT, total=0)), IS4),
    "ipv6 length 0: segmentation offload": (1, ethernet(ipv6(SEGMENT, length=0), 0x86DD), IS6),
    "udp length 0": (101, ipv4(udp(DATA, length=0), protocol=17), IS_UDP),
    "udp padded inside ip": (101, ipv4(udp(DATA, length=8 + len(DATA)) + bytes(7), protocol=17), IS_UDP),
    "udp longer than ip": (101, ipv4(udp(DATA, length=900), protocol=17), IS_UDP),
    "ipv6 hop by hop, destination, routing": (
        101,
        ipv6(extension(60) + extension(43, 24) + extension(6, 16) + SEGMENT, protocol=0),
        IS6,
    ),
    "ipv6 authentication": (101, ipv6(bytes([6, 4]) + bytes(22) + SEGMENT, protocol=51), IS6),
    "ipv6 mobility, HIP, shim6": (
        101,
        ipv6(extension(139) + extension(140) + extension(6) + SEGMENT, protocol=135),
        IS6,
    ),
    "ipv6 atomic fragment": (101, ipv6(b"\6\0\0\0\0\0\0\1" + SEGMENT, protocol=44), IS6),
}

SKIPPED = {
    "arp": (1, ethernet(bytes(28), 0x0806), "ethertype 0x0806"),
    "spanning tree": (1, ethernet(b"\x42\x42\x03" + bytes(35), 38), "no ip packet"),
    "snap of a small type": (1, ethernet(SNAP + b"\0\1" + V4, 60), "no ip packet"),
    "pppoe discovery": (1, ethernet(bytes(20), 0x8863), "ethertype 0x8863"),
    "pppoe version 2": (1, ethernet(b"\x21" + pppoe(V4)[1:], 0x8864), "no ip packet"),
    "mpls pseudo-wire": (1, ethernet(mpls(bytes(40)), 0x8847), "no ip packet"),
    "ppp lcp": (9, b"\xff\x03\xc0\x21" + bytes(10), "no ip packet"),
    "null appletalk": (0, b"\x10\0\0\0" + bytes(40), "no ip packet"),
    "raw of no version": (101, bytes(40), "no ip packet"),
    "an unknown link": (147, V4, "link type 147"),
    "icmp": (101, ipv4(bytes(8), protocol=1), "ip protocol 1"),
    "icmp6": (101, ipv6(bytes(8), protocol=58), "ip protocol 58"),
    "sctp": (101, ipv4(bytes(8), protocol=132), "ip protocol 132"),
    "ipv6 no next header": (101, ipv6(b"", protocol=59), "ip protocol 59"),
    "gre without tunnels": (101, ipv4(b"\0\0\x08\0" + V4, protocol=47), "ip protocol 47"),
    "ip in ip without tunnels": (101, ipv4(V4, protocol=4), "ip protocol 4"),
    "empty": (1, b"", "cut short"),
    "ethernet cut": (1, ethernet(V4)[:13], "cut short"),
    "vlan cut": (1, ethernet(b"", 0x8100), "cut short"),
    "mpls without bottom": (1, ethernet(b"\0\0\0\1" * 4, 0x8847), "cut short"),
    "ip cut": (101, V4[:19], "cut short"),
    "ip cut early": (101, V4[:5], "cut short"),
    "ipv6 cut": (101, V6[:39], "cut short"),
    "ipv6 extension cut": (101, ipv6(b"", protocol=0, length=8), "cut short"),
    "ipv6 fragment cut": (101, ipv6(b"\6\0\0\x09\0\0", protocol=44, length=8), "cut short"),
    "tcp cut before its flags": (101, V4[:33], "cut short"),
    "udp cut": (101, ipv4(DATAGRAM, protocol=17)[:25], "cut short"),
    "ip version 5": (1, ethernet(b"\x55" + V4[1:]), "malformed ip header"),
    "ip of four words": (1, ethernet(b"\x44" + V4[1:]), "malformed ip header"),
    "ip total below its header": (101, ipv4(SEGMENT, total=19), "malformed ip header"),
    "ipv6 of version 4": (1, ethernet(b"\x40" + V6[1:], 0x86DD), "malformed ip header"),
    "ipv6 extension behind its length": (
        101,
        ipv6(extension(6, 16) + SEGMENT, protocol=0, length=8),
        "malformed ip header",
    ),
    "tcp of four words": (101, ipv4(tcp(DATA, words=4)), "malformed tcp header"),
    "tcp header behind the ip length": (101, ipv4(tcp(b"", words=15)), "malformed tcp header"),
    "udp length below its header": (101, ipv4(udp(DATA, length=7), protocol=17), "malformed udp header"),
    "udp header behind the ip length": (101, ipv4(DATAGRAM, total=24, protocol=17), "malformed udp header"),
}


def dissect(data: bytes, **options: object):
    dissector = Dissector(**options)
    found = [dissector.segment(packet) for packet in read_packets(io.BytesIO(data))]
    return [segment and segment[2:] for segment in found], dict(dissector.skipped)


@pytest.mark.parametrize("name", FOUND)
def test_each_wrapping_gives_the_segment(name):
    link, data, segment = FOUND[name]
    assert dissect(pcap(data, link=link)) == ([segment], {})


@pytest.mark.parametrize("name", SKIPPED)
def test_what_holds_no_segment_is_counted(name):
    link, data, reason = SKIPPED[name]
    assert dissect(pcap(data, link=link)) == ([None], {reason: 1})


@pytest.mark.parametrize("name", FOUND)
def test_every_cut_of_a_packet_says_how_much_is_missing(name):
    link, data, segment = FOUND[name]
    if "length 0" in name:
        return  # then the packet's own length is all there is
    for cut in range(len(data)):
        ((found,), _) = dissect(pcap_header(link=link) + record(data[:cut], length=len(data)))
        if found is not None:
            assert found[:5] == segment[:5]
            assert segment[5].startswith(found[5])
            assert len(found[5]) + found[6] == len(segment[5])


def test_cut_with_total_length_0_counts_from_the_packets_length():
    data = ethernet(ipv4(SEGMENT, total=0))
    ((found,), _) = dissect(pcap_header() + record(data[:-4], length=len(data)))
    assert found[5:] == (DATA[:-4], 4)


def gre(kind: int, payload: bytes, flags: int = 0, fields: bytes = b"") -> bytes:
    return struct.pack(">HH", flags, kind) + fields + payload


def gtp(payload: bytes, flags: int = 0x30, fields: bytes = b"", kind: int = 0xFF) -> bytes:
    return struct.pack(">BBHI", flags, kind, len(fields) + len(payload), 99) + fields + payload


def vxlan(payload: bytes, flags: int = 8) -> bytes:
    return struct.pack(">II", flags << 24, 77 << 8) + payload


def geneve(payload: bytes, kind: int = 0x6558, options: bytes = b"") -> bytes:
    return struct.pack(">BBHI", len(options) // 4, 0, kind, 77 << 8) + options + payload


FRAME = ethernet(V4)
OUTER = ("192.0.2.1", "192.0.2.2")


def over_udp(payload: bytes, port: int, source: int = 5000) -> bytes:
    return ipv4(udp(payload, source, port), *OUTER, protocol=17)


TUNNELS = {
    "gre": (ipv4(gre(0x0800, V4), *OUTER, protocol=47), IS4),
    "gre ipv6": (ipv4(gre(0x86DD, V6), *OUTER, protocol=47), IS6),
    "gre checksum, key and sequence": (ipv4(gre(0x0800, V4, 0xB000, bytes(12)), *OUTER, protocol=47), IS4),
    "gre ethernet with vlan": (ipv4(gre(0x6558, ethernet(V4, tags=(0x8100,))), *OUTER, protocol=47), IS4),
    "erspan 1": (ipv4(gre(0x88BE, FRAME), *OUTER, protocol=47), IS4),
    "erspan 2": (ipv4(gre(0x88BE, bytes(8) + FRAME, 0x1000, bytes(4)), *OUTER, protocol=47), IS4),
    "erspan 3": (ipv4(gre(0x22EB, bytes(12) + FRAME, 0x1000, bytes(4)), *OUTER, protocol=47), IS4),
    "erspan 3 with subheader": (
        ipv4(gre(0x22EB, bytes(11) + b"\1" + bytes(8) + FRAME, 0x1000, bytes(4)), *OUTER, protocol=47),
        IS4,
    ),
    "ip in ip": (ipv4(V4, *OUTER, protocol=4), IS4),
    "ipv6 in ip": (ipv4(V6, *OUTER, protocol=41), IS6),
    "gtp-u": (over_udp(gtp(V4), 2152), IS4),
    "gtp-u answer": (over_udp(gtp(V6), 7000, 2152), IS6),
    "gtp-u sequence": (over_udp(gtp(V4, 0x32, b"\0\1\0\0"), 2152), IS4),
    "gtp-u extensions": (over_udp(gtp(V4, 0x34, b"\0\0\0\x85" + b"\1\0\0\x40" + b"\2" + bytes(7)), 2152), IS4),
    "vxlan": (over_udp(vxlan(FRAME), 4789), IS4),
    "vxlan on Linux's port": (over_udp(vxlan(ethernet(V6, 0x86DD)), 8472), IS6),
    "geneve": (over_udp(geneve(FRAME), 6081), IS4),
    "geneve ip with options": (over_udp(geneve(V4, 0x0800, bytes(12)), 6081), IS4),
    "gre in vxlan in gre": (
        ipv4(gre(0x0800, over_udp(vxlan(ethernet(ipv4(gre(0x0800, V4), *OUTER, protocol=47))), 4789)), protocol=47),
        IS4,
    ),
}

NO_TUNNELS = {
    "gtp echo": (gtp(b"", kind=1), 2152),
    "gtp version 2": (gtp(V4, 0x48), 2152),
    "gtp of no ip": (gtp(b"\0hello"), 2152),
    "gtp extension of length 0": (gtp(V4, 0x34, b"\0\0\0\x85\0\0\0\0"), 2152),
    "gtp cut": (b"\x30\xff", 2152),
    "vxlan flags": (vxlan(FRAME, 0), 4789),
    "geneve version 1": (b"\x40" + geneve(FRAME)[1:], 6081),
    "geneve type": (geneve(FRAME, 0x1234), 6081),
    "geneve cut": (b"\0", 6081),
}


@pytest.mark.parametrize("name", TUNNELS)
def test_tunnels(name):
    data, segment = TUNNELS[name]
    assert dissect(pcap(data, link=101), tunnels=True) == ([segment], {})
    ((outer,), skipped) = dissect(pcap(data, link=101))
    assert (outer is None) == bool(skipped)  # without the option it is what it is


@pytest.mark.parametrize("name", NO_TUNNELS)
def test_what_is_no_tunnel_stays_a_datagram(name):
    payload, port = NO_TUNNELS[name]
    ((found,), skipped) = dissect(pcap(over_udp(payload, port), link=101), tunnels=True)
    assert skipped == {}
    assert found[5] == payload


def test_gre_that_is_not_read():
    for packet in (gre(0x0800, V4, 0x4000), gre(0x880B, V4, 0x2001), gre(0x1234, V4)):
        (found, skipped) = dissect(pcap(ipv4(packet, protocol=47), link=101), tunnels=True)
        assert found == [None]
        assert sum(skipped.values()) == 1


def test_tunnels_are_bounded():
    packet = V4
    for depth in range(12):
        found, skipped = dissect(pcap(packet, link=101), tunnels=True)
        assert (found, skipped) == (([IS4], {}) if depth < 8 else ([None], {"too many tunnels": 1}))
        packet = ipv4(packet, *OUTER, protocol=4)


# Fragments


def fragments4(payload: bytes, sizes: list[int], identification: int = 7) -> list[bytes]:
    packets, at = [], 0
    for size in sizes:
        more = 0x2000 if at + size < len(payload) else 0
        packets.append(
            ipv4(payload[at : at + size], fragment=more | at // 8, identification=identification, protocol=17)
        )
        at += size
    return packets


def fragments6(payload: bytes, sizes: list[int]) -> list[bytes]:
    packets, at = [], 0
    for size in sizes:
        place = at | (at + size < len(payload))
        head = struct.pack(">BBHI", 17, 0, place, 7)
        packets.append(ipv6(head + payload[at : at + size], protocol=44))
        at += size
    return packets


BIG = random.Random(5).randbytes(3000)
WHOLE = udp(BIG)


@pytest.mark.parametrize("make", [fragments4, fragments6])
def test_fragments_in_any_order(make):
    shuffle = random.Random(1)
    for _ in range(20):
        packets = make(WHOLE, [1000, 8, 992, 1008])
        packets += shuffle.sample(packets, 1)
        shuffle.shuffle(packets)
        found, _ = dissect(pcap(*packets, link=101))
        payloads = [segment[5] for segment in found if segment]
        assert payloads == [BIG]


def test_fragments_of_two_datagrams_do_not_mix():
    one, two = fragments4(WHOLE, [1504, 1504], 1), fragments4(udp(BIG[::-1]), [1504, 1504], 2)
    found, skipped = dissect(pcap(one[0], two[1], two[0], one[1], link=101))
    assert [segment and segment[5] for segment in found] == [None, None, BIG[::-1], BIG]
    assert skipped == {}


def test_overlapping_fragments_first_wins_in_ipv4_and_is_dropped_in_ipv6():
    first, second = b"A" * 1600, b"B" * 3008
    four = [
        ipv4(WHOLE[:800] + first[800:], fragment=0x2000, protocol=17),
        ipv4(second[800:], fragment=100, protocol=17),
    ]
    ((_, found), _) = dissect(pcap(*four, link=101))
    assert found[5] == (WHOLE[8:800] + b"A" * 800 + b"B" * 1408)[:3000]
    six = [
        ipv6(struct.pack(">BBHI", 17, 0, 1, 7) + WHOLE[:800] + first[800:], protocol=44),
        ipv6(struct.pack(">BBHI", 17, 0, 800, 7) + second[800:], protocol=44),
    ]
    assert dissect(pcap(*six, link=101)) == ([None, None], {"unfinished ip datagram": 1})


def test_a_missing_fragment_is_counted():
    assert dissect(pcap(*fragments4(WHOLE, [1000, 1000, 1008])[:2], link=101)) == (
        [None, None],
        {"unfinished ip datagram": 1},
    )


def test_a_fragment_cut_by_the_snap_length_leaves_a_gap():
    one, two = fragments4(WHOLE, [1504, 1504])
    ((_, found), _) = dissect(pcap_header(link=101) + record(one[:520], length=len(one)) + record(two))
    assert found[5:] == (BIG[:492], 3000 - 492)


def test_an_identification_used_again_after_the_timeout():
    one, two = fragments4(WHOLE, [1504, 1504])
    stale = ipv4(b"x" * 1504, fragment=0x2000, identification=7, protocol=17)
    later = START + 31 * SECOND
    data = pcap_header(link=101) + record(stale) + record(one, later) + record(two, later)
    ((_, _, found), skipped) = dissect(data)
    assert found[5] == BIG
    assert skipped == {"unfinished ip datagram": 1}


def test_fragments_past_the_largest_datagram():
    ping_of_death = ipv4(bytes(1000), fragment=0x1FFF, protocol=17)
    empty = ipv4(b"", fragment=0x2000, protocol=17)
    assert dissect(pcap(ping_of_death, empty, link=101)) == ([None, None], {"unfinished ip datagram": 2})


def test_unfinished_datagrams_are_bounded():
    dissector = Dissector(limits=CaptureLimits(fragments=50_000))
    flood = [ipv4(bytes(1000), fragment=0x2000, identification=n, protocol=17) for n in range(1000)]
    for packet in read_packets(io.BytesIO(pcap(*flood, link=101))):
        dissector.segment(packet)
    assert dissector._fragments._cost <= 50_000
    assert dissector.skipped == {"unfinished ip datagram": 1000}


def test_fragmented_tcp_reaches_the_stream():
    segment = tcp(BIG, 1000, 2000, PSH | ACK)
    one = ipv4(segment[:1480], fragment=0x2000)
    two = ipv4(segment[1480:], fragment=185)
    pieces = list(read_streams(io.BytesIO(pcap(ethernet(two), ethernet(one)))))
    assert [(piece.data, piece.frame) for piece in pieces if piece.data] == [(BIG, 2)]
