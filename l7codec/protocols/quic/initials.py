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

__all__ = ["KEPT", "KEYS", "Opened", "Opener"]

_CLIENT: Final = Side.CLIENT
_SERVER: Final = Side.SERVER

KEYS: Final = 1024
"""Directions whose keys are kept ready. Deriving them anew costs some microseconds; keeping them, some kilobytes."""

KEPT: Final = 8192
"""Bytes of a hello of which a connection keeps what it said; browsers send some 1,800. Stops a sender that leaves
65,536 bytes of protocol names with each of thousands of connections."""

_GREASED: Final = (version_of(V1), version_of(DRAFT_29))
"""As what versions Initials of a reserved version are really written."""

Opened = tuple[int, bytes]
"""What an Initial held: packet number and payload."""


class Opener:
    """Opens the Initials that one point observes. `follow`: also those behind a side's hello;
    `details`: a ClientHello's fingerprint and transport parameters, too.
    """

    def __init__(self, table: Table, values: int, follow: bool, details: bool) -> None:
        self.available = protection.available()
        self._table = table
        self._values = values
        self._follow = follow
        self._details = details
        self._keys: OrderedDict[tuple[int, bytes, Side], Keys] = OrderedDict()

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
        largest = -1 if connection is None else connection.end(side).largest
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
            if not self.available or (connection.end(side).done and not self._follow) or connection.key_id is None:
                return None
            opened = self.attempt(connection.key_id, connection, side, header, data, start)
        if opened is None or connection.key_id is None:
            metadata["quic.opened"] = False
            return None
        number, payload = opened
        if not connection.sure:
            self._table.settle(connection, turn=False)
            metadata.pop("quic.side_guessed", None)
        end = connection.end(side)
        end.largest = max(end.largest, number)
        metadata["quic.opened"] = True
        metadata["quic.packet_number"] = number
        metadata["quic.odcid"] = connection.key_id.hex()
        crypto, close, error = skim(payload)
        if crypto and not end.done:
            error = self._crypto(connection, side, crypto, metadata) or error
        if close is not None:
            metadata["quic.error_code"] = close[0]
            metadata["error.type"] = error_name(close[0])
            if close[1]:
                metadata["error.message"] = close[1].decode("utf-8", "surrogateescape")
        return error

    def _crypto(self, connection: Connection, side: Side, crypto: list[Crypto], metadata: Metadata) -> BodyError | None:
        """Put CRYPTO frames together; the hello that they complete goes into `metadata`."""
        end = connection.end(side)
        base, stream = end.base, end.stream
        hello: bytes | None = None
        if stream is None:
            offset, data = crypto[0]
            if offset == base and len(data) >= 4 and len(data) == 4 + (data[1] << 16 | data[2] << 8 | data[3]):
                hello = data  # whole in one frame, as most are
            else:
                stream = end.stream = CryptoStream()
        if stream is not None:
            for offset, part in crypto:
                if offset >= base:
                    stream.receive(offset - base, part)
                else:
                    stream.receive(0, part[base - offset :])
            hello = stream.message()
            if hello is None and not stream.lost:
                self._table.hold(connection)
                return None
            end.stream = None
            self._table.hold(connection)
        end.done = True
        if hello is None:
            return BodyError("quic", 0, stream.lost if stream is not None else "")
        try:
            return self._hello(connection, side, hello, metadata)
        except BodyError as error:
            return error

    def _hello(self, connection: Connection, side: Side, data: bytes, metadata: Metadata) -> BodyError | None:
        """A whole handshake message, the first of its side or the first behind a HelloRetryRequest."""
        error: BodyError | None = None
        if side is _CLIENT and data[0] == CLIENT_HELLO:
            said, error = ClientHello(data).metadata(self._values, self._details)
            connection.client.base += len(data)
        elif side is _SERVER and data[0] == SERVER_HELLO:
            hello = ServerHello(data)
            said = hello.metadata()
            if hello.retry:
                connection.client.done = connection.server.done = False
                connection.server.base += len(data)
        else:
            raise BodyError("quic", 0, f"a handshake message of type {data[0]}, where a hello must come")
        metadata.update(said)
        if len(data) <= KEPT:
            connection.said = {**connection.said, **said} if connection.said else said
        return error
