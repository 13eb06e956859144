"""Variable-length integers of record batches: zigzag, seven bits a byte, the lowest first (Protocol Buffers' own)."""

from __future__ import annotations

__all__ = ["SHORT", "WireError", "read_varint", "read_varlong", "varint"]


class WireError(Exception):
    """`reason` at `position` of the bytes being read. Callers turn it into a BodyError."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of at most 32 bits, still in zigzag, and where it ends. Raises IndexError at the end of `data`."""
    return _read(data, position, 32)


def read_varlong(data: bytes, position: int) -> tuple[int, int]:
    """The same of at most 64 bits."""
    return _read(data, position, 64)


def _read(data: bytes, position: int, bits: int) -> tuple[int, int]:
    start = position
    number = 0
    for shift in range(0, bits, 7):
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            if number >> bits:
                break
            return number, position
    raise WireError(start, f"a variable-length integer of more than {bits} bits")


_OCTETS = [bytes((octet,)) for octet in range(256)]
SHORT = (*_OCTETS[:128], *[low + high for high in _OCTETS[1:32] for low in _OCTETS[128:]])
"""How the first numbers are written, by their zigzag form: twice the number where it is not negative."""


def varint(number: int) -> bytes:
    """`number`, signed, as it is written."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    if number < len(SHORT):
        return SHORT[number]
    octets = bytearray()
    while number > 127:
        octets.append(number & 127 | 128)
        number >>= 7
    octets.append(number)
    return bytes(octets)
