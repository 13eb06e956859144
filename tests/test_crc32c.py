"""CRC32C: the vectors of RFC 3720, every length around the bounds of the fast way, and the same with and without C."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec import crc32c as module
from l7codec.crc32c import crc32c, pure_crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [  # RFC 3720, B.4; the bytes stand there in the order of the wire
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_vectors(data: bytes, checksum: int) -> None:
    assert crc32c(data) == pure_crc32c(data) == checksum


def bytewise(data: bytes, crc: int = 0) -> int:
    """By definition: bit by bit."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("length", [0, 1, 3, 1023, 1024, 1025, 1151, 1152, 2047, 2048, 2049, 4095, 5000, 12_001])
def test_lengths(length: int) -> None:
    data = bytes(index * 7 & 255 for index in range(length))
    assert pure_crc32c(data) == crc32c(data) == bytewise(data)
    assert pure_crc32c(data, 12345) == crc32c(data, 12345) == bytewise(data, 12345)


@given(st.integers(0, 6000), st.integers(0, 6000), st.binary(min_size=1, max_size=40))
def test_it_goes_on_from_what_came_before(first: int, second: int, seed: bytes) -> None:
    data = seed * ((first + second) // len(seed) + 1)
    whole = data[: first + second]
    assert pure_crc32c(whole[first:], pure_crc32c(whole[:first])) == pure_crc32c(whole) == crc32c(whole)


def test_long_data_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 40
    expected = bytewise(data)
    for at_once in (1024, 4096, 4099, 10_239, 10_240):
        monkeypatch.setattr(module, "_AT_ONCE", at_once)
        assert pure_crc32c(data) == expected


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_native", lambda: None)
    assert crc32c(b"123456789") == 0xE3069283
