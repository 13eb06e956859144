"""What a message begins with: to tell a connection's protocol, and to find a message after a gap."""

from __future__ import annotations

import re
from typing import Final

from ...codec import NO, Answer, Confidence, Resync, Verdict

__all__ = ["resync", "sniff"]

_MAGIC: Final = Verdict(Answer.YES, Confidence.MAGIC)
_TEXT: Final = Verdict(Answer.YES, Confidence.TEXT)
_LENGTH: Final = Verdict(Answer.YES, Confidence.LENGTH)

# What messages begin with: as much of each as there is must fit. A length has one byte below 7: at most 100 MiB.
_FRAME: Final = (range(7), None, None, None)
_STRICT: Final = (b"\x80", b"\1", None, b"\1\2\3\4")
_COMPACT: Final = (b"\x82", b'!Aa\x81"Bb\x82')
_STARTS: Final = (
    (_STRICT, _MAGIC),
    (tuple(bytes((byte,)) for byte in b'[1,"'), _TEXT),
    ((*_COMPACT, None, None), _LENGTH),
    ((*_FRAME, *_STRICT), _MAGIC),
    ((*_FRAME, *[bytes((byte,)) for byte in b'[1,"']), _TEXT),
    ((*_FRAME, *_COMPACT), _LENGTH),
    ((*_FRAME, b"\x0f", b"\xff", None, None), _LENGTH),
    ((*_FRAME, b"\x10", b"\0", b"\0", None), _LENGTH),
    ((*_FRAME, b"\n", b"\0", b"\1"), _LENGTH),
    ((*_FRAME, b"\0", b"\x80", b"\1"), _LENGTH),
    ((*_FRAME, b"\x0f", b"\0", b"\1", b"\x0c"), _LENGTH),
)


def sniff(data: bytes) -> Verdict:
    """Whether a message begins `data`. The compact protocol's two bytes, and headers' two, are worth a length's fit."""
    more = False
    for start, verdict in _STARTS:
        if all(allowed is None or byte in allowed for byte, allowed in zip(data, start, strict=False)):
            if len(data) >= len(start):
                return verdict
            more = True
    return Verdict(Answer.MORE) if more else NO


_NAME: Final = rb"\0\0[\0-\x07][\s\S][A-Za-z_]"
_STRICT_HEAD: Final = rb"\x80\x01[\s\S][\x01-\x04]" + _NAME
_COMPACT_HEAD: Final = rb"\x82[!Aa\x81][\x80-\xff]{0,4}[\0-\x7f][\x01-\x7f][A-Za-z_]"
_UNFRAMED: Final = _STRICT_HEAD + rb"|" + _COMPACT_HEAD + rb'|\[1,"'
_FRAMED: Final = (
    rb"[\0-\x06][\s\S]{3}(?:"
    + _STRICT_HEAD
    + rb"|"
    + _COMPACT_HEAD
    + rb'|\[1,"|\x0f\xff[\s\S]{6}\0|\x10\0\0[\s\S]{5}\0|\n\0\x01|\0'
    + _STRICT_HEAD
    + rb")"
)
_LONGEST: Final = 16
"""No beginning is longer."""

_PATTERNS: Final = {
    True: re.compile(_FRAMED),
    False: re.compile(_UNFRAMED),
    None: re.compile(_UNFRAMED + rb"|" + _FRAMED),
}


def resync(data: bytes, framed: bool | None) -> Resync:
    """Where a message may start: at the bytes that one begins with, and a name."""
    found = _PATTERNS[framed].search(data)
    if found is not None:
        return Resync(found.start(), True)
    return Resync(max(len(data) - _LONGEST, 0), False)
