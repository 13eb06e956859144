"""What Initials hold: opened with the keys of their connection, their CRYPTO frames put together, the hellos read."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ...errors import BodyError
from ...message import Metadata, Side
from . import protection
from .connections import Connection, Table
from .frames import Crypto, error_name, skim
from .handshake import CryptoStream
from .header import Header
from .protection import Keys, unseal
from .tls import CLIENT_HELLO, SERVER_HELLO, ClientHello, ServerHello
from .versions import DRAFT_29, GREASE, V1, Version, version_of

__all__ = ["HELD", "KEYS", "Opened", "Opener"]

_CLIENT: Final = Side.CLIENT
_SERVER: Final = Side.SERVER

KEYS: Final = 1024
"""Directions whose keys are kept ready. Deriving them anew costs some microseconds; keeping them, some kilobytes."""

HELD: Final = 16 * 1024 * 1024
"""Bytes of unfinished handshakes, of all connections together; the oldest is given up. Stops a sender that begins a
long ClientHello on each of many connections and finishes none."""

_GREASED: Final = (version_of(V1), version_of(DRAFT_29))
"""As what versions Initials of a reserved version are really written."""

Opened = tuple[int, bytes]
"""What an Initial held: packet number and payload."""


class Opener:
    """Opens the Initials that one point observes. `follow`: also those behind a side's hello."""

    def __init__(self, table: Table, values: int, follow: bool) -> None:
        self.available = protection.available()
        self._table = table
        table.forgotten = self._forget
        self._values = values
        self._follow = follow
        self._keys: OrderedDict[tuple[int, bytes, Side], Keys] = OrderedDict()
        self._holding: OrderedDict[int, int] = OrderedDict()  # bytes held, by connection
        self._held = 0

    def _forget(self, number: int) -> None:
        """A connection is no longer followed."""
        self._held -= self._holding.pop(number, 0)

    def _ready(self, version: Version, dcid: bytes, side: Side) -> Keys:
        keys = self._keys
        key = (version.number, dcid, side)
        found = keys.get(key)
        if found is None:
            found = keys[key] = Keys(version, dcid, side)
            if len(keys) > KEYS:
                keys.popitem(last=False)
        else:
            keys.move_to_end(key)
        return found

    def attempt(
        self,
        key_id: bytes | None,
        connection: Connection | None,
        side: Side,
        header: Header,
        data: bytes,
        start: int = 0,
    ) -> Opened | None:
        """Open an Initial with the keys that come from `key_id`; None where that fails or cannot be tried."""
        if key_id is None or not self.available:
            return None
        version = version_of(header.version)
        largest = -1 if connection is None else connection.largest[side]
        for candidate in _GREASED if version is GREASE else (version,):
            if candidate.salt:
                opened = unseal(data, start, header.number, header.end, self._ready(candidate, key_id, side), largest)
                if opened is not None:
                    return opened
        return None

    def read(
        self,
        connection: Connection,
        side: Side,
        header: Header,
        data: bytes,
        start: int,
        metadata: Metadata,
        opened: Opened | None,
    ) -> BodyError | None:
        """What an Initial holds, put into `metadata`; returns what is wrong in it."""
        if opened is None:
            if not self.available or (connection.done[side] and not self._follow) or connection.key_id is None:
                return None
            opened = self.attempt(connection.key_id, connection, side, header, data, start)
        if opened is None or connection.key_id is None:
            metadata["quic.opened"] = False
            return None
        number, payload = opened
        if not connection.sure:
            self._table.settle(connection, turn=False)
            metadata.pop("quic.side_guessed", None)
        connection.largest[side] = max(connection.largest[side], number)
        metadata["quic.opened"] = True
        metadata["quic.packet_number"] = number
        metadata["quic.odcid"] = connection.key_id.hex()
        crypto, close, error = skim(payload)
        if crypto and not connection.done[side]:
            error = self._crypto(connection, side, crypto, metadata) or error
        if close is not None:
            metadata["quic.error_code"] = close[0]
            metadata["error.type"] = error_name(close[0])
            if close[1]:
                metadata["error.message"] = close[1].decode("utf-8", "surrogateescape")
        return error

    def _crypto(self, connection: Connection, side: Side, crypto: list[Crypto], metadata: Metadata) -> BodyError | None:
        """Put CRYPTO frames together; the hello that they complete goes into `metadata`."""
        stream = connection.streams.get(side)
        if stream is None:
            stream = connection.streams[side] = CryptoStream()
        base = connection.base[side]
        for offset, part in crypto:
            if offset >= base:
                stream.receive(offset - base, part)
            else:
                stream.receive(0, part[base - offset :])
        hello = stream.message()
        if hello is None and not stream.lost:
            self.hold(connection)
            return None
        connection.done[side] = True
        del connection.streams[side]
        self.hold(connection)
        if hello is None:
            return BodyError("quic", 0, stream.lost)
        try:
            return self._hello(connection, side, hello, metadata)
        except BodyError as error:
            return error

    def _hello(self, connection: Connection, side: Side, data: bytes, metadata: Metadata) -> BodyError | None:
        """A whole handshake message, the first of its side or the first behind a HelloRetryRequest."""
        if side is _CLIENT and data[0] == CLIENT_HELLO:
            said, error = ClientHello(data).metadata(self._values)
        elif side is _SERVER and data[0] == SERVER_HELLO:
            hello = ServerHello(data)
            said, error = hello.metadata(), None
            if hello.retry:
                for one in Side:
                    connection.done[one] = False
                connection.base[_SERVER] += len(data)
        else:
            raise BodyError("quic", 0, f"a handshake message of type {data[0]}, where a hello must come")
        if side is _CLIENT:
            connection.base[_CLIENT] += len(data)
        metadata.update(said)
        connection.said.update(said)
        return error

    def hold(self, connection: Connection) -> None:
        """Account for the bytes of a connection's unfinished handshake; too many of all together go, oldest first."""
        number, held = connection.number, connection.held
        self._held += held - self._holding.get(number, 0)
        if held:
            self._holding[number] = held
        else:
            self._holding.pop(number, None)
        while self._held > HELD:
            number, held = self._holding.popitem(last=False)
            self._held -= held
            oldest = self._table.connections.get(number)
            if oldest is not None:
                for stream in oldest.streams.values():
                    stream.give_up("too many unfinished handshakes at once")
