"""Where the messages of a conversation come from and go to."""

from __future__ import annotations

__all__ = ["Ends"]


class Ends:
    """Where one direction of a conversation leads; one object for all its records."""

    __slots__ = ("conversation", "destination", "source")

    def __init__(self, conversation: int, source: tuple[str, int], destination: tuple[str, int]) -> None:
        self.conversation = conversation
        self.source = source
        self.destination = destination
