r"""What a master sends behind its answer to PSYNC or SYNC: a data set, then commands.

From redis-server's `replication.c` (`readSyncBulkPayload`):

    +FULLRESYNC <replid> <offset>\r\n
        \n …  $<length>\r\n<rdb>                             a file whose length is known
        \n …  $EOF:<40 bytes>\r\n<rdb><the same 40 bytes>    written as it is made
    +CONTINUE [<replid>]\r\n                                nothing: commands follow at once

Neither form has a CR LF at its end. Line feeds before either keep the connection alive while the file is being made.
A data set may be larger than any limit, so it comes as many messages: its first line, every `PIECE` bytes of it
wherever they were cut on the wire, and the mark at its end.
"""

from __future__ import annotations

import re
from typing import Final

from ...buffer import ReceiveBuffer

__all__ = ["PIECE", "Replication"]

PIECE: Final = 1 << 16
"""Bytes of the data set in one message."""

_MARK: Final = 40
_HEADER: Final = re.compile(rb"\$(?:(0|[1-9][0-9]{0,18})|EOF:(.{40}))", re.DOTALL)
_LONGEST_HEADER: Final = len("$EOF:") + _MARK + 2


class Replication:
    """Frames one data set; `next` gives the bytes of one message from `position` on, or None after `wait`."""

    __slots__ = ("_left", "_mark", "begun", "done")

    def __init__(self) -> None:
        self._left = -1  # bytes still to come, where that is known
        self._mark = b""  # what ends it, where that is not
        self.begun = False
        """Its first line has been read."""
        self.done = False
        """It is over; commands follow."""

    def next(self, buffer: ReceiveBuffer) -> tuple[int, str] | None:
        """Bytes of the next message, and which part of the transfer it is: "header", "rdb" or "end"."""
        if self._mark:
            return self._marked_piece(buffer)
        if self._left >= 0:
            return self._counted_piece(buffer)
        return self._header(buffer)

    def _header(self, buffer: ReceiveBuffer) -> tuple[int, str] | None:
        data, start = buffer.data, buffer.position
        end = data.find(b"\n", start, start + _LONGEST_HEADER)
        if end < 0:
            if len(data) - start >= _LONGEST_HEADER:
                raise buffer.fail("the data set's first line is too long")
            buffer.wait(_LONGEST_HEADER, delimiter=b"\n")
            return None
        found = _HEADER.fullmatch(data, start, end - 1)
        if found is None or data[end - 1] != 13:
            raise buffer.fail("a data set begins with $<length> or $EOF:<mark>")
        if found[2]:
            self._mark = found[2]
        else:
            self._left = int(found[1])
            self.done = self._left == 0
        self.begun = True
        return end + 1 - start, "header"

    def _counted_piece(self, buffer: ReceiveBuffer) -> tuple[int, str] | None:
        size = min(self._left, PIECE)
        if len(buffer.data) - buffer.position < size:
            buffer.wait(size, counted=True)
            return None
        self._left -= size
        self.done = self._left == 0
        return size, "rdb"

    def _marked_piece(self, buffer: ReceiveBuffer) -> tuple[int, str] | None:
        """The mark, or the data up to it, or `PIECE` bytes in which it does not begin."""
        data, start, mark = buffer.data, buffer.position, self._mark
        left = PIECE - buffer.held  # bytes of this piece that have not been looked through
        found = data.find(mark, start, start + left + _MARK - 1)
        if found == start and not buffer.held:
            self.done = True
            return _MARK, "end"
        if found >= 0:
            return found - start, "rdb"
        if len(data) - start >= left + _MARK - 1:
            return left, "rdb"
        buffer.hold(max(len(data) - start - _MARK + 1, 0))
        buffer.wait(len(data) - buffer.position + 1)
        return None
