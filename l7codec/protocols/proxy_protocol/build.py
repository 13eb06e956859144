"""Headers built from values, and headers rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...addresses import ipv4_bytes, ipv4_text, ipv6_bytes, ipv6_text
from ...errors import LocalProtocolError
from ...limits import DEFAULT_LIMITS
from ...message import Edits, Message
from . import tlv
from .codec import COMMANDS, FAMILIES, LINE_MAX, SIGNATURE, SIZES, TRANSPORTS, Endpoint, Header, read, split_datagram

__all__ = ["header", "rewritten"]

_UNIX_FIELD: Final = 108  # section 2.2: a path's bytes
_LENGTH_MAX: Final = 0xFFFF


def header(
    source: Endpoint = None,
    destination: Endpoint = None,
    *,
    version: int = 2,
    command: str = "PROXY",
    family: str | int | None = None,
    transport: str | int | None = None,
    tlvs: Iterable[tuple[int | str, Any]] = (),
    checksum: bool = False,
    align: int = 1,
    ignored: bytes = b"",
) -> Message:
    """A header, to be the first thing sent on a connection (or in each datagram).

    `source`, `destination`: two pairs (address, port) of one family, or the paths of two Unix sockets ("" for a
    socket without one, "\\0name" for an abstract one). Without them the header says that the addresses are unknown,
    or, with `command="LOCAL"`, that the connection is the proxy's own; receivers then use the connection's own.
    `family`, `transport`: inferred, and "stream", unless given ("inet", "inet6", "unix"; "dgram").
    `tlvs`: pairs (name or number, value), written in this order: see the package's docstring.
    `checksum` puts a CRC32C before them, unless they say where; `align` makes the header's length a multiple of it
    by a NOOP behind them.
    `ignored`: what stands where the addresses would, in a header without any: text of version 1's UNKNOWN, or bytes.

    Raises LocalProtocolError for whatever the specification does not allow, and for what a reader would find fault
    with in the TLVs.
    """
    if version == 1:
        if command != "PROXY" or tlvs or checksum or align != 1:
            raise _refuse("version 1 has neither commands nor TLVs, checksum or alignment")
        raw = _line(source, destination, family, transport, ignored)
    elif version == 2:
        raw = _binary(source, destination, command, family, transport, tlvs, checksum, align, ignored)
    else:
        raise _refuse(f"there is no version {version!r}: 1 or 2")
    return split_datagram(raw)[0]


def _refuse(reason: str) -> LocalProtocolError:
    return LocalProtocolError("proxy", 0, reason)


# -- version 1 --------------------------------------------------------------------------------------------------


def _line(source: Any, destination: Any, family: Any, transport: Any, ignored: Any) -> bytes:
    name, ends = _ends(source, destination)
    if family not in (None, name):
        raise _refuse(f"these are {name} addresses, not {family!r}")
    if name == "unspec":
        if transport not in (None, "unspec"):
            raise _refuse(f"without addresses there is no transport {transport!r}")
        if not isinstance(ignored, bytes) or (ignored and not ignored.startswith(b" ")):
            raise _refuse("what follows UNKNOWN is bytes and begins with a space")
        if b"\r" in ignored or b"\n" in ignored or 15 + len(ignored) > LINE_MAX:
            raise _refuse(f"what follows UNKNOWN is part of one line of up to {LINE_MAX} bytes")
        return b"PROXY UNKNOWN%b\r\n" % ignored
    if name == "unix" or transport not in (None, "stream"):
        raise _refuse("version 1 speaks of TCP only")
    if ignored:
        raise _refuse("nothing is ignored in a header with addresses")
    number, text = (b"4", ipv4_text) if name == "inet" else (b"6", ipv6_text)
    source_address, port, destination_address, other_port = ends
    addresses = text(source_address).encode(), text(destination_address).encode()
    return b"PROXY TCP%b %b %b %d %d\r\n" % (number, *addresses, port, other_port)


# -- version 2 --------------------------------------------------------------------------------------------------


def _binary(
    source: Any,
    destination: Any,
    command: Any,
    family: Any,
    transport: Any,
    tlvs: Iterable[tuple[int | str, Any]],
    checksum: bool,
    align: int,
    ignored: Any,
) -> bytes:
    if command not in COMMANDS:
        raise _refuse(f"command {command!r} is neither LOCAL nor PROXY")
    name, ends = _ends(source, destination)
    if name == "unspec":
        protocol, block = _unused(command, family, transport, ignored)
    else:
        if command == "LOCAL":
            raise _refuse("a LOCAL header presents no addresses")
        if ignored:
            raise _refuse("nothing is ignored in a header with addresses")
        if family not in (None, name):
            raise _refuse(f"these are {name} addresses, not {family!r}")
        if transport not in (None, "stream", "dgram"):
            raise _refuse(f"transport {transport!r} is neither stream nor dgram")
        protocol = FAMILIES.index(name) << 4 | (2 if transport == "dgram" else 1)
        block = _block(name, ends)
    vectors = tlv.encoded(tlvs)
    if checksum and all(kind != tlv.CRC32C for kind, _ in vectors):
        vectors.insert(0, (tlv.CRC32C, bytes(4)))
    if align != 1:
        vectors += _padding(16 + len(block) + len(tlv.join(vectors)), align)
    _check(vectors)
    built = _assemble(0x20 | COMMANDS.index(command), protocol, block, vectors)
    if name == "unspec" and Header(built).block != block:
        raise _refuse("the ignored bytes do not fit the family: no reader would find the TLVs behind them")
    return built


def _unused(command: str, family: Any, transport: Any, ignored: Any) -> tuple[int, bytes]:
    """Byte 14, and what comes in the place of addresses, of a header that has none."""
    if not isinstance(ignored, bytes):
        raise _refuse(f"ignored is bytes, not {ignored!r}")
    high = _nibble("family", "unspec" if family is None else family, FAMILIES)
    low = _nibble("transport", "unspec" if transport is None else transport, TRANSPORTS)
    if command == "PROXY":
        if high >= len(FAMILIES) or low >= len(TRANSPORTS):
            raise _refuse("family and transport must be defined ones")
        if high and low:
            raise _refuse(f"{family} {transport} takes a source and a destination")
    return high << 4 | low, ignored


def _nibble(what: str, value: Any, names: tuple[str, ...]) -> int:
    if value in names:
        return names.index(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xF:
        return value
    raise _refuse(f"{what} {value!r} is none of {', '.join(names)}")


def _padding(size: int, align: Any) -> list[tlv.TLV]:
    if not isinstance(align, int) or isinstance(align, bool) or align < 1:
        raise _refuse(f"align is a number from 1, not {align!r}")
    pad = -size % align
    while 0 < pad < 3:  # section 2.2.4: no TLV is shorter
        pad += align
    return [(tlv.NOOP, bytes(pad - 3))] if pad else []


def _check(vectors: list[tlv.TLV]) -> None:
    if sum(kind == tlv.CRC32C for kind, _ in vectors) > 1:
        raise _refuse("a header has one CRC32C")
    fault = tlv.describe(vectors, 0, {}, DEFAULT_LIMITS.values)
    if fault is not None:
        raise _refuse(fault[1])


def _assemble(version_command: int, protocol: int, block: bytes, vectors: list[tlv.TLV]) -> bytes:
    rest = block + tlv.join(vectors)
    if len(rest) > _LENGTH_MAX:
        raise _refuse(f"a header has up to {_LENGTH_MAX} bytes behind byte 16, not {len(rest)}")
    raw = SIGNATURE + bytes((version_command, protocol)) + len(rest).to_bytes(2, "big") + rest
    return tlv.seal(raw, vectors, 16 + len(block))


# -- addresses --------------------------------------------------------------------------------------------------


def _ends(source: Any, destination: Any) -> tuple[str, tuple[Any, ...]]:
    """The family of two endpoints, and (source, port, destination, port), addresses as bytes."""
    if source is None and destination is None:
        return "unspec", ()
    if source is None or destination is None:
        raise _refuse("a header has both a source and a destination, or neither")
    family, address, port = _end(source)
    other_family, other, other_port = _end(destination)
    if family != other_family:
        raise _refuse(f"source and destination are of one family, not {family} and {other_family}")
    return family, (address, port, other, other_port)


def _end(value: Any) -> tuple[str, bytes, int]:
    if isinstance(value, str):
        return "unix", _path(value), 0
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _refuse(f"an endpoint is (address, port) or a path, not {value!r}")
    address, port = value
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 0xFFFF:
        raise _refuse(f"a port is a number up to 65535, not {port!r}")
    if not isinstance(address, str):
        raise _refuse(f"an address is text, not {address!r}")
    try:
        return ("inet6", ipv6_bytes(address), port) if ":" in address else ("inet", ipv4_bytes(address), port)
    except ValueError:  # an embedded NUL or a lone surrogate is one, too
        raise _refuse(f"{address!r} is no IP address") from None


def _path(text: str) -> bytes:
    try:
        path = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _refuse(f"{text!r} cannot be encoded") from None
    if len(path) > _UNIX_FIELD:
        raise _refuse(f"a path has up to {_UNIX_FIELD} bytes, not {len(path)}")
    if path.endswith(b"\0") or (path and path[0] and b"\0" in path):
        raise _refuse("a path has no NUL, but for the first byte of an abstract name")
    return path.ljust(_UNIX_FIELD, b"\0")


def _block(family: str, ends: tuple[Any, ...]) -> bytes:
    source, port, destination, other_port = ends
    if family == "unix":
        return bytes(source + destination)
    return bytes(source + destination + port.to_bytes(2, "big") + other_port.to_bytes(2, "big"))


# -- edits ------------------------------------------------------------------------------------------------------


def rewritten(raw: bytes, edits: Edits) -> bytes:
    """`raw` with `edits`, all of which are the codec's own. Raises LocalProtocolError."""
    if "body" in edits:
        raw = _from_body(edits["body"])
    changed = {name: value for name, value in edits.items() if name.startswith(("source.", "destination."))}
    if changed:
        raw = _with_addresses(raw, changed)
    vectors = {name: value for name, value in edits.items() if name in tlv.EDITS}
    return _with_vectors(raw, vectors) if vectors else raw


def _from_body(body: Any) -> bytes:
    if not isinstance(body, Mapping):
        raise _refuse(f"a header's body is a mapping, not {body!r}")
    unknown = body.keys() - {"version", "command", "family", "transport", "source", "destination", "ignored", "tlvs"}
    if unknown:
        raise _refuse(f"a header's body has no {', '.join(map(repr, unknown))}")
    return header(**body).raw


def _with_addresses(raw: bytes, edits: Edits) -> bytes:
    body = read(raw)
    for name in ("source", "destination"):
        address, port = edits.get(f"{name}.address", _KEEP), edits.get(f"{name}.port", _KEEP)
        if address is _KEEP and port is _KEEP:
            continue
        old = body[name]
        if old is None:
            raise _refuse("a header without addresses gets none by edits: build another with `header`")
        if isinstance(old, str):
            if port is not _KEEP:
                raise _refuse("a Unix socket has no port")
            body[name] = address
        else:
            body[name] = (old[0] if address is _KEEP else address, old[1] if port is _KEEP else port)
        if address is None:
            raise _refuse(f"{name}.address cannot be removed")
    source, destination = body["source"], body["destination"]
    if raw.startswith(b"P"):
        return _with_fields(raw, _line(source, destination, None, None, b""), edits)
    old_header = Header(raw)
    family, ends = _ends(source, destination)
    block = _block(family, ends)
    if family == "unix":  # what stands behind an untouched path's NUL stays
        kept = [old_header.block[:_UNIX_FIELD], old_header.block[_UNIX_FIELD:]]
        new = [block[:_UNIX_FIELD], block[_UNIX_FIELD:]]
        sides = zip(("source.address", "destination.address"), kept, new, strict=True)
        block = b"".join(after if name in edits else before for name, before, after in sides)
    protocol = FAMILIES.index(family) << 4 | old_header.protocol & 0xF
    return _assemble(raw[12], protocol, block, old_header.tlvs())


_KEEP: Final = object()


def _with_fields(raw: bytes, new: bytes, edits: Edits) -> bytes:
    """The line `new`, in which what is not edited keeps its spelling, if the family is the same and there is room."""
    old_fields, fields = raw.split(b" "), new.split(b" ")
    places = {"source.address": 2, "destination.address": 3, "source.port": 4}
    for name, place in places.items():
        if name not in edits and old_fields[1] == fields[1]:
            fields[place] = old_fields[place]
    line = b" ".join(fields)
    return line if len(line) <= LINE_MAX else new


def _with_vectors(raw: bytes, edits: Edits) -> bytes:
    if raw.startswith(b"P"):
        raise _refuse("version 1 has no TLVs")
    old = Header(raw)
    if old.start == len(raw) and not old.used and len(raw) - 16 != _size(old.protocol):
        if not any(edits.values()):
            return raw
        raise _refuse("the header's block is not of its family's size: there is no place for TLVs")
    vectors = kept = old.tlvs()
    for name, value in edits.items():
        vectors = tlv.replace(vectors, name, value)
    _check([one for one in vectors if one not in kept])  # what a sender got wrong elsewhere is left as it is
    return _assemble(raw[12], raw[13], old.block, vectors)


def _size(protocol: int) -> int:
    family = protocol >> 4
    return SIZES[family] if family < len(FAMILIES) and protocol & 0xF < len(TRANSPORTS) else -1
