r"""Any bytes into a codec: the first three laws hold, however the bytes come.

The input begins with a byte that says what it is:

    0, 1    a stream of the client's, of the server's
    2, 3    a conversation that the client, or the server, begins: turns, each after its length in one byte
    4, 5    a stream with gaps: pieces, each after its length in one byte and that of the gap behind it in another
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from l7codec import Datagrams, RemoteProtocolError, Side, encode
from l7codec.registry import codec_class
from tests import laws

SIDES = (Side.CLIENT, Side.SERVER)
LONGEST = 4096  # bytes looked at: every input is decoded a dozen times, byte by byte too


def target(protocol: str) -> Callable[[bytes], None]:
    """What a fuzzer calls with one input. It raises where a law is broken."""
    if not laws.is_stream(protocol):
        return lambda data: datagrams(protocol, data[:LONGEST])

    def test_one(data: bytes) -> None:
        if data:
            mode, side = divmod(data[0] % 6, 2)
            _MODES[mode](protocol, SIDES[side], data[1 : LONGEST + 1])

    return test_one


def _stream(protocol: str, side: Side, data: bytes) -> None:
    laws.lossless(protocol, side, [data])
    laws.chunk_invariant(protocol, side, data, [data[: len(data) // 2], data[len(data) // 2 :]])
    laws.total(protocol, side, data)


def _conversation(protocol: str, side: Side, data: bytes) -> None:
    turns: laws.Spoken = []
    for turn, _ in _parts(data, gaps=False):
        turns.append((side, turn))
        side = side.other
    laws.conversation_invariant(protocol, turns, [(one, half) for one, turn in turns for half in _halves(turn)])


def _gaps(protocol: str, side: Side, data: bytes) -> None:
    steps: list[bytes | int | None] = []
    for piece, gap in _parts(data, gaps=True):
        steps += [piece, None if gap == 255 else gap]
    laws.survives_gaps(protocol, side, steps)


_MODES = (_stream, _conversation, _gaps)


def _parts(data: bytes, gaps: bool) -> Iterator[tuple[bytes, int]]:
    position = 0
    while position < len(data):
        size = data[position]
        gap = data[position + 1] if gaps and position + 1 < len(data) else 0
        position += 2 if gaps else 1
        yield data[position : position + size], gap
        position += size


def _halves(data: bytes) -> list[bytes]:
    return [data[: len(data) // 2], data[len(data) // 2 :]]


def datagrams(protocol: str, data: bytes) -> None:
    """A protocol over datagrams: each after its length in one byte, and one that says where it comes from and goes to.

    Of that byte: 3 one of four addresses; 4 it comes from there, else it goes there; 8 the server's other address.
    """
    observer = Datagrams(protocol)
    for datagram, path in _parts(data, gaps=True):
        ends = (path & 3, "another" if path & 8 else "there")
        try:
            messages = observer.receive_datagram(datagram, ends[::-1] if path & 4 else ends)
        except RemoteProtocolError:
            continue
        assert b"".join(map(encode, messages)) == datagram
        for message in messages:
            laws.sound(codec_class(protocol), message)
