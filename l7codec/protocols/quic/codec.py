"""QuicCodec: datagrams to packets, packets to conversations; see the package's docstring for the wire."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final

from ...codec import NO, Answer, Confidence, DatagramCodec, Reason, Verdict
from ...errors import BodyError, LocalProtocolError, RemoteProtocolError
from ...limits import Limits
from ...message import Kind, Message, Metadata, Side
from . import protection
from .connections import Connection, Table, Way, reverse
from .header import GQUIC, MAX_ID, NEGOTIATED, SHORTEST, TAG, UNKNOWN, Header, long_header, public_header, versions
from .initials import Opened, Opener
from .load_balancing import ServerIds
from .versions import NEGOTIATION, V1, name_of, version_of

__all__ = ["QuicCodec"]

_CLIENT: Final = Side.CLIENT
_SERVER: Final = Side.SERVER
_PACKET: Final = Kind.PACKET

_FIRST_ID: Final = 8
"""Bytes that a client's first destination connection id has at least (RFC 9000 section 7.2)."""

_SERVER_PORTS: Final = (443, 80, 784, 853, 4433, 8443, 8853)


class QuicCodec(DatagramCodec):
    """QUIC, observed: every header, and what Initials hold.

    `connection_id` is the length of the ids that the servers behind this point issue, or a function that tells it
    from a datagram with a short header (None: unknown). Lengths are learnt from handshakes; it is for packets of
    connections whose handshake was not seen.

    `servers` says how servers write their own id into connection ids (QUIC-LB): it becomes `quic.server_id`.

    `reset_tokens` are the stateless reset tokens that are known (a proxy knows its own); other resets look like any
    packet with a short header.

    `follow` opens every Initial there is. Otherwise nothing is opened behind a side's hello.

    `details=False` leaves `tls.ja4` and `quic.tp.…` out of the metadata: who routes by server names needs neither, and
    they take more time than all the rest of a ClientHello.
    """

    name = "quic"
    ports = (443, 784, 853, 4433, 8853)
    default_limits = Limits(conversations=16_384)

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        connection_id: int | Callable[[bytes], int | None] | None = None,
        servers: Sequence[ServerIds] = (),
        reset_tokens: Iterable[bytes] = (),
        follow: bool = False,
        details: bool = True,
    ) -> None:
        super().__init__(limits)
        self._table = Table(self.limits.conversations)
        self._length = connection_id if callable(connection_id) or connection_id is None else _always(connection_id)
        self._servers = {one.config: one for one in servers}
        if len(self._servers) < len(servers):
            raise LocalProtocolError("quic", 0, "two configurations of server ids have the same id")
        self._tokens = frozenset(reset_tokens)
        if any(len(token) != TAG for token in self._tokens):
            raise LocalProtocolError("quic", 0, f"a stateless reset token has {TAG} bytes")
        self._opener = Opener(self._table, self.limits.values, follow, details)

    @property
    def lacks(self) -> str | None:
        """What cannot be read here for want of an extra, in one sentence; None where nothing is."""
        if self._opener.available:
            return None
        return (
            "QUIC's Initial packets stay closed, and the server names in them unread: "
            "that needs the extra 'quic': pip install 'l7codec[quic]'"
        )

    def handshake(self, conversation: int) -> Metadata:
        """What both hellos of a conversation said (`tls.…`, `quic.tp.…`), so far; empty if nothing is known.

        It stands in the metadata of the packets that completed them; who routes later packets asks here.
        """
        connection = self._table.connections.get(conversation)
        return {} if connection is None else dict(connection.said)

    # -- datagrams ------------------------------------------------------------------------------------------------

    def decode_datagram(self, data: bytes, path: Hashable) -> list[Message]:
        """The packets of a datagram, and last, as a "packet" of type `trailing`, bytes behind them that are none.

        Raises RemoteProtocolError where its first packet does not hold together.
        """
        table = self._table
        way = table.ways.get(path)
        if way is not None and data:
            first = data[0]
            if first >= 0xC0:
                if data.startswith(way.prefix, 1) and way.prefix:
                    messages = self._again(data, first, way)
                    if messages is not None:
                        table.connections.move_to_end(way.connection.number)
                        return messages
            elif first >= 0x40 and way.spins is not None and data.startswith(way.dcid, 1) and len(data) >= way.least:
                table.connections.move_to_end(way.connection.number)
                return [Message("quic", _PACKET, way.side, way.spins[first >> 5 & 1].copy(), data)]
        if not data:
            return []
        return self._long(data, path) if data[0] & 0x80 else [self._short(data, path)]

    def recognises(self, data: bytes, path: Hashable) -> bool:
        """Whether a packet with a short header goes to an id that is known, or to or from a server that is."""
        if len(data) < SHORTEST or data[0] & 0xC0 != 0x40:
            return False
        table = self._table
        ids = (data[1 : 1 + length] for length in table.longest_first)
        return table.sender(path) is not None or any(table.by_id(id, path) is not None for id in ids)

    def forget_conversation(self, conversation: int) -> None:
        """Drop what is known of a conversation."""
        self._table.forget(conversation)

    def _again(self, data: bytes, first: int, way: Way) -> list[Message] | None:
        """A datagram of one Handshake or 0-RTT packet with the ids of the one before: nearly all that are long.

        None where it is another, or not well-formed.
        """
        types, position = way.head
        kind = types[first >> 4 & 3]
        if kind in ("initial", "retry"):
            return None
        if len(data) < position + 2 or data[position] >> 6 != 1:
            return None
        if position + 2 + ((data[position] & 0x3F) << 8 | data[position + 1]) != len(data):
            return None
        metadata = way.heads.copy()
        metadata["quic.packet_type"] = kind
        return [Message("quic", _PACKET, way.side, metadata, data)]

    def _long(self, data: bytes, path: Hashable) -> list[Message]:
        """A datagram whose first packet has a long header (RFC 9000 section 12.2)."""
        header = long_header(data)
        connection, side, opened = self._find(header, data, path)
        self._table.connections.move_to_end(connection.number)
        messages = [self._packet(connection, side, header, data, 0, path, opened)]
        end = header.end
        if end == len(data):
            if header.type in ("handshake", "0rtt"):
                self._remember(self._table.ways[path], header, messages[0], data)
            return messages
        dcid = header.dcid
        while end < len(data):
            start, first = end, data[end]
            metadata: Metadata = {"conversation": connection.number}
            error: BodyError | None = None
            if first & 0x80:
                try:
                    header = long_header(data, start)
                except RemoteProtocolError as wrong:
                    error = BodyError("quic", wrong.offset - start, wrong.reason)
                else:
                    if header.dcid == dcid and header.version != NEGOTIATION:
                        messages.append(self._packet(connection, side, header, data, start, path, None))
                        end = header.end
                        continue
            elif self._follows(data, start, dcid, first):
                metadata["quic.packet_type"] = "1rtt"
                self._describe_short(metadata, connection, side, first, dcid)
                messages.append(Message("quic", _PACKET, side, metadata, data[start:]))
                break
            metadata["quic.packet_type"] = "trailing"
            messages.append(Message("quic", _PACKET, side, metadata, data[start:], None, 0, error))
            break
        packets = messages if messages[-1].metadata["quic.packet_type"] != "trailing" else messages[:-1]
        if len(packets) > 1:
            for message in packets:
                message.metadata["quic.coalesced"] = True
        return messages

    @staticmethod
    def _follows(data: bytes, start: int, dcid: bytes, first: int) -> bool:
        """Whether what stands behind a packet is one with a short header to the same id, greased or not."""
        if len(data) - start < SHORTEST + len(dcid) or not data.startswith(dcid, start + 1):
            return False
        return first >= 0x40 or bool(dcid)

    def _remember(self, way: Way, header: Header, message: Message, data: bytes) -> None:
        """The next packet is likely to have the same ids."""
        metadata = message.metadata
        if metadata.get("quic.fixed_bit", True) and message.error is None:
            size = 6 + len(header.dcid) + len(header.scid)
            way.prefix = data[1 : size + 1]
            way.head = (version_of(header.version).types, size + 1)
            way.heads = metadata.copy()

    def _packet(
        self,
        connection: Connection,
        side: Side,
        header: Header,
        data: bytes,
        start: int,
        path: Hashable,
        opened: Opened | None,
    ) -> Message:
        """One packet with a long header."""
        kind, number, dcid, scid, token, _, end = header
        metadata: Metadata = {
            "conversation": connection.number,
            "quic.packet_type": kind,
            "quic.version": number,
            "quic.version_name": name_of(number),
            "quic.dcid": dcid.hex(),
            "quic.scid": scid.hex(),
        }
        if not data[start] & 0x40 and number != NEGOTIATION:
            metadata["quic.fixed_bit"] = False
        if not connection.sure:
            metadata["quic.side_guessed"] = True
        if token[1]:
            metadata["quic.token_length"] = token[1] - token[0]
        if self._servers and side is _CLIENT:
            self._name_server(metadata, connection, dcid)
        error: BodyError | None = None
        if kind == "initial":
            error = self._opener.read(connection, side, header, data, start, metadata, opened)
        elif kind == "retry":
            self._retry(connection, header, data, start, metadata)
        elif kind == NEGOTIATED:
            error = self._negotiation(connection, header, data, metadata)
        if number != NEGOTIATION:
            connection.version = number
            if scid:
                self._table.learn(connection, scid, side, reverse(path))
            connection.end(side).length = len(scid)
        raw = data if start == 0 and end == len(data) else data[start:end]
        return Message("quic", _PACKET, side, metadata, raw, None, 0, error)

    # -- whose packet it is ---------------------------------------------------------------------------------------

    def _find(self, header: Header, data: bytes, path: Hashable) -> tuple[Connection, Side, Opened | None]:
        """The connection of a packet with a long header, and its sender; with what an Initial held, if it was opened
        to find out.
        """
        table = self._table
        dcid = header.dcid
        found = table.by_id(dcid, path) if dcid else None
        way = table.ways.get(path)
        if found is not None:
            connection = found[0]
            side = found[1] or (way.side if way is not None and way.connection is connection else _CLIENT)
            return self._there(connection, self._surely(connection, side, header), path, None)
        near = self._near(header, path, way)
        if near is None:
            return self._first(header, data, path)
        connection, side = near
        if header.type == "initial" and side is _CLIENT:
            opened = self._opener.attempt(connection.key_id, connection, side, header, data)
            if opened is None:
                first = self._first(header, data, path, connection)
                if first[0] is not connection:
                    return first
            return self._there(connection, side, path, opened)
        return self._there(connection, self._surely(connection, side, header), path, None)

    def _near(self, header: Header, path: Hashable, way: Way | None) -> tuple[Connection, Side] | None:
        """Which connection a packet to an unknown id may be of: by its sender's id, else by its path."""
        scid = header.scid
        if scid:
            found = self._table.by_id(scid, reverse(path))
            if found is not None:
                return found[0], found[1].other if found[1] else way.side if way else _CLIENT
        if way is None:
            return None
        connection, side = way.connection, way.side
        length = connection.end(side).length
        if length >= 0 and header.type != NEGOTIATED and (scid or length) and scid not in connection.ids:
            if side is _SERVER and connection.first_id is not None and header.type in ("initial", "handshake"):
                return connection, side  # a server picks its own id once it knows the client's, and again after a Retry
            return None
        return connection, side

    def _surely(self, connection: Connection, side: Side, header: Header) -> Side:
        """The sender, where the packet's type tells who that must be; what was guessed before is put right."""
        told = _SERVER if header.type in ("retry", NEGOTIATED) else _CLIENT if header.type == "0rtt" else None
        if told is None or connection.sure:
            return side
        self._table.settle(connection, turn=told is not side)
        return told

    def _there(
        self, connection: Connection, side: Side, path: Hashable, opened: Opened | None
    ) -> tuple[Connection, Side, Opened | None]:
        self._table.way(connection, side, path)
        return connection, side, opened

    def _first(
        self, header: Header, data: bytes, path: Hashable, near: Connection | None = None
    ) -> tuple[Connection, Side, Opened | None]:
        """A packet that begins a new connection, or, if nothing proves that, belongs to the one that is `near`."""
        kind, dcid = header.type, header.dcid
        opened: Opened | None = None
        fits = kind == "initial" and len(dcid) >= _FIRST_ID
        if fits and self._opener.available:
            opened = self._opener.attempt(dcid, None, _CLIENT, header, data)
        if opened is None and near is not None:
            # Where nothing can be opened: a client under way with a server does not change the id that it sends to.
            anew = fits and not self._opener.available and near.server.length >= 0
            if not anew:
                return near, _CLIENT, None
        side, sure = self._sender(header, path, opened is not None)
        connection = self._table.open(header.version)
        connection.sure = sure
        if side is _CLIENT and (opened is not None or (kind in ("initial", "0rtt", UNKNOWN) and dcid)):
            connection.first_id = connection.key_id = dcid
        self._table.way(connection, side, path)
        if dcid:
            self._table.learn(connection, dcid, side.other, path)
        return connection, side, opened

    def _sender(self, header: Header, path: Hashable, opened: bool) -> tuple[Side, bool]:
        """Who sent the first packet that is seen of a connection, and whether that is sure."""
        if opened or header.type == "0rtt" or (header.type == "initial" and header.token[1]):
            return _CLIENT, True
        if header.type in ("retry", NEGOTIATED) or (header.type == "initial" and len(header.dcid) < _FIRST_ID):
            return _SERVER, True
        return self._guess(path), False

    def _guess(self, path: Hashable) -> Side:
        return self._table.sender(path) or _by_ports(path)

    # -- short headers --------------------------------------------------------------------------------------------

    def _short(self, data: bytes, path: Hashable) -> Message:
        """A datagram that begins with a short header (RFC 9000 section 17.3), or one of Google's QUIC."""
        table = self._table
        way = table.ways.get(path)
        public = public_header(data)
        if public is not None:
            return self._google(data, public.dcid, public.version, path)
        connection: Connection | None = None
        side = _CLIENT
        dcid: bytes | None = None
        learnt = False
        for length in table.longest_first:
            if len(data) > length and (found := table.by_id(data[1 : 1 + length], path)) is not None:
                connection = found[0]
                side = found[1] or (way.side if way is not None and way.connection is connection else _CLIENT)
                dcid = data[1 : 1 + length]
                learnt = True
                break
        if connection is None and way is not None:
            connection, side = way.connection, way.side
            length = connection.end(side.other).length
            dcid = data[1 : 1 + length] if length >= 0 else None
        if connection is not None and _is_google(connection.version):
            return self._google(data, dcid or b"", connection.version, path)
        if len(data) < SHORTEST:
            raise RemoteProtocolError("quic", 0, f"{len(data)} bytes are fewer than any packet of QUIC has")
        if connection is None:
            if data[0] < 0x40:
                raise RemoteProtocolError(
                    "quic", 0, "no QUIC packet: the fixed bit is clear, and nothing is known here"
                )
            connection, side, dcid = self._stranger(data, path)
            learnt = bool(dcid)
        way = table.way(connection, side, path)
        table.connections.move_to_end(connection.number)
        metadata: Metadata = {"conversation": connection.number}
        if self._tokens and data[-TAG:] in self._tokens:
            metadata["quic.packet_type"] = "stateless_reset"
            return Message("quic", _PACKET, side, metadata, data)
        metadata["quic.packet_type"] = "1rtt"
        self._describe_short(metadata, connection, side, data[0], dcid)
        if not learnt and dcid != b"":
            metadata["quic.by_path"] = True
        if data[0] >= 0x40 and dcid is not None and not self._tokens:
            way.least = SHORTEST + len(dcid)
            flat = metadata.copy()
            flat["quic.spin"] = False
            way.dcid, way.spins = dcid, (flat, {**flat, "quic.spin": True})
        return Message("quic", _PACKET, side, metadata, data)

    def _describe_short(
        self, metadata: Metadata, connection: Connection, side: Side, first: int, dcid: bytes | None
    ) -> None:
        if dcid is not None:
            metadata["quic.dcid"] = dcid.hex()
        metadata["quic.spin"] = bool(first & 0x20)
        if first < 0x40:
            metadata["quic.fixed_bit"] = False
        if not connection.sure:
            metadata["quic.side_guessed"] = True
        if self._servers and dcid and side is _CLIENT:
            self._name_server(metadata, connection, dcid)

    def _stranger(self, data: bytes, path: Hashable) -> tuple[Connection, Side, bytes | None]:
        """A packet of a connection whose beginning was not seen."""
        connection = self._table.open(V1)
        side = self._guess(path)
        length = self._length(data) if self._length is not None else None
        dcid: bytes | None = None
        if length is not None and 0 <= length <= MAX_ID and len(data) > length:
            dcid = data[1 : 1 + length]
            connection.end(side.other).length = length
            if dcid:
                self._table.learn(connection, dcid, side.other, path)
        return connection, side, dcid

    def _google(self, data: bytes, dcid: bytes, version: int, path: Hashable) -> Message:
        """A packet of Google's QUIC up to Q043: its public header is all there is to read."""
        table = self._table
        found = table.by_id(dcid, path) if dcid else None
        way = table.ways.get(path)
        if found is not None:
            connection = found[0]
            side = way.side if way is not None and way.connection is connection else found[1] or _CLIENT
        elif way is not None:
            connection, side = way.connection, way.side
        else:
            connection, side = table.open(version), _CLIENT if version else self._guess(path)
            connection.sure = bool(version)
        table.way(connection, side, path)
        if dcid:  # one id for both directions
            for owner in Side:
                table.learn(connection, dcid, owner, path)
        connection.version = version or connection.version
        table.connections.move_to_end(connection.number)
        metadata: Metadata = {"conversation": connection.number, "quic.packet_type": GQUIC}
        if version:
            metadata["quic.version"] = version
            metadata["quic.version_name"] = name_of(version)
        if dcid:
            metadata["quic.dcid"] = dcid.hex()
        if not connection.sure:
            metadata["quic.side_guessed"] = True
        return Message("quic", _PACKET, side, metadata, data)

    # -- packets of servers ---------------------------------------------------------------------------------------

    def _retry(self, connection: Connection, header: Header, data: bytes, start: int, metadata: Metadata) -> None:
        """A Retry (RFC 9000 section 17.2.5): its id takes the place of the client's first; once, and if it is valid."""
        version = version_of(header.version)
        valid: bool | None = None
        if version.inline_odcid:
            inline = data[header.number + 1 : header.token[0]]
            metadata["quic.odcid"] = inline.hex()
            if connection.first_id is not None:
                valid = inline == connection.first_id
        elif connection.first_id is not None and self._opener.available and version.retry_key:
            tag = protection.retry_tag(version, connection.first_id, data[start : header.number])
            valid = tag == data[header.number : header.end]
        if valid is not None:
            metadata["quic.retry_valid"] = valid
        if valid is not False and not connection.retried and connection.first_id is not None:
            connection.retried = True
            connection.key_id = header.scid

    def _negotiation(self, connection: Connection, header: Header, data: bytes, metadata: Metadata) -> BodyError | None:
        """The client begins anew in another version, often under the same id."""
        client = connection.client
        if not connection.server.done:
            client.done, client.base, client.stream = False, 0, None
            self._table.hold(connection)
        listed = versions(data, header)
        if len(listed) > self.limits.values:
            return BodyError("quic", header.number, f"{len(listed)} versions, over the limit of {self.limits.values}")
        metadata["quic.supported_versions"] = tuple(map(name_of, listed))
        return None

    def _name_server(self, metadata: Metadata, connection: Connection, dcid: bytes) -> None:
        """QUIC-LB: what the id says of the server, unless it is one that the client has made up."""
        if not dcid or dcid == connection.first_id:
            return
        servers = self._servers.get(dcid[0] >> 5)
        server = None if servers is None else servers.decode(dcid)
        if server is not None:
            metadata["quic.lb_config"] = dcid[0] >> 5
            metadata["quic.server_id"] = server.hex()

    # -- one message ----------------------------------------------------------------------------------------------

    @classmethod
    def body(cls, message: Message) -> dict[str, Any]:
        """The packet's fields by their names in RFC 9000; the frames of an Initial that was opened.

        Raises BodyError.
        """
        from .body import read

        return read(message)

    @classmethod
    def reply(
        cls, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        """What a server may answer to a client's first packet (see `docs/protocols/quic.md`), or None.

        Raises MissingExtra where the answer must be protected.
        """
        from .build import answer

        return None if request is None else answer(request, reason, text)

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """Whether this datagram is of QUIC. A short header alone tells next to nothing."""
        if not data:
            return Verdict(Answer.MORE)
        if data[0] & 0x80:
            try:
                header = long_header(data)
            except RemoteProtocolError:
                return NO
            if header.version == NEGOTIATION:  # a client's ids are long enough to be no accident
                good = len(header.dcid) + len(header.scid) >= _FIRST_ID and header.end > header.number
            else:
                least = SHORTEST - 1 if header.type in ("initial", "0rtt", "handshake") else 0  # what a sample needs
                good = header.type != UNKNOWN and header.end - header.number >= least
                good = good or name_of(header.version)[:2] in ("Q0", "T0", "dr")
            return Verdict(Answer.YES, Confidence.MAGIC) if good else NO
        if public_header(data) is not None:
            return Verdict(Answer.YES, Confidence.TEXT)
        if data[0] >= 0x40 and len(data) >= SHORTEST:
            return Verdict(Answer.YES, Confidence.HINT)
        return NO


def _always(length: int) -> Callable[[bytes], int | None]:
    if not 0 <= length <= MAX_ID:
        raise LocalProtocolError("quic", 0, f"a connection id has 0 to {MAX_ID} bytes, not {length}")
    return lambda data: length


def _is_google(version: int) -> bool:
    """Whether it is one of Google's, before T0NN."""
    return version >> 24 == 0x51 and name_of(version)[:1] == "Q"


def _by_ports(path: Hashable) -> Side:
    """Who sends along a path whose ends are host and port: the client, unless from a server's port, or the lower."""
    try:
        source, destination = (end[1] for end in path)  # type: ignore[attr-defined]
    except (TypeError, ValueError, IndexError, KeyError):
        return _CLIENT
    if not isinstance(source, int) or not isinstance(destination, int) or source == destination:
        return _CLIENT
    rank = [(port not in _SERVER_PORTS, port) for port in (source, destination)]
    return _SERVER if rank[0] < rank[1] else _CLIENT
