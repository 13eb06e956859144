"""The versions of QUIC: how each lays out its long headers, and the constants that protect its Initials.

0x00000000     version negotiation, no version of its own (RFC 8999 section 6)
0x00000001     v1 (RFC 9000, 9001)                0x6b3343cf  v2 (RFC 9369): other type bits, salt and labels
0xff0000NN     draft NN of version 1              0xfaceb0NN  mvfst, drafts 22 and 27 by another number
0x?a?a?a?a     reserved to make peers negotiate (RFC 9000 section 15); laid out as version 1 is by all who send it
"Q0NN", "T0NN" Google's QUIC before there was a standard
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["DRAFT_29", "GREASE", "NEGOTIATION", "V1", "V2", "Layout", "Version", "name_of", "version_of"]

NEGOTIATION: Final = 0
V1: Final = 1
V2: Final = 0x6B3343CF
DRAFT_29: Final = 0xFF00001D

_TYPES: Final = ("initial", "0rtt", "handshake", "retry")  # RFC 9000 table 5
_TYPES_V2: Final = ("retry", "initial", "0rtt", "handshake")  # RFC 9369 section 3.2


class Layout:
    """How much of a version's long header is known."""

    FULL: Final = 0
    """All of it: types, token, length."""
    LENIENT: Final = 1
    """The same if it fits, else only what every version shares."""
    INVARIANT: Final = 2
    """What every version shares (RFC 8999): version and connection ids."""
    NIBBLES: Final = 3
    """Both connection ids' lengths in one byte: Q044 to Q046, drafts up to 21."""


class Version(NamedTuple):
    """What is particular to a version."""

    number: int
    name: str
    layout: int = Layout.INVARIANT
    types: tuple[str, ...] = _TYPES
    salt: bytes = b""
    """Of the Initial secret (RFC 9001 section 5.2); b"" where Initials are not opened."""
    label: bytes = b"quic "
    """What the names of the derived keys begin with."""
    retry_key: bytes = b""
    retry_nonce: bytes = b""
    """Of the Retry integrity tag (RFC 9001 section 5.8); b"" where a Retry has none."""
    inline_odcid: bool = False
    """Drafts up to 24: a Retry has the original destination connection id in place of a tag."""


_SALT_22: Final = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")
_SALT_23: Final = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_SALT_29: Final = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_SALT_V1: Final = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_V2: Final = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")

_RETRY_25: Final = (bytes.fromhex("4d32ecdb2a2133c841e4043df27d4430"), bytes.fromhex("4d1611d05513a552c587d575"))
_RETRY_29: Final = (bytes.fromhex("ccce187ed09a09d05728155a6cb96be1"), bytes.fromhex("e54930f97f2136f0530a8c1c"))
_RETRY_V1: Final = (bytes.fromhex("be0c690b9f66575a1d766b54e368c84e"), bytes.fromhex("461599d35d632bf2239825bb"))
_RETRY_V2: Final = (bytes.fromhex("8fb4b01b56ac48e260fbcbcead7ccc92"), bytes.fromhex("d86969bc2d7c6d9990efb04a"))


def _draft(number: int, name: str, draft: int) -> Version:
    salt = _SALT_22 if draft < 23 else _SALT_23 if draft < 29 else _SALT_29 if draft < 33 else _SALT_V1
    if draft < 25:
        return Version(number, name, Layout.FULL, _TYPES, salt, inline_odcid=True)
    retry = _RETRY_25 if draft < 29 else _RETRY_29 if draft < 33 else _RETRY_V1
    return Version(number, name, Layout.FULL, _TYPES, salt, b"quic ", *retry)


def _known() -> dict[int, Version]:
    found = [
        Version(NEGOTIATION, "negotiation"),
        Version(V1, "v1", Layout.FULL, _TYPES, _SALT_V1, b"quic ", *_RETRY_V1),
        Version(V2, "v2", Layout.FULL, _TYPES_V2, _SALT_V2, b"quicv2 ", *_RETRY_V2),
        Version(0x709A50C4, "v2-draft", Layout.FULL, _TYPES_V2, _SALT_V2, b"quicv2 ", *_RETRY_V2),
        _draft(0xFACEB001, "mvfst-draft-22", 22),
        _draft(0xFACEB002, "mvfst-draft-27", 27),
        _draft(0xFACEB00E, "mvfst-experimental", 27),
    ]
    found += [_draft(0xFF000000 + number, f"draft-{number:02}", number) for number in range(22, 35)]
    found += [Version(0xFF000000 + number, f"draft-{number:02}", Layout.NIBBLES) for number in range(11, 22)]
    for name in ("Q044", "Q045", "Q046"):
        found.append(Version(_ascii(name), name, Layout.NIBBLES))
    for name in ("Q047", "Q048", "Q049"):
        found.append(Version(_ascii(name), name))
    for name in ("Q050", "Q051", "T048", "T049", "T050", "T051"):
        found.append(Version(_ascii(name), name, Layout.LENIENT))
    return {version.number: version for version in found}


def _ascii(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


_VERSIONS: Final = _known()

GREASE: Final = Version(0x0A0A0A0A, "grease", Layout.LENIENT)
"""Stands for all reserved versions."""

_UNKNOWN: Final = Version(-1, "unknown")


def version_of(number: int) -> Version:
    """What is known of a version; of an unknown one, only what every version shares."""
    found = _VERSIONS.get(number)
    if found is not None:
        return found
    return GREASE if number & 0x0F0F0F0F == 0x0A0A0A0A else _UNKNOWN


def name_of(number: int) -> str:
    """ "v1", "draft-29", "Q043", "grease-0x1a2a3a4a", "0x12345678"."""
    found = version_of(number)
    if found is GREASE:
        return f"grease-0x{number:08x}"
    if found is not _UNKNOWN:
        return found.name
    text = number.to_bytes(4, "big")
    if text[:1] in (b"Q", b"T") and text[1:].isdigit():
        return text.decode()
    return f"draft-{number & 0xFF:02}" if number >> 8 == 0xFF0000 else f"0x{number:08x}"
