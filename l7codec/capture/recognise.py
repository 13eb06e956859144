"""Which protocol a TCP connection in a capture speaks: detection with what only an observer can do.

A capture has both sides, may have begun in the middle, and answers nobody: so it may look for a PROXY header where a
server must not, take the client for the server and turn round, and wait for more before it decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..codec import DatagramCodec
from ..detection import NEED_MORE, Detector
from ..errors import ProtocolError
from ..message import Side
from ..registry import codec_class, codecs
from ..stream import Stream
from .flow import Flow, Piece
from .foreign import HTTP2, UNKNOWN, foreign_stream, over_http2

__all__ = ["Choice", "Found", "Recognition"]

CLIENT: Final = Side.CLIENT

_WINDOW: Final = 4096  # bytes of each side that are kept to name what no codec takes
_HELD_BYTES: Final = 16_384  # of both sides; a detector looks at 4,096 bytes of each
_HELD_PIECES: Final = 64
_HEADER_PIECES: Final = 12  # of both sides, in which the first headers of HTTP/2 come, if any do


class Found(NamedTuple):
    """What a conversation speaks."""

    protocol: str | None
    """The codec's name, or None."""
    foreign: str = UNKNOWN
    """Without a codec: the best name there is for it."""
    preface: str | None = None
    """The protocol of the preface that comes first, "proxy"."""
    turned: bool = False
    """Client and server are to be swapped."""


class Choice:
    """The codecs to choose from, and what the caller says about ports."""

    def __init__(self, forced: Mapping[int, str] | None = None) -> None:
        known = codecs()
        self.streams: list[str] = [
            codec.name for codec in known if not codec.is_preface and not issubclass(codec, DatagramCodec)
        ]
        self.prefaces: list[str] = [codec.name for codec in known if codec.is_preface]
        self.datagrams: list[type[DatagramCodec]] = [codec for codec in known if issubclass(codec, DatagramCodec)]
        self.forced = dict(forced or {})
        for name in self.forced.values():
            codec_class(name)  # raises UnknownProtocol now, not in the middle of a file
        self._ports: dict[int, str] = {port: codec.name for codec in reversed(known) for port in codec.ports}

    def hint(self, port: int) -> str | None:
        """The stream codec whose servers usually listen on this port."""
        name = self._ports.get(port)
        return name if name in self.streams else None


class _View:
    """One conversation, seen with a certain side as the client."""

    def __init__(self, choice: Choice, port: int, names: list[str] | None = None) -> None:
        self._choice = choice
        self._port = port
        self._names = choice.streams if names is None else names
        self._forced = choice.forced.get(port)
        wanted = choice.prefaces if self._forced else self._names + choice.prefaces
        self._detector = Detector(port=port, protocols=wanted)
        self._stream: Stream | None = None  # measures a preface
        self._seen = dict.fromkeys(Side, b"")
        self._refused = False  # by every codec; yet the other side may tell what it is instead
        self.preface: str | None = None
        self.result: str | None = NEED_MORE

    def receive(self, side: Side, data: bytes) -> None:
        """Bytes of one side; sets `result`."""
        if self.result != NEED_MORE:
            return
        if self._stream is not None and side is CLIENT:
            data = self._behind_preface(self._stream, data)
        if not data:
            return
        before = self._seen[side]
        if len(before) < _WINDOW:
            self._seen[side] = before + data[: _WINDOW - len(before)]
        if self._refused and self._seen[side.other]:
            self.result = None
            return
        found = self._detector.receive_data(side, data)
        if found in self._choice.prefaces and self.preface is None:
            self._open_preface(found, before + data)
        elif self._forced is not None and (found is None or side is not CLIENT or self.preface is not None):
            self.result = self._forced
        elif found is None and self._forced is None and not self._seen[side.other]:
            self._refused = True
        elif found != NEED_MORE and not (found is None and self._forced):
            self.result = found

    def _open_preface(self, name: str, data: bytes) -> None:
        self.preface = name
        self._stream = Stream(name, CLIENT)
        server = self._seen[Side.SERVER]
        self._seen = dict.fromkeys(Side, b"")
        self._detector = Detector(port=self._port, protocols=[] if self._forced else self._names)
        self.receive(CLIENT, data)
        if server:
            self.receive(Side.SERVER, server)

    def _behind_preface(self, stream: Stream, data: bytes) -> bytes:
        """What of the client's bytes belongs to the protocol inside."""
        try:
            for _ in stream.receive_data(data):
                pass
        except ProtocolError:  # no preface after all; the bytes were shown to every codec before
            self.preface = None
            self._stream = None
            self.result = None
            return b""
        if not stream.codec.finished:
            return b""
        self._stream = None
        return stream.trailing_data

    def settle(self) -> None:
        """Nothing more will come: take what is likeliest."""
        if self.result == NEED_MORE:
            self.result = self._forced or self._detector.receive_eof()

    def foreign(self, start_known: bool) -> str:
        """The best name for what no codec takes."""
        for side, data in self._seen.items():
            name = foreign_stream(data, side, start_known)
            if data and name != UNKNOWN:
                return name
        return UNKNOWN


class Recognition:
    """Decides for one conversation; keeps its pieces until then, at most `_HELD_BYTES`."""

    def __init__(self, choice: Choice, flow: Flow, names: list[str] | None = None) -> None:
        self.pieces: list[Piece] = []
        self._choice = choice
        self._flow = flow
        self._held = 0
        self._ends = 0
        self._spoke: set[Side] = set()
        self._blind: set[Side] = set()  # sides whose first bytes are missing
        self._start_known = True
        endpoints = flow.endpoints
        client, server = endpoints[flow.client][1], endpoints[1 - flow.client][1]
        self._hinted = server in choice.forced or choice.hint(server) is not None
        self._view = _View(choice, server, names)
        self._turned: _View | None = None
        if not flow.certain and server not in choice.forced:
            self._turned = _View(choice, client, names)

    def receive(self, piece: Piece) -> Found | None:
        """The next piece; what the conversation speaks as soon as that is known."""
        self.pieces.append(piece)
        side = piece.side
        if piece.gap:
            self._blind.add(side)
        data = piece.data
        if data:
            self._held += len(data)
            self._start_known = self._start_known and piece.start_known
            self._spoke.add(side)
            if side not in self._blind:
                self._view.receive(side, data)
                if self._turned is not None:
                    self._turned.receive(side.other, data)
        self._ends += piece.end is not None
        if self._ends >= 2 or self._held > _HELD_BYTES or len(self.pieces) > _HELD_PIECES:
            self._view.settle()
            if self._turned is not None:
                self._turned.settle()
            return self._behind_http2(self._final(), True)
        return self._behind_http2(self._early(), len(self.pieces) >= _HEADER_PIECES)

    def _behind_http2(self, found: Found | None, last: bool) -> Found | None:
        """HTTP/2 is a transport: wait for its first headers, which tell what is spoken over it."""
        if found is None or found.foreign != HTTP2:
            return found
        name = over_http2(b"".join(piece.data for piece in self.pieces))
        return found._replace(foreign=name) if last or name != HTTP2 else None

    def _early(self) -> Found | None:
        view, turned = self._view, self._turned
        if view.result == NEED_MORE:
            return None
        if view.result is not None:
            if turned is None or self._hinted or len(self._spoke) == 2:
                return Found(view.result, "", view.preface)
            return None  # the other side may tell that client and server are the other way round
        if turned is not None and turned.result == NEED_MORE:
            return None
        return self._final()

    def _final(self) -> Found:
        view, turned = self._view, self._turned
        if view.result is not None:
            return Found(view.result, "", view.preface)
        if turned is not None and turned.result is not None and turned.result != NEED_MORE:
            return Found(turned.result, "", turned.preface, True)
        foreign = view.foreign(self._start_known)
        if foreign == UNKNOWN and turned is not None:
            foreign = turned.foreign(self._start_known)
        if foreign == UNKNOWN and (self._blind or not self._start_known):
            # In the middle of a message nothing can be recognised: here the port is all there is to go by.
            endpoints = self._flow.endpoints
            for index in (1 - self._flow.client, self._flow.client):
                name = self._choice.hint(endpoints[index][1])
                if name is not None:
                    return Found(name, "", view.preface, index == self._flow.client)
        return Found(None, foreign, view.preface)
