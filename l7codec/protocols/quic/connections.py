"""Which connection a packet is of: by its connection id first, by the addresses it went between second.

    ids     connection id ──▶ connection, whose id it is       learnt from long headers, which carry both sides' ids
    ways    path          ──▶ connection, who sends along it   (source, destination), both directions

What nobody on the path can know: the ids that a side issues later (NEW_CONNECTION_ID is encrypted). A packet with such
an id is put down to its path's connection; on a new path too, it is the first of a new conversation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from ...message import Metadata, Side
from .handshake import CryptoStream
from .header import MAX_ID

__all__ = ["Connection", "End", "Table", "Way", "reverse"]

_CLIENT: Final = Side.CLIENT
_SERVER: Final = Side.SERVER

_OWN: Final = 8
"""Bytes from which on an id is taken to be one in the world. Shorter ones count together with the address they go to:
one byte is enough for a server with few connections, and two such servers must not be mixed up."""

_IDS: Final = 8
"""Ids kept of a connection: each side's first, a Retry's, the server's own, and room for those who change their mind.
Stops a sender that invents a source id for every packet."""

_KEYS: Final = 32
"""Ids under which one connection is found, short ones once for each address."""

_PATHS: Final = 16
"""Paths kept of a connection, both directions counted; the oldest goes. Clients move at will (RFC 9000 section 9)."""


HELD: Final = 16 * 1024 * 1024
"""Bytes of unfinished handshakes, of all connections together; the oldest is given up. Stops a sender that begins a
long ClientHello on each of many connections and finishes none."""

_NOTHING: Final[Metadata] = {}
"""What a connection has said that has said nothing; never added to."""


class End:
    """What has been learnt of one side of a connection."""

    __slots__ = ("base", "done", "largest", "length", "stream")

    def __init__(self) -> None:
        self.length = -1
        """Of its ids; −1 until one was seen."""
        self.largest = -1
        """The highest packet number of its Initials."""
        self.done = False
        """Whether all that is to be read of its Initials has been."""
        self.stream: CryptoStream | None = None
        self.base = 0
        """Where in its CRYPTO stream the handshake message begins that is put together."""


class Connection:
    """What has been learnt of one connection."""

    __slots__ = (
        "client",
        "first_id",
        "ids",
        "key_id",
        "keys",
        "number",
        "paths",
        "retried",
        "said",
        "server",
        "sure",
        "version",
    )

    def __init__(self, number: int, version: int) -> None:
        self.number = number
        self.version = version
        """Of its latest long header."""
        self.first_id: bytes | None = None
        """The client's first destination connection id; None where that was not seen."""
        self.key_id: bytes | None = None
        """What the Initials' keys come from: the same, or what a Retry put in its place."""
        self.ids: dict[bytes, Side | None] = {}
        """Whose each id is; None where both sides use it."""
        self.keys: tuple[Hashable, ...] = ()
        """Under which the table has it."""
        self.paths: dict[Hashable, None] = {}
        """Where it goes along, the oldest first."""
        self.client = End()
        self.server = End()
        self.sure = False
        """Whether it is known which side is the client."""
        self.retried = False
        self.said: Metadata = _NOTHING
        """What both hellos say."""

    def end(self, side: Side) -> End:
        """One side of it."""
        return self.client if side is _CLIENT else self.server

    @property
    def held(self) -> int:
        """Bytes of unfinished handshake messages."""
        return sum(end.stream.held for end in (self.client, self.server) if end.stream is not None)


class Way:
    """One direction between two addresses."""

    __slots__ = ("connection", "dcid", "head", "heads", "least", "prefix", "side", "spins")

    def __init__(self, connection: Connection, side: Side) -> None:
        self.connection = connection
        self.side = side
        """Who sends along it."""
        self.dcid = b""
        """Of the latest packet with a short header …"""
        self.least = 0
        """… how long the shortest with this id is …"""
        self.spins: tuple[Metadata, Metadata] | None = None
        """… and what there is to say of it, by the spin bit."""
        self.prefix = b""
        """Version and ids of the latest packet with a long header and a length, as they stand …"""
        self.head: tuple[tuple[str, ...], int] = ((), 0)
        """… the types of packets in that version, where they end …"""
        self.heads: Metadata = _NOTHING
        """… and what there is to say of them."""


class Table:
    """All connections that one point observes, the one longest silent first; bounded."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last = 0
        self._holding: OrderedDict[int, int] = OrderedDict()  # bytes of unfinished handshakes, by connection
        self.held = 0
        """The same of all connections together."""
        self.connections: OrderedDict[int, Connection] = OrderedDict()
        self.ways: dict[Hashable, Way] = {}
        self._ids: dict[Hashable, Connection] = {}
        self._lengths: dict[int, int] = {}
        self._listening: dict[Hashable, int] = {}  # addresses that clients send to: how many paths lead there
        self.longest_first: tuple[int, ...] = ()
        """Lengths of the ids that are known."""

    def open(self, version: int) -> Connection:
        """A new connection; the one longest silent goes if there are too many."""
        self._last += 1
        connection = self.connections[self._last] = Connection(self._last, version)
        if len(self.connections) > self._most:
            self.forget(next(iter(self.connections)))
        return connection

    def forget(self, number: int) -> None:
        """Drop a connection and all that leads to it."""
        connection = self.connections.pop(number, None)
        if connection is None:
            return
        for path in connection.paths:
            self._drop(path)
        for key in connection.keys:
            del self._ids[key]
        for id in connection.ids:
            self._count(len(id), -1)
        self.held -= self._holding.pop(number, 0)

    def _count(self, length: int, change: int) -> None:
        if length > MAX_ID:  # of a version that is not known; packets with a short header are not tried for so many
            return
        count = self._lengths.get(length, 0) + change
        if count:
            self._lengths[length] = count
        else:
            del self._lengths[length]
        if count in (0, 1):
            self.longest_first = tuple(sorted(self._lengths, reverse=True))

    def hold(self, connection: Connection) -> None:
        """Account for the bytes of a connection's unfinished handshake; too many of all together go, oldest first."""
        number, held = connection.number, connection.held
        self.held += held - self._holding.get(number, 0)
        if held:
            self._holding[number] = held
        else:
            self._holding.pop(number, None)
        while self.held > HELD:
            number, held = self._holding.popitem(last=False)
            self.held -= held
            oldest = self.connections.get(number)
            if oldest is not None:
                for end in (oldest.client, oldest.server):
                    if end.stream is not None:
                        end.stream.give_up("too many unfinished handshakes at once")

    # -- ids ------------------------------------------------------------------------------------------------------

    def learn(self, connection: Connection, id: bytes, owner: Side, path: Hashable) -> None:
        """`id` is of `owner`; packets to him go to the destination of `path`."""
        ids = connection.ids
        if id in ids:
            if ids[id] is not owner:
                ids[id] = None
        elif not id or len(ids) >= _IDS:
            return
        else:
            ids[id] = owner
            self._count(len(id), 1)
        # Who comes first keeps an id: nobody takes over a connection by naming its ids as his own.
        key = id if len(id) >= _OWN else (id, _destination(path))
        if key not in self._ids and len(connection.keys) < _KEYS:
            self._ids[key] = connection
            connection.keys += (key,)

    def by_id(self, id: bytes, path: Hashable) -> tuple[Connection, Side | None] | None:
        """The connection of a packet to this id, and who sent it, if the id tells."""
        way = self.ways.get(path)
        if way is not None and id in way.connection.ids:  # where both agree there is no doubt
            owner = way.connection.ids[id]
            return way.connection, way.side if owner is None else owner.other
        connection = self._ids.get(id if len(id) >= _OWN else (id, _destination(path)))
        if connection is None:
            return None
        owner = connection.ids[id]
        return connection, None if owner is None else owner.other

    # -- paths ----------------------------------------------------------------------------------------------------

    def way(self, connection: Connection, side: Side, path: Hashable) -> Way:
        """The path that `side` of a connection has been seen to use; the other direction is the other side's."""
        way = self.ways.get(path)
        if way is None or way.connection is not connection or way.side is not side:
            way = self._lay(connection, side, path)
            back = reverse(path)
            if back != path:
                self._lay(connection, _SERVER if side is _CLIENT else _CLIENT, back)
        return way

    def _lay(self, connection: Connection, side: Side, path: Hashable) -> Way:
        before = self.ways.get(path)
        if before is not None:
            before.connection.paths.pop(path, None)
            self._drop(path)
        way = self.ways[path] = Way(connection, side)
        self._listen(path, side, 1)
        connection.paths[path] = None
        if len(connection.paths) > _PATHS:
            oldest = next(iter(connection.paths))
            del connection.paths[oldest]
            self._drop(oldest)
        return way

    def _drop(self, path: Hashable) -> None:
        self._listen(path, self.ways.pop(path).side, -1)

    def _listen(self, path: Hashable, side: Side, change: int) -> None:
        if side is _SERVER:  # the way back, which is laid and dropped together with the other
            return
        server = _destination(path)
        count = self._listening.get(server, 0) + change
        if count:
            self._listening[server] = count
        else:
            del self._listening[server]

    def sender(self, path: Hashable) -> Side | None:
        """Who sends along a path that is new, if only one of its ends is known to have been a server; else None."""
        there = _destination(path) in self._listening
        if there is (_destination(reverse(path)) in self._listening):
            return None
        return _CLIENT if there else _SERVER

    def settle(self, connection: Connection, *, turn: bool) -> None:
        """It has turned out who the client is; `turn`: the other side than was guessed."""
        connection.sure = True
        for path in connection.paths:
            way = self.ways[path]
            way.spins, way.prefix = None, b""
            if turn:
                self._listen(path, way.side, -1)
                way.side = way.side.other
                self._listen(path, way.side, 1)
        if turn:
            connection.ids = {id: owner and owner.other for id, owner in connection.ids.items()}
            connection.client, connection.server = connection.server, connection.client


def reverse(path: Hashable) -> Hashable:
    """The path of what is sent back."""
    if isinstance(path, tuple) and len(path) == 2:
        return path[1], path[0]
    return path


def _destination(path: Hashable) -> Hashable:
    return path[1] if isinstance(path, tuple) and len(path) == 2 else path
