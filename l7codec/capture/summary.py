"""What reading a capture's messages came to, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ..errors import L7Error
from ..message import Side
from .errors import CaptureWarning

__all__ = ["Summary", "Trouble"]

MAX_TROUBLES: Final = 100
"""Errors kept with their place and words; all are counted."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Bytes that are wrong by their protocol: in which conversation, whose, seen at which frame."""

    conversation: int
    side: Side
    frame: int
    error: L7Error

    def __str__(self) -> str:
        return f"frame {self.frame}, conversation {self.conversation}, {self.side}: {self.error}"


@dataclass(slots=True)
class Summary:
    """Counts of one capture; complete when everything was read."""

    conversations: int = 0
    """TCP connections and pairs of UDP addresses that sent anything."""
    messages: Counter[str] = field(default_factory=Counter)
    """Messages by protocol."""
    errors: int = 0
    """How often bytes were wrong by their protocol; decoding went on behind them."""
    troubles: list[Trouble] = field(default_factory=list)
    """The first of those errors."""
    gaps: int = 0
    """Places where bytes are missing from a decoded conversation."""
    missing: int = 0
    """How many bytes are missing there."""
    skipped: int = 0
    """Bytes of decoded conversations of which no message could be made, behind gaps and errors."""
    unfinished: int = 0
    """Directions that ended inside a message."""
    unanswered: int = 0
    """Requests whose response was not seen."""
    dropped: int = 0
    """Requests given up because too many were pending."""
    unrecognised: Counter[str] = field(default_factory=Counter)
    """Bytes of conversations that no codec takes, by what they are as far as can be told: "tls", "unknown", …"""
    passed_over: Counter[str] = field(default_factory=Counter)
    """Packets without TCP or UDP in them, by reason."""
    warnings: list[CaptureWarning] = field(default_factory=list)
    """What was wrong with the file."""
    notes: list[str] = field(default_factory=list)
    """What could not be read for want of an extra, a sentence each."""

    def note(self, trouble: Trouble) -> None:
        """Count an error."""
        self.errors += 1
        if len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(trouble)

    def add(self, other: Summary) -> None:
        """Add another part of the same file: its conversations. What concerns the file itself counts once."""
        self.conversations += other.conversations
        self.messages += other.messages
        self.errors += other.errors
        self.troubles = sorted(self.troubles + other.troubles, key=lambda trouble: trouble.frame)[:MAX_TROUBLES]
        self.gaps += other.gaps
        self.missing += other.missing
        self.skipped += other.skipped
        self.unfinished += other.unfinished
        self.unanswered += other.unanswered
        self.dropped += other.dropped
        self.unrecognised += other.unrecognised
        self.passed_over |= other.passed_over
        self.warnings = self.warnings or other.warnings
        self.notes += [note for note in other.notes if note not in self.notes]
