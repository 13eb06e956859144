"""The vectors behind the addresses of a version 2 header (sections 2.2.1 to 2.2.8 of the specification).

    0        1                 3
    +--------+--------+--------+--------------~
    |  type  | length, 16 bits |  value          type 0x20 (SSL): the value is
    +--------+--------+--------+--------------~
                                 0        1                                     5
                                 +--------+--------+--------+--------+--------+-----------~
                                 | client |        verify, 32 bits            | vectors with types 0x21 to 0x28
                                 +--------+--------+--------+--------+--------+-----------~

All numbers are in network order, but for Azure's. What is wrong with a vector's place in the header is the caller's
to judge (`VectorError`); what is wrong inside a value is told and the value left out of the metadata.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from ...crc32c import crc32c
from ...errors import LocalProtocolError
from ...message import Metadata, MetadataValue

__all__ = [
    "CRC32C",
    "SSL",
    "TLV",
    "TLVs",
    "VectorError",
    "decoded",
    "describe",
    "encoded",
    "join",
    "replace",
    "seal",
    "split",
    "ssl_tlv",
]

TLV: TypeAlias = "tuple[int, bytes]"
"""A vector: its type and its value's bytes."""
TLVs: TypeAlias = "list[tuple[int | str, Any]]"
"""Vectors as a body has them and `header` takes them: names for the registered types, numbers for all others."""

ALPN: Final = 0x01
AUTHORITY: Final = 0x02
CRC32C: Final = 0x03
NOOP: Final = 0x04
UNIQUE_ID: Final = 0x05
SSL: Final = 0x20
SSL_VERSION: Final = 0x21
SSL_CN: Final = 0x22
SSL_CIPHER: Final = 0x23
SSL_SIG_ALG: Final = 0x24
SSL_KEY_ALG: Final = 0x25
SSL_GROUP: Final = 0x26
SSL_SIG_SCHEME: Final = 0x27
SSL_CLIENT_CERT: Final = 0x28
NETNS: Final = 0x30
GCP: Final = 0xE0  # 0xE0 to 0xEF belong to applications: these three are what the big clouds made of them
AWS: Final = 0xEA
AZURE: Final = 0xEE

CLIENT_SSL: Final = 0x01
CLIENT_CERT_CONN: Final = 0x02
CLIENT_CERT_SESS: Final = 0x04

UNIQUE_ID_MAX: Final = 128  # section 2.2.5
VALUE_MAX: Final = 0xFFFF

_AWS_VPCE_ID: Final = b"\x01"
_AZURE_LINK_ID: Final = b"\x01"

NAMES: Final[Mapping[int, str]] = {
    ALPN: "alpn",
    AUTHORITY: "authority",
    CRC32C: "crc32c",
    NOOP: "noop",
    UNIQUE_ID: "unique_id",
    SSL: "ssl",
    NETNS: "netns",
}
SSL_NAMES: Final[Mapping[int, str]] = {
    SSL_VERSION: "version",
    SSL_CN: "cn",
    SSL_CIPHER: "cipher",
    SSL_SIG_ALG: "sig_alg",
    SSL_KEY_ALG: "key_alg",
    SSL_GROUP: "group",
    SSL_SIG_SCHEME: "sig_scheme",
    SSL_CLIENT_CERT: "client_cert",
}
_TYPES = {name: kind for kind, name in NAMES.items()}
_SSL_TYPES = {name: kind for kind, name in SSL_NAMES.items()}

# Values that are text: the metadata key and the encoding that the specification asks for.
_TEXT: Mapping[int, tuple[str, str]] = {
    AUTHORITY: ("tls.sni", "utf-8"),
    NETNS: ("proxy.tlv.netns", "ascii"),
}
_SSL_TEXT: Mapping[int, tuple[str, str]] = {
    SSL_VERSION: ("proxy.tlv.ssl.version", "ascii"),
    SSL_CN: ("proxy.tlv.ssl.cn", "utf-8"),
    SSL_CIPHER: ("proxy.tlv.ssl.cipher", "ascii"),
    SSL_SIG_ALG: ("proxy.tlv.ssl.sig_alg", "ascii"),
    SSL_KEY_ALG: ("proxy.tlv.ssl.key_alg", "ascii"),
    SSL_GROUP: ("proxy.tlv.ssl.group", "ascii"),
    SSL_SIG_SCHEME: ("proxy.tlv.ssl.sig_scheme", "ascii"),
}

_SSL_KEYS = [
    *(f"proxy.tlv.ssl.{name}" for name in ("client_ssl", "client_cert_conn", "client_cert_sess", "verify", "verified")),
    *(key for key, _ in _SSL_TEXT.values()),
]

_CRC32C_TYPE = bytes([CRC32C])
_HEAD = struct.Struct("!BH")
_SSL_HEAD = struct.Struct("!BI")


class VectorError(Exception):
    """A vector does not fit the header, or its checksum does not. Never leaves the package."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(at, reason)
        self.at = at
        self.reason = reason


# -- reading ----------------------------------------------------------------------------------------------------


def split(data: bytes, position: int, end: int) -> list[TLV]:
    """The vectors that fill `data` from `position` to `end`. Raises VectorError where one runs over the end."""
    tlvs = []
    head = _HEAD.unpack_from
    while position < end:
        start = position + 3
        if start > end:
            raise VectorError(position, f"{end - position} bytes are left over behind the TLVs")
        kind, length = head(data, position)
        position = start + length
        if position > end:
            reason = f"TLV {kind:#04x} of {length} bytes runs over the header's end by {position - end}"
            raise VectorError(start - 2, reason)
        tlvs.append((kind, data[start:position]))
    return tlvs


def verify(data: bytes, tlvs: list[TLV], at: int) -> bool:
    """Whether the header `data`, in which `tlvs` begin at `at`, has a checksum. Raises VectorError if it is wrong."""
    if data.find(_CRC32C_TYPE, at) < 0:  # a look at the bytes is quicker than one at every vector
        return False
    found = 0
    for kind, value in tlvs:
        if kind == CRC32C:
            if found:
                raise VectorError(at, "a second CRC32C TLV")
            if len(value) != 4:
                raise VectorError(at + 1, f"a CRC32C TLV has 4 bytes, not {len(value)}")
            found = at + 3
        at += 3 + len(value)
    if not found:
        return False
    computed = crc32c(data[found + 4 :], crc32c(bytes(4), crc32c(data[:found])))
    if computed.to_bytes(4, "big") != data[found : found + 4]:
        raise VectorError(found, f"the CRC32C is {data[found : found + 4].hex()}, of these bytes {computed:08x}")
    return True


class _Reading:
    """What a header's vectors come to.

    A key that two vectors give different values has none in the end: receivers differ in which of the two they obey,
    so that a rule must rest on neither.
    """

    __slots__ = ("dropped", "error", "metadata", "ssl")

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.dropped: list[str] = []
        self.error: tuple[int, str] | None = None
        self.ssl: bytes | None = None

    def put(self, key: str, value: MetadataValue, at: int) -> None:
        if self.metadata.setdefault(key, value) != value:
            self.drop(key, at, f"a second, different {key}")

    def damaged(self, key: str, encoding: str, value: bytes, at: int) -> str:
        """The text of a value that is not in the encoding it should be in."""
        self.complain(at, f"{key} is not {'ASCII' if encoding == 'ascii' else 'UTF-8'}")
        return value.decode("utf-8", "surrogateescape")

    def odd(self, key: str, value: MetadataValue, at: int) -> None:
        """A value that is empty, and so leaves no key, or whose key may be there already."""
        self.put(key, value, at)
        if not value:  # it counts as the first of two
            self.dropped.append(key)

    def drop(self, key: str, at: int, reason: str) -> None:
        self.dropped.append(key)
        self.complain(at, reason)

    def complain(self, at: int, reason: str) -> None:
        if self.error is None:
            self.error = at, reason


def describe(tlvs: list[TLV], at: int, metadata: Metadata, values: int) -> tuple[int, str] | None:
    """Put what the vectors say into `metadata`; returns the first thing wrong with a value, and where.

    `at` is where they begin in the header; `values` how many protocols an ALPN list may name.
    """
    reading = _Reading(metadata)
    for kind, value in tlvs:
        entry = _TEXT.get(kind)
        if entry is not None:
            key, encoding = entry
            try:
                text = value.decode(encoding)
            except UnicodeDecodeError:
                text = reading.damaged(key, encoding, value, at)
            if text and key not in metadata:
                metadata[key] = text
            else:
                reading.odd(key, text, at)
        else:
            special = _SPECIAL.get(kind)
            if special is not None:
                special(reading, value, at, values)
        at += 3 + len(value)
    for key in reading.dropped:
        metadata.pop(key, None)
    return reading.error


def _read_alpn(reading: _Reading, value: bytes, at: int, values: int) -> None:
    names = _alpn_names(value)
    if len(names) > values:
        reading.drop("tls.alpn", at, f"tls.alpn would have {len(names)} entries; {values} are allowed")
    else:
        reading.odd("tls.alpn", names, at)


def _read_unique_id(reading: _Reading, value: bytes, at: int, values: int) -> None:
    if len(value) > UNIQUE_ID_MAX:
        reason = f"a UNIQUE_ID has up to {UNIQUE_ID_MAX} bytes, not {len(value)}"
        reading.drop("proxy.tlv.unique_id", at + 1, reason)
    else:
        reading.odd("proxy.tlv.unique_id", value.decode("utf-8", "surrogateescape"), at)


def _read_ssl(reading: _Reading, value: bytes, at: int, values: int) -> None:
    if reading.ssl is not None:
        if reading.ssl != value:
            reading.dropped += _SSL_KEYS
            reading.complain(at, "a second, different SSL TLV")
        return
    reading.ssl = value
    try:
        client, code, tlvs = _split_ssl(value)
    except VectorError as bad:
        reading.complain(at + 3 + bad.at, bad.reason)
        return
    certified = client & (CLIENT_CERT_CONN | CLIENT_CERT_SESS) != 0
    metadata = reading.metadata
    metadata["proxy.tlv.ssl.client_ssl"] = client & CLIENT_SSL != 0
    metadata["proxy.tlv.ssl.client_cert_conn"] = client & CLIENT_CERT_CONN != 0
    metadata["proxy.tlv.ssl.client_cert_sess"] = client & CLIENT_CERT_SESS != 0
    metadata["proxy.tlv.ssl.verify"] = code
    # haproxy sends verify=0 for connections that have no TLS at all: 0 means something only beside a certificate
    metadata["proxy.tlv.ssl.verified"] = code == 0 and certified and client & CLIENT_SSL != 0
    at += 3 + _SSL_HEAD.size
    for kind, part in tlvs:
        entry = _SSL_TEXT.get(kind)
        if entry is not None:
            key, encoding = entry
            try:
                text = part.decode(encoding)
            except UnicodeDecodeError:
                text = reading.damaged(key, encoding, part, at)
            if text and key not in metadata:
                metadata[key] = text
            else:
                reading.odd(key, text, at)
        at += 3 + len(part)


def _read_gcp(reading: _Reading, value: bytes, at: int, values: int) -> None:
    if len(value) == 8:
        reading.put("proxy.tlv.gcp.psc_connection_id", int.from_bytes(value, "big"), at)


def _read_aws(reading: _Reading, value: bytes, at: int, values: int) -> None:
    if value[:1] == _AWS_VPCE_ID and len(value) > 1 and value.isascii():
        reading.put("proxy.tlv.aws.vpce_id", value[1:].decode(), at)


def _read_azure(reading: _Reading, value: bytes, at: int, values: int) -> None:
    if value[:1] == _AZURE_LINK_ID and len(value) == 5:
        reading.put("proxy.tlv.azure.link_id", int.from_bytes(value[1:], "little"), at)


_SPECIAL: Mapping[int, Callable[[_Reading, bytes, int, int], None]] = {
    ALPN: _read_alpn,
    UNIQUE_ID: _read_unique_id,
    SSL: _read_ssl,
    GCP: _read_gcp,
    AWS: _read_aws,
    AZURE: _read_azure,
}


def _alpn_names(value: bytes) -> tuple[str, ...]:
    """The names of a ProtocolNameList (RFC 7301 section 3.1), or the one name that the whole value is.

    The specification speaks of a copy of the extension; haproxy sends the bare name agreed on. They cannot be taken
    for each other: a list begins with its length, which no name's first two characters are likely to spell.
    """
    if len(value) > 2 and int.from_bytes(value[:2], "big") == len(value) - 2:
        names = []
        position = 2
        while position < len(value):
            start = position + 1
            position = start + value[position]
            names.append(value[start:position].decode("utf-8", "surrogateescape"))
        if position == len(value) and all(names):
            return tuple(names)
    return (value.decode("utf-8", "surrogateescape"),) if value else ()


def _split_ssl(value: bytes) -> tuple[int, int, list[TLV]]:
    if len(value) < _SSL_HEAD.size:
        raise VectorError(0, f"an SSL TLV has at least {_SSL_HEAD.size} bytes, not {len(value)}")
    client, verify_code = _SSL_HEAD.unpack_from(value)
    return client, verify_code, split(value, _SSL_HEAD.size, len(value))


def decoded(tlvs: list[TLV]) -> TLVs:
    """The vectors for a body: names for registered types, text for what is text, SSL as a mapping."""
    return [_decoded(kind, value) for kind, value in tlvs]


def _decoded(kind: int, value: bytes) -> tuple[int | str, Any]:
    if kind in _TEXT:
        return NAMES[kind], value.decode("utf-8", "surrogateescape")
    if kind == SSL:
        try:
            client, verify_code, inner = _split_ssl(value)
        except VectorError:  # the message's `error` tells; here are the bytes
            return "ssl", value
        return "ssl", {"client": client, "verify": verify_code, "tlvs": [_decoded_ssl(*one) for one in inner]}
    return NAMES.get(kind, kind), value


def _decoded_ssl(kind: int, value: bytes) -> tuple[int | str, Any]:
    if kind in _SSL_TEXT:
        return SSL_NAMES[kind], value.decode("utf-8", "surrogateescape")
    return SSL_NAMES.get(kind, kind), value


# -- writing ----------------------------------------------------------------------------------------------------


def _refuse(reason: str) -> LocalProtocolError:
    return LocalProtocolError("proxy", 0, reason)


def encoded(tlvs: Iterable[tuple[int | str, Any]]) -> list[TLV]:
    """The vectors' types and bytes, from what a body or a caller of `header` says. Raises LocalProtocolError."""
    return [_encoded(kind, value) for kind, value in _pairs(tlvs)]


def _pairs(tlvs: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(tlvs, Iterable):
        raise _refuse(f"TLVs are pairs (type, value), not {tlvs!r}")
    for one in tlvs:
        if not isinstance(one, list | tuple) or len(one) != 2:
            raise _refuse(f"a TLV is given as (type, value), not {one!r}")
        yield one[0], one[1]


def _encoded(kind: int | str, value: Any) -> TLV:
    if isinstance(kind, str):
        vendor = _VENDORS.get(kind)
        if vendor is not None:
            return vendor(value)
    number = _type(kind, _TYPES)
    if number == CRC32C:
        return CRC32C, bytes(4)  # a place for it; `seal` fills it in
    if number == ALPN and isinstance(value, list | tuple):
        return ALPN, _alpn_value(value)
    if number == SSL and isinstance(value, Mapping):
        return SSL, _ssl_value(value)
    return number, _bytes(kind, value)


def _type(kind: Any, names: Mapping[str, int]) -> int:
    number = names.get(kind) if isinstance(kind, str) else kind
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 0xFF:
        raise _refuse(f"{kind!r} is no TLV type: a number up to 255, or one of {', '.join(names)}")
    return number


def _bytes(kind: Any, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            value = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise _refuse(f"TLV {kind!r} has text that cannot be encoded") from None
    if not isinstance(value, bytes):
        raise _refuse(f"TLV {kind!r} takes text or bytes, not {value!r}")
    if len(value) > VALUE_MAX:
        raise _refuse(f"TLV {kind!r} has up to {VALUE_MAX} bytes, not {len(value)}")
    return value


def _alpn_value(names: Iterable[Any]) -> bytes:
    encoded_names = [_bytes("alpn", name) for name in names]
    if not encoded_names or not all(0 < len(name) <= 0xFF for name in encoded_names):
        raise _refuse("ALPN takes one name or more, of 1 to 255 bytes each")
    if len(encoded_names) == 1:
        return encoded_names[0]  # as haproxy tells which protocol was agreed on
    value = b"".join(bytes([len(name)]) + name for name in encoded_names)
    return _bytes("alpn", len(value).to_bytes(4, "big")[2:] + value)


def _ssl_value(value: Mapping[str, Any]) -> bytes:
    if value.keys() != {"client", "verify", "tlvs"}:
        raise _refuse(f"an SSL TLV has client, verify and tlvs, not {', '.join(map(str, value))}")
    client = _integer("client", value["client"], 0xFF)
    verify_code = _integer("verify", value["verify"], 0xFFFFFFFF)
    inner = [(_type(kind, _SSL_TYPES), _bytes(kind, one)) for kind, one in _pairs(value["tlvs"])]
    return _bytes("ssl", _SSL_HEAD.pack(client, verify_code) + join(inner))


def _integer(name: str, value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _refuse(f"{name} is a number from 0 to {most}, not {value!r}")
    return value


def _aws(value: Any) -> TLV:
    text = _bytes("aws.vpce_id", value)
    if not text or not text.isascii():
        raise _refuse("aws.vpce_id is ASCII text")
    return AWS, _AWS_VPCE_ID + text


def _azure(value: Any) -> TLV:
    return AZURE, _AZURE_LINK_ID + _integer("azure.link_id", value, 0xFFFFFFFF).to_bytes(4, "little")


def _gcp(value: Any) -> TLV:
    return GCP, _integer("gcp.psc_connection_id", value, 2**64 - 1).to_bytes(8, "big")


_VENDORS: Mapping[str, Callable[[Any], TLV]] = {
    "aws.vpce_id": _aws,
    "azure.link_id": _azure,
    "gcp.psc_connection_id": _gcp,
}


def ssl_tlv(
    *,
    version: str | None = None,
    cn: str | None = None,
    cipher: str | None = None,
    sig_alg: str | None = None,
    key_alg: str | None = None,
    group: str | None = None,
    sig_scheme: str | None = None,
    client_cert: bytes | None = None,
    client_ssl: bool = True,
    cert_conn: bool = False,
    cert_sess: bool = False,
    verify: int | None = None,
) -> tuple[str, dict[str, Any]]:
    """An SSL vector for `header(tlvs=[…])` (section 2.2.6), consistent in itself.

    `verify` is 0 for a certificate that was presented and verified, else an error code; without a certificate it is
    1 unless given. Raises LocalProtocolError where TLS has no version, a certificate no TLS or no verdict.
    """
    certified = cert_conn or cert_sess
    if client_ssl and not version:
        raise _refuse("a client that connected over TLS did so with a version")
    if not client_ssl and (certified or version):
        raise _refuse("a client that did not connect over TLS has neither a TLS version nor a certificate")
    if certified and verify is None:
        raise _refuse("say whether the certificate was verified: verify=0, or what was wrong with it")
    if not certified and (verify == 0 or cn is not None or client_cert is not None):
        raise _refuse("only a certificate has a name and is verified: cert_conn or cert_sess must be true")
    given = (version, cn, cipher, sig_alg, key_alg, group, sig_scheme, client_cert)
    return "ssl", {
        "client": CLIENT_SSL * client_ssl | CLIENT_CERT_CONN * cert_conn | CLIENT_CERT_SESS * cert_sess,
        "verify": 1 if verify is None else verify,
        "tlvs": [(name, value) for name, value in zip(SSL_NAMES.values(), given, strict=True) if value is not None],
    }


def join(tlvs: Iterable[TLV]) -> bytes:
    """The vectors' bytes."""
    return b"".join([_HEAD.pack(kind, len(value)) + value for kind, value in tlvs])


def seal(data: bytes, tlvs: list[TLV], at: int) -> bytes:
    """The header `data`, in which `tlvs` begin at `at`, with its checksum computed if it has a place for one."""
    for kind, value in tlvs:
        if kind == CRC32C:
            before = data[: at + 3]
            after = data[at + 7 :]
            checksum = crc32c(after, crc32c(bytes(4), crc32c(before)))
            return before + checksum.to_bytes(4, "big") + after
        at += 3 + len(value)
    return data


EDITS: Final[Mapping[str, tuple[int, str]]] = {
    "tls.alpn": (ALPN, "alpn"),
    "tls.sni": (AUTHORITY, "authority"),
    "proxy.tlv.crc32c": (CRC32C, "crc32c"),
    "proxy.tlv.unique_id": (UNIQUE_ID, "unique_id"),
    "proxy.tlv.ssl": (SSL, "ssl"),
    "proxy.tlv.netns": (NETNS, "netns"),
    "proxy.tlv.gcp.psc_connection_id": (GCP, "gcp.psc_connection_id"),
    "proxy.tlv.aws.vpce_id": (AWS, "aws.vpce_id"),
    "proxy.tlv.azure.link_id": (AZURE, "azure.link_id"),
}
"""Names of edits, which are those of the metadata: the type of the vector that each writes, and its name."""


def replace(tlvs: list[TLV], edit: str, value: Any) -> list[TLV]:
    """`tlvs` with what `edit` names set to `value`, in the place of the first there was, or at the end.

    All others of the kind go; None (and False for the checksum) only removes. Raises LocalProtocolError.
    """
    kind, name = EDITS[edit]
    new = [] if value is None or (kind == CRC32C and value is False) else [_encoded(name, value)]
    result: list[TLV] = []
    for one in tlvs:
        if one[0] == kind and (name not in _VENDORS or _gives(one, edit)):
            result += new
            new = []
        else:
            result.append(one)
    return result + new


def _gives(one: TLV, key: str) -> bool:
    """Whether a vector of a type that any application may use has the shape that stands for `key`."""
    metadata: Metadata = {}
    describe([one], 0, metadata, 1)
    return key in metadata
