"""Variable-length integers (RFC 9000 section 16) and the reconstruction of packet numbers (appendix A.3)."""

from __future__ import annotations

from ...errors import LocalProtocolError

__all__ = ["full_number", "pack_varint", "read_varint"]


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The integer at `position` and the position behind it. Raises IndexError where it is cut off."""
    first = data[position]
    if first < 0x40:
        return first, position + 1
    end = position + (1 << (first >> 6))
    data[end - 1]  # IndexError
    return int.from_bytes(data[position:end], "big") & ((1 << ((end - position) * 8 - 2)) - 1), end


def pack_varint(value: int, size: int = 0) -> bytes:
    """The integer in as few bytes as hold it, or in `size`. Raises LocalProtocolError."""
    for length in (1, 2, 4, 8):
        if length >= size and 0 <= value < 1 << (length * 8 - 2):
            return (value | (length.bit_length() - 1) << (length * 8 - 2)).to_bytes(length, "big")
    raise LocalProtocolError("quic", 0, f"{value} does not fit a variable-length integer of {size or 8} bytes")


def full_number(truncated: int, size: int, largest: int) -> int:
    """The packet number of which `size` bytes are `truncated`, where `largest` is the highest seen so far (or −1)."""
    expected = largest + 1
    window = 1 << (size * 8)
    candidate = (expected & ~(window - 1)) | truncated
    if candidate <= expected - window // 2 and candidate < (1 << 62) - window:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate
