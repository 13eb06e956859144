"""How Initials and Retries are protected (RFC 9001 section 5, RFC 9369 section 3.3). Needs the extra `quic`.

Everybody on the path can derive these keys: they come from the client's first destination connection id and a constant
of the version. They keep out only what does not know QUIC, and tell an Initial from chance.

    DCID ── HKDF-Extract(salt) ─▶ initial secret ── "client in" ─▶ secret ─┬─ "quic key" ─▶ AEAD
                                                └── "server in" ─▶ …       ├─ "quic iv"  ─▶ ⊕ packet number
                                                                           └─ "quic hp"  ─▶ header protection
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable
from typing import Any, Final

from ...errors import MissingExtra
from ...message import Side
from .versions import Version
from .wire import full_number

__all__ = ["Keys", "available", "ecb", "header_mask", "initial_keys", "retry_tag", "seal", "unseal"]

_CLIENT: Final = Side.CLIENT


def _label(text: bytes, length: int) -> bytes:
    """What HKDF-Expand-Label expands by (RFC 8446 section 7.1), with the counter of its only block."""
    name = b"tls13 " + text
    return length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0\1"


_CLIENT_IN: Final = _label(b"client in", 32)
_SERVER_IN: Final = _label(b"server in", 32)
_LABELS: Final = {
    prefix: (_label(prefix + b"key", 16), _label(prefix + b"iv", 12), _label(prefix + b"hp", 16))
    for prefix in (b"quic ", b"quicv2 ")
}


@functools.cache
def _cryptography() -> tuple[Any, Any, Any, Any, Any] | None:
    """What is needed of `cryptography`; None where it is not installed."""
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import ECB
    except ImportError:
        return None
    return Cipher, AES, ECB(), AESGCM, InvalidTag


def available() -> bool:
    """Whether Initials can be opened here."""
    return _cryptography() is not None


def _needed(purpose: str) -> tuple[Any, Any, Any, Any, Any]:
    found = _cryptography()
    if found is None:
        raise MissingExtra("quic", purpose)
    return found


def ecb(key: bytes, *, decrypt: bool = False) -> Callable[[bytes], bytes]:
    """AES of single blocks, as encrypted connection ids use it. Raises MissingExtra."""
    cipher, aes, mode, _, _ = _needed("an encrypted connection id")
    both = cipher(aes(key), mode)
    update: Callable[[bytes], bytes] = (both.decryptor() if decrypt else both.encryptor()).update
    return update


class Keys:
    """One direction's keys."""

    __slots__ = ("iv", "mask", "open", "seal", "wrong")

    def __init__(self, version: Version, dcid: bytes, side: Side) -> None:
        """Raises MissingExtra."""
        cipher, aes, mode, gcm, wrong = _needed("opening QUIC's Initial packets, which is where the server name is,")
        # `digest` with one block of output is all of HKDF here, and three times quicker than building a KDF.
        initial = hmac.digest(version.salt, dcid, "sha256")
        secret = hmac.digest(initial, _CLIENT_IN if side is _CLIENT else _SERVER_IN, "sha256")
        key, iv, header = _LABELS[version.label]
        aead = gcm(hmac.digest(secret, key, "sha256")[:16])
        self.open: Callable[[bytes, bytes, bytes], bytes] = aead.decrypt
        self.seal: Callable[[bytes, bytes, bytes], bytes] = aead.encrypt
        self.iv = int.from_bytes(hmac.digest(secret, iv, "sha256")[:12], "big")
        self.mask: Callable[[bytes], bytes] = (
            cipher(aes(hmac.digest(secret, header, "sha256")[:16]), mode).encryptor().update
        )
        self.wrong: type[Exception] = wrong


def initial_keys(version: Version, dcid: bytes, side: Side) -> Keys:
    """The keys of one direction's Initials; `dcid` is the client's first, or the one that a Retry gave it.

    Raises MissingExtra.
    """
    return Keys(version, dcid, side)


def unseal(data: bytes, start: int, offset: int, end: int, keys: Keys, largest: int) -> tuple[int, bytes] | None:
    """Packet number and payload of the Initial from `start` to `end` whose number stands at `offset`.

    None where it does not open with these keys, or is too short to.
    """
    if end - offset < 20:
        return None
    mask = keys.mask(data[offset + 4 : offset + 20])
    first = data[start] ^ mask[0] & 0x0F
    size = (first & 3) + 1
    ciphertext = offset + size
    truncated = int.from_bytes(data[offset:ciphertext], "big") ^ int.from_bytes(mask[1 : 1 + size], "big")
    number = full_number(truncated, size, largest)
    header = bytes([first]) + data[start + 1 : offset] + truncated.to_bytes(size, "big")
    try:
        return number, keys.open((keys.iv ^ number).to_bytes(12, "big"), data[ciphertext:end], header)
    except keys.wrong:
        return None


def seal(header: bytes, size: int, number: int, payload: bytes, keys: Keys) -> bytes:
    """The protected packet of a header that ends in `size` bytes of the packet number, and a payload."""
    ciphertext = keys.seal((keys.iv ^ number).to_bytes(12, "big"), payload, header)
    mask = keys.mask(ciphertext[4 - size : 20 - size])
    return header_mask(header, size, mask) + ciphertext


def header_mask(header: bytes, size: int, mask: bytes) -> bytes:
    """The header with its protection put on or taken off, which is the same (RFC 9001 section 5.4.1)."""
    first = header[0] ^ mask[0] & (0x0F if header[0] & 0x80 else 0x1F)
    number = bytes(byte ^ other for byte, other in zip(header[-size:], mask[1:], strict=False))
    return bytes([first]) + header[1:-size] + number


def retry_tag(version: Version, odcid: bytes, packet: bytes) -> bytes:
    """The integrity tag of a Retry without its tag (RFC 9001 section 5.8). Raises MissingExtra."""
    _, _, _, gcm, _ = _needed("a Retry's integrity tag")
    tag: bytes = gcm(version.retry_key).encrypt(version.retry_nonce, b"", bytes([len(odcid)]) + odcid + packet)
    return tag
