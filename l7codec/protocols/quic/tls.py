"""What can be read of the TLS handshake in Initials: ClientHello and ServerHello (RFC 8446 section 4.1).

The server's certificate and the protocol that it chose are encrypted with keys that only the two ends have.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any, Final

from ...errors import BodyError
from ...message import Metadata
from .transport_parameters import describe as describe_parameters
from .transport_parameters import read as read_parameters

__all__ = [
    "CLIENT_HELLO",
    "SERVER_HELLO",
    "ClientHello",
    "ServerHello",
    "cipher_name",
    "group_name",
    "version_name",
]

CLIENT_HELLO: Final = 1
SERVER_HELLO: Final = 2

SERVER_NAME: Final = 0x0000
GROUPS: Final = 0x000A
POINT_FORMATS: Final = 0x000B
SIGNATURE_ALGORITHMS: Final = 0x000D
ALPN: Final = 0x0010
PRE_SHARED_KEY: Final = 0x0029
EARLY_DATA: Final = 0x002A
SUPPORTED_VERSIONS: Final = 0x002B
KEY_SHARE: Final = 0x0033
PARAMETERS: Final = 0x0039
PARAMETERS_DRAFT: Final = 0xFFA5
ECH: Final = 0xFE0D

_RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""A ServerHello with this random is a HelloRetryRequest (RFC 8446 section 4.1.3)."""

_CIPHERS: Final = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
}
_GROUPS: Final = {
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001D: "x25519",
    0x001E: "x448",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}
_VERSIONS: Final = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
_SHORT: Final = {0x0300: "s3", 0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13"}

_EXTENSION: Final = struct.Struct(">HH").unpack_from
_ONE_NAME: Final = struct.Struct(">HBH").pack
"""The head of a list of one host name."""

_GREASE: Final = frozenset(f"{digit}a{digit}a" for digit in "0123456789abcdef")
"""Values that mean nothing, in hexadecimal (RFC 8701)."""


def cipher_name(number: int) -> str:
    """Of the ciphers of TLS 1.3; "0x1a2b" for others."""
    return _CIPHERS.get(number, f"0x{number:04x}")


def group_name(number: int) -> str:
    """Of the groups in use for key exchange; "0x1a2b" for others."""
    return _GROUPS.get(number, f"0x{number:04x}")


def version_name(number: int) -> str:
    """ "TLSv1.3"; "0x7f1c" for others."""
    return _VERSIONS.get(number, f"0x{number:04x}")


def _u16(data: bytes, position: int) -> int:
    return data[position] << 8 | data[position + 1]


def _cut(position: int) -> BodyError:
    return BodyError("quic", position, "a handshake message that does not hold together")


def _block(data: bytes, position: int, end: int, size: int) -> tuple[int, int]:
    """Begin and end of a vector after its length in `size` bytes. Raises BodyError."""
    start = position + size
    if start > end:
        raise _cut(position)
    stop = start + int.from_bytes(data[position:start], "big")
    if stop > end:
        raise _cut(position)
    return start, stop


def _numbers(data: bytes, start: int, end: int) -> list[int]:
    """A vector of 16-bit numbers. Raises BodyError."""
    if (end - start) & 1:
        raise _cut(start)
    return [data[at] << 8 | data[at + 1] for at in range(start, end, 2)]


def _extensions(data: bytes, position: int, end: int) -> dict[int, tuple[int, int]]:
    """Where each extension's data stands, in order. Raises BodyError, also where one comes twice."""
    places: dict[int, tuple[int, int]] = {}
    if position == end:
        return places
    position, stop = _block(data, position, end, 2)
    try:
        while position < stop:
            kind, length = _EXTENSION(data, position)
            start = position + 4
            position = start + length
            if kind in places:  # RFC 8446 section 4.2: there must not be more than one of a type
                raise BodyError("quic", start, f"extension {kind} comes twice")
            places[kind] = (start, position)
    except struct.error:
        raise _cut(position) from None
    if position != stop:
        raise _cut(stop)
    return places


class ClientHello:
    """A ClientHello (RFC 8446 section 4.1.2), read as far as asked for."""

    __slots__ = ("ciphers_at", "data", "places")

    def __init__(self, data: bytes) -> None:
        """Raises BodyError; offsets count from the message's first byte."""
        self.data = data
        end = len(data)
        if end < 39 or data[0] != CLIENT_HELLO:
            raise _cut(0)
        # Vectors are stepped over by hand: this is done once for each connection, and `_block` costs more than it all.
        start = 39 + data[38]
        try:
            position = start + 2 + (data[start] << 8 | data[start + 1])
            self.ciphers_at = start + 2, position
            if (position - start) & 1:
                raise _cut(start)
            position += 1 + data[position]  # compression methods
        except IndexError:
            raise _cut(start) from None
        if position > end:
            raise _cut(start)
        self.places = _extensions(data, position, end)

    @property
    def legacy_version(self) -> int:
        """The version that is there for old servers: TLS 1.2."""
        return _u16(self.data, 4)

    @property
    def random(self) -> bytes:
        """The client's random."""
        return self.data[6:38]

    @property
    def session_id(self) -> bytes:
        """The session id: none, over QUIC (RFC 9001 section 8.4)."""
        return self.data[39 : 39 + self.data[38]]

    @property
    def ciphers(self) -> list[int]:
        """The cipher suites offered."""
        return _numbers(self.data, *self.ciphers_at)

    def _vector(self, kind: int, size: int) -> tuple[int, int] | None:
        """Where the one vector that an extension consists of stands; None without the extension."""
        place = self.places.get(kind)
        if place is None:
            return None
        at, end = place
        start = at + size
        if start > end or int.from_bytes(self.data[at:start], "big") != end - start:
            raise _cut(at)
        return start, end

    def _list(self, kind: int, size: int) -> list[int]:
        place = self._vector(kind, size)
        return [] if place is None else _numbers(self.data, *place)

    @property
    def server_name(self) -> str | None:
        """The host name (RFC 6066 section 3). Raises BodyError."""
        data = self.data
        start, end = self.places.get(SERVER_NAME, (0, 0))
        size = end - start
        if size > 5 and data[start : start + 5] == _ONE_NAME(size - 2, 0, size - 5):  # as everybody sends it
            return str(data[start + 5 : end], "utf-8", "surrogateescape")
        place = self._vector(SERVER_NAME, 2)
        if place is None:
            return None
        position, end = place
        found: str | None = None
        while position < end:
            start, stop = _block(self.data, position + 1, end, 2)
            if self.data[position] == 0:
                if found is not None:
                    raise BodyError("quic", position, "two host names")
                found = self.data[start:stop].decode("utf-8", "surrogateescape")
            position = stop
        return found

    @property
    def alpn(self) -> tuple[str, ...] | None:
        """The application protocols offered (RFC 7301). Raises BodyError."""
        place = self._vector(ALPN, 2)
        if place is None:
            return None
        data = self.data
        position, end = place
        names = []
        while position < end:
            start = position + 1
            position = start + data[position]
            names.append(str(data[start:position], "utf-8", "surrogateescape"))
        if position > end:
            raise _cut(place[0])
        return tuple(names)

    @property
    def versions(self) -> list[int]:
        """The versions of TLS offered. Raises BodyError."""
        return self._list(SUPPORTED_VERSIONS, 1)

    @property
    def groups(self) -> list[int]:
        """The groups supported for key exchange. Raises BodyError."""
        return self._list(GROUPS, 2)

    @property
    def signature_algorithms(self) -> list[int]:
        """The signature algorithms accepted. Raises BodyError."""
        return self._list(SIGNATURE_ALGORITHMS, 2)

    @property
    def transport_parameters(self) -> list[tuple[int, bytes]]:
        """QUIC's transport parameters in order (RFC 9000 section 18). Raises BodyError."""
        place = self.places.get(PARAMETERS) or self.places.get(PARAMETERS_DRAFT)
        return [] if place is None else read_parameters(self.data, *place)

    @property
    def ja4(self) -> str:
        """The JA4 fingerprint of a client over QUIC. Raises BodyError.

        `q`, the highest version, whether there is a host name, how many ciphers and extensions, the first protocol's
        first and last character; the sorted ciphers, hashed; the sorted extensions and the signature algorithms in
        order, hashed.
        """
        return self._ja4(self.alpn, [number for number in self.versions if number & 0x0F0F != 0x0A0A])

    def _ja4(self, alpn: tuple[str, ...] | None, versions: list[int]) -> str:
        data, places = self.data, self.places
        start, end = self.ciphers_at
        ciphers = _hexes(data[start:end])
        order = [kind for kind in map(_HEX, self.places) if kind not in _GREASE]
        hashed = sorted([kind for kind in order if kind not in ("0000", "0010")])
        place = self._vector(SIGNATURE_ALGORITHMS, 2)
        if place is not None:
            signatures = [one for one in _hexes(data[place[0] : place[1]]) if one not in _GREASE]
            text = f"{','.join(hashed)}_{','.join(signatures)}" if signatures else ",".join(hashed)
        else:
            text = ",".join(hashed)
        names = alpn or ("",)
        version = _SHORT.get(max(versions, default=self.legacy_version), "00")
        return (
            f"q{version}{'d' if SERVER_NAME in places else 'i'}{min(len(ciphers), 99):02}{min(len(order), 99):02}"
            f"{_ends(names[0])}_{_hash(','.join(sorted(ciphers)))}_{_hash(text)}"
        )

    @property
    def ja3(self) -> str:
        """The text whose MD5 is the JA3 fingerprint. Raises BodyError."""
        formats = self._vector(POINT_FORMATS, 1)
        return ",".join(
            (
                str(self.legacy_version),
                _decimals(self.ciphers),
                _decimals(list(self.places)),
                _decimals(self.groups),
                "" if formats is None else "-".join(map(str, self.data[formats[0] : formats[1]])),
            )
        )

    def metadata(self, most: int, details: bool = True) -> tuple[Metadata, BodyError | None]:
        """What rules look at, and what is wrong; a tuple of more than `most` is left out.

        Without `details`, neither the fingerprint nor the transport parameters, which take most of the time.
        """
        found: Metadata = {}
        try:
            name = self.server_name
            if name:
                found["tls.sni"] = name
            alpn = self.alpn
            if alpn:
                found["tls.alpn"] = alpn
            versions = [number for number in self.versions if number & 0x0F0F != 0x0A0A]
            if versions:
                found["tls.versions"] = tuple([version_name(number) for number in versions])
            if ECH in self.places:
                found["tls.ech"] = True
            if EARLY_DATA in self.places:
                found["tls.early_data"] = True
            if details:
                found["tls.ja4"] = self._ja4(alpn, versions)
                describe_parameters(self.transport_parameters, found)
        except BodyError as error:
            return {}, error  # half a ClientHello is none: the server refuses it
        if len(self.data) < most:  # nothing in it can be so many
            return found, None
        for key in ("tls.alpn", "tls.versions"):
            value = found.get(key)
            if isinstance(value, tuple) and len(value) > most:
                del found[key]
                return found, BodyError("quic", 0, f"{len(value)} values of {key}, over the limit of {most}")
        return found, None

    def to_plain(self) -> dict[str, Any]:
        """Everything in it, by TLS' names. Raises BodyError."""
        ja3 = self.ja3
        return {
            "legacy_version": self.legacy_version,
            "random": self.random,
            "session_id": self.session_id,
            "cipher_suites": self.ciphers,
            "extensions": [(kind, self.data[slice(*self.places[kind])]) for kind in self.places],
            "server_name": self.server_name,
            "alpn": list(self.alpn or ()),
            "supported_versions": self.versions,
            "supported_groups": self.groups,
            "signature_algorithms": self.signature_algorithms,
            "transport_parameters": self.transport_parameters,
            "ja3": ja3,
            "ja3_hash": hashlib.md5(ja3.encode(), usedforsecurity=False).hexdigest(),
            "ja4": self.ja4,
        }


class ServerHello:
    """A ServerHello, or a HelloRetryRequest (RFC 8446 sections 4.1.3, 4.1.4)."""

    __slots__ = ("cipher", "data", "group", "legacy_version", "places", "random", "session_id", "version")

    def __init__(self, data: bytes) -> None:
        """Raises BodyError; offsets count from the message's first byte."""
        self.data = data
        end = len(data)
        if end < 39 or data[0] != SERVER_HELLO:
            raise _cut(0)
        self.legacy_version = _u16(data, 4)
        self.random = data[6:38]
        start, position = _block(data, 38, end, 1)
        self.session_id = data[start:position]
        if position + 3 > end:
            raise _cut(position)
        self.cipher = _u16(data, position)
        self.places = _extensions(data, position + 3, end)
        self.version = self._number(SUPPORTED_VERSIONS) or self.legacy_version
        self.group = self._number(KEY_SHARE)

    def _number(self, kind: int) -> int | None:
        start, end = self.places.get(kind, (0, 0))
        return _u16(self.data, start) if end - start >= 2 else None

    @property
    def retry(self) -> bool:
        """Whether it asks for another ClientHello."""
        return self.random == _RETRY_RANDOM

    def metadata(self) -> Metadata:
        """What was chosen, as far as it is in the clear."""
        found: Metadata = {"tls.version": version_name(self.version), "tls.cipher": cipher_name(self.cipher)}
        if self.group is not None:
            found["tls.group"] = group_name(self.group)
        if self.retry:
            found["tls.hello_retry"] = True
        return found

    def to_plain(self) -> dict[str, Any]:
        """Everything in it, by TLS' names."""
        return {
            "legacy_version": self.legacy_version,
            "random": self.random,
            "session_id": self.session_id,
            "cipher_suite": self.cipher,
            "extensions": [(kind, self.data[slice(*self.places[kind])]) for kind in self.places],
            "selected_version": self.version,
            "selected_group": self.group,
            "hello_retry_request": self.retry,
        }


# -- fingerprints -----------------------------------------------------------------------------------------------------

_HEX: Final = "{:04x}".format


def _hexes(data: bytes) -> list[str]:
    """16-bit numbers in hexadecimal, without those that mean nothing."""
    text = data.hex()
    return [one for at in range(0, len(text), 4) if (one := text[at : at + 4]) not in _GREASE]


def _decimals(numbers: Sequence[int]) -> str:
    return "-".join([str(number) for number in numbers if number & 0x0F0F != 0x0A0A or number >> 8 != number & 0xFF])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "000000000000"


def _ends(name: str) -> str:
    """The first and last character of a protocol's name; where they are no letters or digits, of its hexadecimal."""
    if not name:
        return "00"
    data = name.encode("utf-8", "surrogateescape")
    if chr(data[0]).isalnum() and chr(data[-1]).isalnum() and data[0] < 128 and data[-1] < 128:
        return chr(data[0]) + chr(data[-1])
    text = data.hex()
    return text[0] + text[-1]
