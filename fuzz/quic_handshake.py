"""What stands inside a client's Initials: any frames, any handshake, in any pieces; protected as a client would.

The input is read as records: one byte, offset; one byte, length; that many bytes of CRYPTO data. A first byte with its
highest bit set says that what follows are raw frames instead.

python -m fuzz quic_handshake
"""

from __future__ import annotations

from l7codec import Side
from l7codec.protocols import quic
from l7codec.protocols.quic import QuicCodec
from l7codec.protocols.quic.connections import HELD
from l7codec.protocols.quic.handshake import LONGEST, PIECES, CryptoStream
from tests import laws

ID = bytes(range(8))
UP, DOWN = ("client", "server"), ("server", "client")
LONGEST_INPUT = 2000


def test_one(data: bytes) -> None:
    """Raises when a law is broken."""
    data = data[:LONGEST_INPUT]
    if not data:
        return
    codec = QuicCodec(follow=True)
    if data[0] & 0x80:
        side = Side.SERVER if data[0] & 1 else Side.CLIENT
        _look(codec, quic.initial(ID, b"", b"").raw, UP)
        _look(
            codec,
            quic.initial(ID, b"", frames=data[1:], odcid=ID, number=1, side=side).raw,
            DOWN if data[0] & 1 else UP,
        )
        return
    stream = CryptoStream()
    position = number = 0
    while position + 2 <= len(data):
        offset, length = data[position], data[position + 1]
        piece = data[position + 2 : position + 2 + length]
        position += 2 + length
        stream.receive(offset, piece)
        assert stream.held <= LONGEST
        assert len(stream._starts) <= PIECES
        _look(codec, quic.initial(ID, b"", piece, offset=offset, number=number, size=0).raw, UP)
        assert codec._table.held <= HELD
        number += 1


def _look(codec: QuicCodec, raw: bytes, path: tuple[str, str]) -> None:
    for message in codec.decode_datagram(raw, path):
        laws.sound(QuicCodec, message)
