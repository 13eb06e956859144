"""What a user of the command line can get wrong."""

from __future__ import annotations

__all__ = ["UsageError"]


class UsageError(Exception):
    """The command line asks for something that cannot be; the text says what to do instead."""
