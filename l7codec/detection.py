"""Which protocol is this? Decided by the first bytes of each side; ports are hints and prove nothing.

Every codec is asked (`sniff`). What it says is worth more the less likely it is by chance: fixed bytes (magic) before
words (text) before a length that fits. A length alone is tentative until the other side's bytes fit as well, and what
almost anything fits is believed only where the port suggests it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from .codec import Answer, Codec, Confidence
from .message import Side
from .registry import codec_class, codecs

__all__ = ["NEED_MORE", "Detector", "detect"]

NEED_MORE: Final = "need more"

_WINDOW = 4096
"""Bytes of a side after which "need more" counts as "no": no protocol here needs more to be told from another."""


class Detector:
    """Finds the protocol of one connection from what both sides send, as it comes.

    `port` is the server's, a hint. `protocols` narrows the choice. `prefaces` admits protocols that only open a
    connection, as PROXY does.
    """

    def __init__(self, *, port: int | None = None, protocols: list[str] | None = None, prefaces: bool = True) -> None:
        chosen = codecs() if protocols is None else [codec_class(name) for name in protocols]
        self._codecs: list[type[Codec]] = [codec for codec in chosen if prefaces or not codec.is_preface]
        self._port = port
        self._data: dict[Side, bytes] = {Side.CLIENT: b"", Side.SERVER: b""}
        self.result: str | None = NEED_MORE
        """The name found, NEED_MORE, or None: no codec takes these bytes."""
        self.tentative: str | None = None
        """While more is needed: the likeliest name so far, if any."""
        self.undecided = True
        """While more is needed: whether some codec cannot tell yet, rather than wait for the other side to confirm."""

    def receive_data(self, side: Side, data: bytes | bytearray | memoryview) -> str | None:
        """Take in what `side` sent; returns `result`. What comes once there is a result is not looked at."""
        if self.result == NEED_MORE and data:
            seen = self._data[side]
            if len(seen) < _WINDOW:
                self._data[side] = seen + bytes(data[: _WINDOW - len(seen)])
                self._decide()
        return self.result

    def receive_eof(self) -> str | None:
        """Nothing more will come: settle for the likeliest name, or None; returns `result`."""
        if self.result == NEED_MORE:
            self.result = self.tentative
        return self.result

    def _decide(self) -> None:
        found: list[_Candidate] = []
        undecided = faint = False
        for codec in self._codecs:
            candidate = self._judge(codec)
            if candidate is None:
                undecided = True
            elif candidate.confidence > (0 if candidate.hinted else Confidence.HINT):
                found.append(candidate)
            else:  # nothing by itself; yet the other side may say it clearly
                faint = faint or candidate.confirmed == 1
        best = max(found, default=None)
        self.tentative = best.name if best else None
        self.undecided = undecided
        if best is not None and best.certain:
            self.result = best.name
        elif best is None and not undecided and not faint:
            self.result = None

    def _judge(self, codec: type[Codec]) -> _Candidate | None:
        """What the bytes of both sides say for a codec; confidence 0: nothing; None: it must see more to tell."""
        hinted = self._port in codec.ports
        confirmed = 0
        best = 0
        undecided = False
        for side, data in self._data.items():
            if not data:
                continue
            answer, confidence = codec.sniff(data, side)
            if answer is Answer.YES:
                confirmed += 1
                best = max(best, confidence)
            elif answer is Answer.MORE and len(data) < _WINDOW:
                undecided = True
            else:  # one side's "no" is enough, whatever the other's bytes may become
                return _Candidate(0, hinted, 0, codec.name)
        if undecided:
            return None
        return _Candidate(best, hinted, confirmed, codec.name)


class _Candidate(NamedTuple):
    """A codec that takes the bytes; the greatest is the likeliest."""

    confidence: int
    hinted: bool
    confirmed: int
    name: str

    @property
    def certain(self) -> bool:
        """One side's magic or text is enough; a length that fits needs the other side's as well."""
        return self.confidence >= Confidence.TEXT or (self.confidence > 0 and self.confirmed == 2)


def detect(
    data: bytes | bytearray | memoryview,
    *,
    side: Side = Side.CLIENT,
    port: int | None = None,
    protocols: list[str] | None = None,
) -> str | Literal["need more"] | None:
    """The name of the protocol that a connection speaks on which `side` first sent `data`.

    "need more" if that cannot be told yet, None if no codec takes these bytes. `port`, the server's, is a hint. With
    both sides' bytes, or bytes that come in pieces, use a `Detector`: it waits for the other side where this must
    take a length that fits for proof.
    """
    detector = Detector(port=port, protocols=protocols)
    found = detector.receive_data(side, data)
    if found == NEED_MORE and not detector.undecided:
        return detector.receive_eof()
    return found
