"""Values to bytes, in the shortest forms, as Java's `Hessian2Output` (Caucho's, and Dubbo's hessian-lite) writes them."""

from __future__ import annotations

import datetime
import struct
from typing import Any, Final

from ..errors import LocalProtocolError
from . import strings
from .read import Reader
from .scalars import ClassDefinition, Date, JavaLong
from .values import JavaList, JavaMap, JavaObject

CHUNK: Final = 0x8000
"""UTF-16 units in one chunk of a long string: Java's."""


class Writer:
    """Values of one body, one after the other; they share the tables.

        writer = Writer()
        writer.value("2.0.2")
        writer.value([1, 2])
        data = writer.bytes()

    What is the same list, map or object twice is written once, and then referred to, cycles too. `after`: what is
    written will stand behind what that Reader has read or skipped; it refers to nothing in there but classes and types.
    """

    def __init__(self, after: Reader | None = None) -> None:
        raise NotImplementedError

    def value(self, value: Any) -> None:
        """Write a value. Raises LocalProtocolError for what Hessian has no form for; then nothing of it is written."""
        raise NotImplementedError

    def bytes(self) -> bytes:
        """All that was written so far."""
        raise NotImplementedError
