"""Awkward files, each with the packets and the warning it must give; read whole, dribbled, zipped and from disk."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import struct
import sys
from pathlib import Path

import pytest

from l7codec.capture import CaptureError, read_packets, read_streams
from l7codec.errors import L7Error

from .build import (
    START,
    Dribble,
    block,
    enhanced,
    interface,
    obsolete,
    option,
    pcap,
    pcap_header,
    record,
    section,
    simple,
)

A, B = b"first packet", b"second, longer packet"
MICRO = START // 1000 * 1000  # the start as a microsecond file can tell it
AA = [(START, 1, 1, 0, A, len(A))]
BOTH = [(MICRO, 1, 1, 0, A, len(A)), (MICRO, 2, 1, 0, B, len(B))]
FIRST = BOTH[:1]


def resolution(value: int, order: str = "<") -> bytes:
    return option(9, bytes([value]), order) + option(0, b"", order)


def offset(seconds: int, order: str = "<") -> bytes:
    return option(14, struct.pack(order + "q", seconds), order)


# name: (file, [(time_ns, frame, link type, interface, data, length)], the start of the warning or "")
FILES: dict[str, tuple[bytes, list[tuple[int, int, int, int, bytes, int]], str]] = {
    # classic pcap
    "pcap little": (pcap_header() + record(A) + record(B), BOTH, ""),
    "pcap big": (pcap_header(">") + record(A, order=">") + record(B, order=">"), BOTH, ""),
    "pcap nano little": (pcap(A), AA, ""),
    "pcap nano big": (pcap_header(">", 0xA1B23C4D) + record(A, order=">", unit=1), AA, ""),
    "pcap modified little": (
        pcap_header(magic=0xA1B2CD34) + record(A, extra=bytes(8)) + record(B, extra=bytes(8)),
        BOTH,
        "",
    ),
    "pcap modified big": (pcap_header(">", 0xA1B2CD34) + record(A, order=">", extra=bytes(8)), FIRST, ""),
    "pcap 2.2 lengths swapped": (
        pcap_header(minor=2) + record(A, length=len(A), captured=60),
        [(MICRO, 1, 1, 0, A, 60)],
        "",
    ),
    "pcap 2.3 lengths maybe swapped": (
        pcap_header(minor=3) + record(A, length=len(A), captured=60) + record(B),
        [(MICRO, 1, 1, 0, A, 60), BOTH[1]],
        "",
    ),
    "pcap no packets": (pcap_header(), [], ""),
    "pcap empty packet": (pcap_header() + record(b"") + record(B), [(MICRO, 1, 1, 0, b"", 0), BOTH[1]], ""),
    "pcap snap length": (pcap_header(snap=12) + record(A, length=1500), [(MICRO, 1, 1, 0, A, 1500)], ""),
    "pcap frame check sequence in the link type": (pcap_header(link=0x2400_0001) + record(A), FIRST, ""),
    "pcap after 2038": (
        pcap_header() + record(A, time=4_000_000_000_000_001_000),
        [(4_000_000_000_000_001_000, 1, 1, 0, A, len(A))],
        "",
    ),
    "pcap fraction over a second": (
        pcap_header() + struct.pack("<IIII", 1, 2_000_000, len(A), len(A)) + A,
        [(3_000_000_000, 1, 1, 0, A, len(A))],
        "",
    ),
    "pcap cut in a packet": (
        pcap_header() + record(A) + record(B)[:-3],
        FIRST,
        "the file ends inside a packet, 18 bytes",
    ),
    "pcap cut in a header": (pcap_header() + record(A) + bytes(7), FIRST, "the file ends inside a record header"),
    "pcap captured 2^31": (
        pcap_header() + record(A) + record(B, captured=1 << 31) + record(A),
        FIRST,
        "damaged: a record claims 2147483648 bytes",
    ),
    "pcap large packet": (
        pcap_header() + record(bytes(262_144)) + record(B),
        [(MICRO, 1, 1, 0, bytes(262_144), 262_144), BOTH[1]],
        "",
    ),
    # pcapng
    "pcapng little": (section() + interface() + enhanced(A) + enhanced(B), BOTH, ""),
    "pcapng big": (section(">") + interface(order=">") + enhanced(A, order=">") + enhanced(B, order=">"), BOTH, ""),
    "pcapng nano": (section() + interface(options=resolution(9)) + enhanced(A, START), AA, ""),
    "pcapng 10^-3 s": (
        section() + interface(options=resolution(3)) + enhanced(A, START // 1_000_000),
        [(START // 1_000_000 * 1_000_000, 1, 1, 0, A, len(A))],
        "",
    ),
    "pcapng 10^-12 s": (
        section() + interface(options=resolution(12)) + enhanced(A, 1_700_000_000_123_456),
        [(1_700_000_000_123, 1, 1, 0, A, len(A))],
        "",
    ),
    "pcapng 2^-20 s": (
        section() + interface(options=resolution(0x80 | 20)) + enhanced(A, (1 << 20) + 3),
        [(1_000_000_000 + 3 * 10**9 // 2**20, 1, 1, 0, A, len(A))],
        "",
    ),
    "pcapng 10^-127 s": (
        section() + interface(options=resolution(127)) + enhanced(A, 2**64 - 1),
        [(0, 1, 1, 0, A, len(A))],
        "",
    ),
    "pcapng time offset": (
        section() + interface(options=offset(-3600)) + enhanced(A, START // 1000),
        [(MICRO - 3600 * 10**9, 1, 1, 0, A, len(A))],
        "",
    ),
    "pcapng interfaces with own clocks and links": (
        section()
        + interface()
        + interface(link=101, options=option(2, b"eth1") + resolution(9))
        + enhanced(A)
        + enhanced(B, START, number=1),
        [(MICRO, 1, 1, 0, A, len(A)), (START, 2, 101, 1, B, len(B))],
        "",
    ),
    "pcapng interface declared late": (
        section() + interface() + enhanced(A) + interface(options=resolution(9)) + enhanced(B, START, number=1),
        [(MICRO, 1, 1, 0, A, len(A)), (START, 2, 1, 1, B, len(B))],
        "",
    ),
    "pcapng undeclared interface": (
        section() + interface() + enhanced(A, number=7) + enhanced(B),
        BOTH[1:],
        "a packet names interface 7, which is not declared",
    ),
    "pcapng sections with other byte order and interfaces": (
        section() + interface() + enhanced(A) + section(">") + interface(101, order=">") + enhanced(B, order=">"),
        [BOTH[0], (MICRO, 2, 101, 0, B, len(B))],
        "",
    ),
    "pcapng section without interfaces": (
        section() + interface() + enhanced(A) + section() + enhanced(B),
        FIRST,
        "a packet names interface 0, which is not declared",
    ),
    "pcapng simple packets": (
        section() + interface(snap=8) + simple(A[:8], len(A)) + simple(B[:3]),
        [(0, 1, 1, 0, A[:8], len(A)), (0, 2, 1, 0, B[:3], 3)],
        "",
    ),
    "pcapng obsolete packets": (section() + interface() + obsolete(A) + obsolete(B), BOTH, ""),
    "pcapng unknown, custom, name and secrets blocks": (
        section()
        + block(0x0BAD, b"whatever")
        + interface()
        + block(4, b"\0\0\0\0")
        + block(0x0000000A, b"KEYS")
        + enhanced(A)
        + block(5, b"\xff" * 9)
        + block(0x80000001, b"")
        + enhanced(B),
        BOTH,
        "",
    ),
    "pcapng packet options": (
        section()
        + interface()
        + enhanced(A, options=option(1, b"hello") + option(2, b"\0\0\0\1", size=900))
        + enhanced(B),
        BOTH,
        "",
    ),
    "pcapng damaged interface options": (
        section() + interface(options=option(2, b"lo") + option(9, b"ab") + option(3, b"x", size=60_000)) + enhanced(A),
        FIRST,
        "damaged: interface option 9 of 2 bytes",
    ),
    "pcapng short blocks": (
        section() + block(1, b"\1\0") + interface() + block(6, b"\0" * 8) + block(3, b"") + enhanced(A),
        FIRST,
        "damaged: a block of type 1 is too short",
    ),
    "pcapng packet longer than its block": (
        section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99) + A) + enhanced(B),
        BOTH[1:],
        "damaged: a packet is longer than its block",
    ),
    "pcapng lengths differ": (
        section() + interface() + enhanced(A) + block(6, bytes(40), trailer=99) + enhanced(B),
        FIRST,
        "damaged: a block begins with length 52 and ends with 99",
    ),
    "pcapng length no multiple of four": (
        section() + interface() + enhanced(A) + block(5, b"", total=13) + bytes(9),
        FIRST,
        "damaged: a block of 13 bytes",
    ),
    "pcapng length 0": (section() + interface() + enhanced(A) + bytes(64), FIRST, "damaged: a block of 0 bytes"),
    "pcapng length 2^31": (
        section() + interface() + enhanced(A) + struct.pack("<II", 6, 1 << 31) + bytes(64),
        FIRST,
        "damaged: a block of 2147483648 bytes",
    ),
    "pcapng cut in a block": (
        section() + interface() + enhanced(A) + enhanced(B)[:-1],
        FIRST,
        "the file ends inside a block, ",
    ),
    "pcapng cut in a block header": (
        section() + interface() + enhanced(A) + b"\6\0\0",
        FIRST,
        "the file ends inside a block header",
    ),
    "pcapng second section damaged": (
        section() + interface() + enhanced(A) + b"\x0a\x0d\x0d\x0a" + bytes(40),
        FIRST,
        "damaged: a section header without its byte order magic",
    ),
    "pcapng second section of version 2": (
        section() + interface() + enhanced(A) + section(major=2) + interface() + enhanced(B),
        FIRST,
        "pcapng version 2.0 is not known",
    ),
    "pcapng second section cut": (
        section() + interface() + enhanced(A) + section()[:20],
        FIRST,
        "a section header is cut short",
    ),
    "pcapng second section longer than the file": (
        section() + interface() + enhanced(A) + section(options=option(4, bytes(90)))[:60],
        FIRST,
        "the file ends inside a section header",
    ),
    "pcapng second section with a bad length": (
        section() + interface() + enhanced(A) + struct.pack("<III", 0x0A0D0D0A, 30, 0x1A2B3C4D) + bytes(40),
        FIRST,
        "pcapng version 0.0 is not known",
    ),
    "pcapng section of any length": (section(length=3) + interface() + enhanced(A), FIRST, ""),
}

REFUSED = {
    "empty": (b"", "the file is empty"),
    "three bytes": (b"\xd4\xc3\xb2", "too short for a capture file"),
    "text": (b"no capture at all, sorry", "neither pcap nor pcapng: it begins with 6e 6f 20 63"),
    "pcap header cut": (pcap_header()[:23], "the file ends inside the pcap file header"),
    "pcap version": (struct.pack("<IHHIIII", 0xA1B2C3D4, 9, 9, 0, 0, 0, 1), "pcap version 9.9 is not known"),
    "pcapng header cut": (section()[:27], "the file ends inside the pcapng section header"),
    "pcapng magic": (b"\x0a\x0d\x0d\x0a" + bytes(40), "damaged: a section header without its byte order magic"),
    "pcapng version": (section(major=2), "pcapng version 2.0 is not known"),
    "pcapng length": (
        struct.pack("<IIIHHq", 0x0A0D0D0A, 27, 0x1A2B3C4D, 1, 0, -1) + bytes(9),
        "damaged: a section header of 27 bytes",
    ),
    "pcapng trailer": (section()[:-4] + bytes(4), "damaged: a section header begins with length 28 and ends with 0"),
    "pcapng longer than the file": (
        section(options=option(4, bytes(90)))[:60],
        "the file ends inside a section header, 60 bytes of 124",
    ),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(20), "compressed with zstd: decompress it first"),
    "gzip header cut": (gzip.compress(pcap())[:9], "reading failed: the gzip file is cut short"),
    "gzip of text": (gzip.compress(b"hello, world"), "neither pcap nor pcapng: it begins with 68 65 6c 6c"),
}


def seen(source):
    with read_packets(source) as packets:
        found = [(p.time_ns, p.frame, p.link_type, p.interface.number, p.data, p.length) for p in packets]
        assert all(isinstance(packet[0], int) for packet in found)
        return found, [str(warning) for warning in packets.warnings]


@pytest.mark.parametrize("name", FILES)
def test_awkward_files(name, tmp_path):
    data, packets, warning = FILES[name]
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    zipped = tmp_path / "zipped.bin"
    zipped.write_bytes(gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :]) + bytes(20))
    step = 1 if len(data) < 5_000 else 1009
    for source in (io.BytesIO(data), Dribble(data, step), Dribble(gzip.compress(data), step), path, str(zipped)):
        found, warnings = seen(source)
        assert found == packets
        if warning:
            assert warning in warnings[0]
        else:
            assert warnings == []


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(name):
    data, reason = REFUSED[name]
    for open_one in (read_packets, read_streams):
        for source in (io.BytesIO(data), Dribble(data)):
            with pytest.raises(CaptureError, match="file object: byte 0: ") as caught:
                open_one(source)
            assert caught.value.reason == reason
            assert isinstance(caught.value, L7Error)
            assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_file_that_cannot_be_opened(tmp_path):
    for path in (tmp_path / "none.pcap", tmp_path, "a\0b"):
        with pytest.raises(CaptureError) as caught:
            read_packets(path)
        assert caught.value.path == str(path)


def test_standard_input(monkeypatch):
    class Input:
        buffer = io.BytesIO(gzip.compress(pcap(A)))

    monkeypatch.setattr(sys, "stdin", Input)
    assert seen("-") == (AA, [])


def test_every_cut_of_a_file_gives_the_packets_before_it_and_one_warning():
    for data in (
        pcap_header() + record(A) + record(B) + record(A),
        section() + interface() + enhanced(A) + block(5, b"1234") + simple(B) + obsolete(A),
    ):
        whole, _ = seen(io.BytesIO(data))
        header = 24 if data[0] == 0xD4 else 28
        clean = 0
        for cut in range(header, len(data)):
            found, warnings = seen(io.BytesIO(data[:cut]))
            assert found == whole[: len(found)]
            assert len(warnings) <= 1
            clean += not warnings
        assert clean == (3 if header == 24 else 5)  # the boundaries, where a cut cannot be seen


def test_a_damaged_gzip_file_gives_what_came_before():
    data = pcap_header() + b"".join(record(random.Random(n).randbytes(999)) for n in range(300))
    zipped = gzip.compress(data)
    found, warnings = seen(io.BytesIO(zipped[:-2000]))
    assert 0 < len(found) < 300
    assert "reading failed: the gzip file is cut short" in warnings[0]
    middle = len(zipped) // 2
    found, warnings = seen(io.BytesIO(zipped[:middle] + b"\xff" * 40 + zipped[middle + 40 :]))
    assert 0 < len(found) < 300
    assert warnings  # damaged data may still inflate, and then the records in it make no sense


def test_an_error_while_reading_is_a_warning():
    class Breaks(Dribble):
        def read(self, size: int = -1) -> bytes:
            data = super().read(size)
            if not data:
                raise OSError("the disk is gone")
            return data

    found, warnings = seen(Breaks(pcap_header() + record(A) + record(B)[:-1]))
    assert found == FIRST
    assert "reading failed: the disk is gone" in warnings[0]


def test_an_error_at_the_first_read_is_raised():
    class Broken(Dribble):
        def read(self, size: int = -1) -> bytes:
            raise OSError("no such device")

    with pytest.raises(CaptureError, match="no such device"):
        read_packets(Broken(b""))


def test_gzip_members_with_padding_between_them():
    one, two = pcap_header() + record(A), record(B)
    data = gzip.compress(one) + bytes(100_000) + gzip.compress(two)
    assert seen(io.BytesIO(data)) == (BOTH, [])
    assert seen(Dribble(data, 4096)) == (BOTH, [])


def test_equality_of_packets():
    one, two = read_packets(io.BytesIO(pcap(A, A)))
    (again, _) = read_packets(io.BytesIO(pcap(A, A)))
    assert one == again
    assert one != two
    assert one != A


def test_a_warning_that_comes_again_is_counted():
    data = section() + interface() + b"".join(enhanced(A, number=3) for _ in range(5))
    packets = read_packets(io.BytesIO(data))
    assert list(packets) == []
    (warning,) = packets.warnings
    assert (warning.count, warning.frame, warning.offset) == (5, 0, 48)
    assert str(warning).endswith("interface 3, which is not declared; passed over (5 times)")


def test_warnings_are_bounded():
    data = section() + b"".join(enhanced(A, number=number) for number in range(500))
    packets = read_packets(io.BytesIO(data))
    assert list(packets) == []
    assert len(packets.warnings) == 100


def test_names_of_interfaces():
    data = section() + interface(options=option(2, b"et\xffh\0") + option(3, "Lan kört".encode())) + enhanced(A)
    (packet,) = read_packets(io.BytesIO(data))
    assert packet.interface.name == "et\udcffh"
    assert packet.interface.description == "Lan kört"
    assert repr(packet) == f"<Packet 1 at {MICRO}: 12 bytes, link type 1>"


def test_too_many_interfaces_are_passed_over():
    data = section() + interface() * 65_537 + enhanced(A, number=65_536) + enhanced(B)
    found, warnings = seen(io.BytesIO(data))
    assert found == BOTH[1:]
    assert len(warnings) == 2


def test_a_reader_can_be_closed_early(tmp_path):
    path = Path(tmp_path / "a.pcap")
    path.write_bytes(pcap(A, B))
    with read_packets(path) as packets:
        assert next(packets).data == A
    assert list(packets) == []
    assert packets.offset == 24 + 16 + len(A)
    packets.close()


def test_the_callers_file_stays_open():
    file = io.BytesIO(pcap(A))
    assert seen(file)[0] == AA
    assert not file.closed
