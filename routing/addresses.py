"""IP addresses and networks as integers, for `cidr` predicates.

An IPv4 address written inside IPv6 (``::ffff:192.0.2.1``, RFC 4291 section 2.5.5.2) is both: it matches IPv4 ranges, as
a dual-stack listener's peers must, and IPv6 ranges, because that is what is written. A plain IPv4 address never matches
an IPv6 range, ``::/0`` included.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

__all__ = ["Address", "Network", "read_address", "read_network"]

_MAPPED = 0xFFFF


@dataclass(frozen=True, slots=True)
class Address:
    """One address; `v4` and `v6` are both set for an IPv4-mapped one."""

    v4: int | None
    v6: int | None


@dataclass(frozen=True, slots=True, order=True)
class Network:
    """`bits` leading bits of `base` in an address family of `width` bits (32 or 128)."""

    width: int
    bits: int
    base: int

    def __str__(self) -> str:
        if self.width == 32:
            return f"{ipaddress.IPv4Address(self.base)}/{self.bits}"
        return f"{ipaddress.IPv6Address(self.base)}/{self.bits}"

    @property
    def last(self) -> int:
        """The highest address in it."""
        return self.base | ((1 << (self.width - self.bits)) - 1)

    def holds(self, address: Address) -> bool:
        """Whether the address lies in it."""
        value = address.v4 if self.width == 32 else address.v6
        return value is not None and self.base <= value <= self.last


def read_address(text: str) -> Address | None:
    """Read an address in any standard spelling; an IPv6 zone (``%eth0``) is ignored; None if it is no address."""
    try:
        if ":" not in text:
            return Address(int(ipaddress.IPv4Address(text)), None)
        value = int(ipaddress.IPv6Address(text.partition("%")[0]))
    except ValueError:
        return None
    return Address(value & 0xFFFFFFFF if value >> 32 == _MAPPED else None, value)


def read_network(text: str) -> Network:
    """Read ``10.0.0.0/8``, ``fd00::/8`` or a bare address; IPv4 inside IPv6 becomes IPv4.

    Raises ValueError, whose text says what would be right, where it is no network or has bits set past its length.
    """
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError("write an address or a network such as 10.0.0.0/8 or fd00::/8") from error
        raise ValueError(f"bits are set past the prefix length: write {meant}") from error
    base, bits = int(network.network_address), network.prefixlen
    if network.version == 4:
        return Network(32, bits, base)
    if bits >= 96 and base >> 32 == _MAPPED:
        return Network(32, bits - 96, base & 0xFFFFFFFF)
    return Network(128, bits, base)
