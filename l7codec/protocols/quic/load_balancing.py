"""QUIC-LB: connection ids that tell a load balancer the server (draft-ietf-quic-load-balancers).

    first octet             then, in the clear or encrypted
    +-----------+---------+ +-----------~-----------+---------~---------+
    | config: 3 | any: 5  | | server id             | nonce             |
    +-----------+---------+ +-----------~-----------+---------~---------+
      7: not routable

Without a key the two stand as they are. With one they are encrypted by AES-128: as one block where they make 16 bytes,
else by four rounds of a Feistel network over their halves. An id may be longer than its configuration says; what
follows is the server's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...errors import LocalProtocolError
from .protection import ecb

__all__ = ["UNROUTABLE", "ServerIds"]

UNROUTABLE: Final = 7
"""The configuration id of connection ids that name no server (section 3.1)."""

_BLOCK: Final = 16
_NONCE_LEAST: Final = 4
_TOGETHER: Final = 19  # section 3: an id has at most 20 bytes, the first octet included


class ServerIds:
    """One configuration: how the servers that share it write their ids.

    `config` is 0 to 6. `server_id` and `nonce` are lengths in bytes. With `key`, 16 bytes, they are encrypted, which
    needs the extra `quic`. `length_in_first_octet` has the five other bits of the first octet tell the id's length.
    Raises LocalProtocolError, MissingExtra.
    """

    def __init__(
        self, config: int, *, server_id: int, nonce: int, key: bytes | None = None, length_in_first_octet: bool = False
    ) -> None:
        if not 0 <= config < UNROUTABLE:
            raise _wrong(f"a configuration's id is 0 to 6, not {config}")
        if server_id < 1 or nonce < _NONCE_LEAST or server_id + nonce > _TOGETHER:
            raise _wrong(f"{server_id} bytes of server id and {nonce} of nonce: 1 and 4 at least, 19 together at most")
        if key is not None and len(key) != _BLOCK:
            raise _wrong(f"a key has 16 bytes, not {len(key)}")
        self.config = config
        self.server_id = server_id
        self.nonce = nonce
        self.length_in_first_octet = length_in_first_octet
        self._length = server_id + nonce
        self._encrypt: Callable[[bytes], bytes] | None = None if key is None else ecb(key)
        self._decrypt: Callable[[bytes], bytes] | None = None if key is None else ecb(key, decrypt=True)

    def decode(self, connection_id: bytes) -> bytes | None:
        """The server id; None where the connection id is of another configuration, or too short for this one."""
        if len(connection_id) <= self._length or connection_id[0] >> 5 != self.config:
            return None
        data = connection_id[1 : 1 + self._length]
        if self._encrypt is None or self._decrypt is None:
            return data[: self.server_id]
        if self._length == _BLOCK:
            return self._decrypt(data)[: self.server_id]
        return self._passes(data, (4, 3, 2, 1))[: self.server_id]

    def encode(self, server_id: bytes, nonce: bytes, *, extra: bytes = b"", low_bits: int = 0) -> bytes:
        """A connection id. A nonce must never come twice with the same key; `low_bits` fill the first octet, which
        should look random; `extra` stands behind. Raises LocalProtocolError.
        """
        if len(server_id) != self.server_id or len(nonce) != self.nonce:
            raise _wrong(f"{len(server_id)} bytes of server id and {len(nonce)} of nonce do not fit this configuration")
        if 1 + self._length + len(extra) > 20:
            raise _wrong("a connection id has at most 20 bytes")
        if not 0 <= low_bits < 32:
            raise _wrong(f"{low_bits} does not fit into five bits")
        if self.length_in_first_octet:
            low_bits = self._length + len(extra)
        data = server_id + nonce
        if self._encrypt is not None:
            data = self._encrypt(data) if self._length == _BLOCK else self._passes(data, (1, 2, 3, 4))
        return bytes([self.config << 5 | low_bits]) + data + extra

    def _passes(self, data: bytes, order: tuple[int, ...]) -> bytes:
        """The four rounds (section 5.4), forwards or backwards. Odd pass numbers change the right half."""
        assert self._encrypt is not None
        length = self._length
        half = (length + 1) // 2
        bits = half * 8
        odd = length & 1
        number = int.from_bytes(data, "big")
        # The halves as numbers of `bits` bits. Of an odd length they share the middle byte: the left has its upper
        # half, with zeros behind, the right its lower, with zeros before.
        right_mask = (1 << (length * 4)) - 1
        left = number >> (length * 4) << (4 if odd else 0)
        right = number & right_mask
        for turn in order:
            source = right if turn in (2, 4) else left
            block = self._encrypt(source.to_bytes(half, "big") + bytes(14 - half) + bytes([length, turn]))
            noise = int.from_bytes(block[:half], "big")
            if turn in (2, 4):
                left ^= noise >> 4 << 4 if odd else noise
            else:
                right ^= noise & right_mask
        assert left < 1 << bits
        return ((left >> (4 if odd else 0)) << (length * 4) | right).to_bytes(length, "big")


def _wrong(reason: str) -> LocalProtocolError:
    return LocalProtocolError("quic", 0, reason)
