"""Pending: the requests of one conversation that wait for their responses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from .errors import LimitExceeded
from .message import Message, Side

__all__ = ["Pending"]


class _Entry:
    """A request and how many responses it still waits for."""

    __slots__ = ("losses", "message", "origin", "replies")

    def __init__(self, message: Message, replies: int, origin: Message, losses: int) -> None:
        self.losses = losses  # how often bytes had been lost when it was opened
        self.message = message
        self.replies = replies
        self.origin = origin


class Pending:
    """Requests that wait for responses, for each asking side by id or in order.

    A client that gives one request after the other the same id, 0 say, does not number them: it is answered in order.

    A codec's `pair` opens and settles them. Iterating gives them, each asking side's oldest first.
    """

    def __init__(self, limit: int, drop_oldest: bool = False) -> None:
        self._limit = limit
        self._drop_oldest = drop_oldest
        self._in_order: dict[Side, deque[_Entry]] = {side: deque() for side in Side}
        self._by_id: dict[Side, dict[int, deque[_Entry]]] = {side: {} for side in Side}
        self._last_id: dict[Side, int | None] = dict.fromkeys(Side)
        self._losses = 0
        self._repeats = dict.fromkeys(Side, False)  # this side has used an id twice in a row
        self._count = 0
        self._given_up = dict.fromkeys(Side, 0)  # responses still owed to dropped requests
        self._overlapped = False  # some side has had two requests in flight
        self._owed = 0  # while lost: at most so many responses to requests sent in order are still to come …
        self._owed_known = True  # … unless requests may be among what is missing
        self._lost = False
        self._answers_lost = False  # while lost: responses may be among what is missing
        self.dropped = 0
        """Requests given up because too many were pending (captures only)."""
        self.origin: Message | None = None  # what the caller handed to `send`, where edits made another of it
        self._settled: _Entry | None = None

    def open(self, message: Message, replies: int = 1) -> None:
        """Wait for `replies` responses to `message`; 0: it has none.

        Raises LimitExceeded when too many are pending, or drops the oldest where that was asked for.
        """
        if replies <= 0:
            return
        ordered = message.id is None or self._is_repeated(message.side, message.id)
        if self._lost and ordered:
            self._overlapped = self._overlapped or (self._owed > 0 and not self._answers_lost)
            self._owed += replies
            return
        if self._count >= self._limit:
            if not self._drop_oldest:
                raise LimitExceeded(message.protocol, 0, f"more than {self._limit} requests are pending")
            self._drop()
        entry = _Entry(message, replies, self.origin or message, self._losses)
        if message.id is None or ordered:
            queue = self._in_order[message.side]
            self._overlapped = self._overlapped or bool(queue)
        else:
            queue = self._by_id[message.side].setdefault(message.id, deque())
        queue.append(entry)
        self._count += 1

    def _is_repeated(self, side: Side, id: int) -> bool:
        """Whether this side gives one request after the other the same id. The one before it is then in order, too."""
        last = self._last_id[side]
        self._last_id[side] = id
        if id != last:
            return False
        self._repeats[side] = True
        for entry in self._by_id[side].pop(id, ()):
            if entry.losses == self._losses:
                self._in_order[side].append(entry)
            else:
                self._count -= 1  # its response may have been lost, or come: who answers what is not known
                self._owed += entry.replies
                self._lost = self._answers_lost = True
        return True

    def settle(self, response: Message) -> Message | None:
        """The request that `response` answers: by its id, else the asking side's oldest. None where none is known."""
        asking = response.side.other
        found = None if response.id is None else self._by_id[asking].get(response.id)
        if found is not None:
            queue = found
        elif response.id is None or self._repeats[asking]:
            if self._lost:
                self._owed = max(self._owed - 1, 0)
                return None
            if self._given_up[asking]:
                self._given_up[asking] -= 1
                return None
            queue = self._in_order[asking]
        else:
            return None
        if not queue or queue[0].message.id != response.id:
            return None
        entry = queue[0]
        entry.replies -= 1
        if entry.replies == 0:
            self._remove(asking, queue, entry)
        self._settled = entry
        return entry.message

    def first(self, asking: Side) -> Message | None:
        """The request without an id that `asking` is answered next; None where there is none or it is not known."""
        queue = self._in_order[asking]
        return queue[0].message if queue and not self._given_up[asking] else None

    def asked(self, request: Message) -> Message:
        """What the caller handed to `send`, where `request`, just settled or next to be, is that with edits."""
        settled = self._settled
        if settled is not None and settled.message is request:
            return settled.origin
        heads = (queue[0] for queue in self._in_order.values() if queue)
        return next((entry.origin for entry in heads if entry.message is request), request)

    def is_next(self, request: Message) -> bool:
        """False if answering `request` now would answer another: one is answered in order, and waits before it.

        That is also so where `request` itself no longer waits, because it has been answered or forgotten.
        """
        if request.id is not None and not (self._repeats[request.side] and self._waits_in_order(request)):
            return True
        queue = self._in_order[request.side]
        return not queue or queue[0].message is request or queue[0].origin is request

    def _waits_in_order(self, request: Message) -> bool:
        return any(entry.message is request or entry.origin is request for entry in self._in_order[request.side])

    def expect(self, asking: Side, replies: int) -> None:
        """Set how many responses `first(asking)` still waits for, the one in hand included."""
        self._in_order[asking][0].replies = replies

    def _drop(self) -> None:
        """Give up the oldest request. Those behind it keep their places in the order."""
        for request in self:
            queue = self._in_order[request.side]
            if queue and queue[0].message is request:
                self._given_up[request.side] += queue[0].replies
            self.close(request)
            self.dropped += 1
            return

    def close(self, request: Message) -> bool:
        """Wait no longer for `request`; False if it was not pending. Takes time in the number of pending requests."""
        side = request.side
        queues = [self._in_order[side]]
        if request.id is not None and request.id in self._by_id[side]:
            queues.append(self._by_id[side][request.id])
        for queue in queues:
            for entry in queue:
                if entry.message is request or entry.origin is request:
                    self._remove(side, queue, entry)
                    return True
        return False

    def _remove(self, side: Side, queue: deque[_Entry], entry: _Entry) -> None:
        if queue[0] is entry:
            queue.popleft()
        else:
            queue.remove(entry)
        self._count -= 1
        if not queue and queue is not self._in_order[side] and entry.message.id is not None:
            del self._by_id[side][entry.message.id]

    # Order says who is answered only while every message is seen. After a gap or an error it does not, and pairing by
    # order stops until nothing can be in flight any more. That is certain when as many responses have come as can have
    # been owed. A client that has never had two requests in flight is also taken to have none when it sends the next
    # one, unless responses are owed and none can be missing.

    @property
    def in_order(self) -> bool:
        """False after a gap or an error, until nothing can be in flight any more."""
        return not self._lost

    def lose_order(self, side: Side) -> None:
        """Bytes of `side` are missing: give up what waits in order, and stop pairing so."""
        for asking, queue in self._in_order.items():
            self._owed += self._given_up[asking] + sum(entry.replies for entry in queue)
            self._given_up[asking] = 0
            self._count -= len(queue)
            queue.clear()
        self._lost = True
        self._losses += 1
        if side is Side.SERVER:
            self._answers_lost = True
        else:  # who asks in order is the client
            self._owed_known = False

    def find_order(self, asks: bool) -> None:
        """Both sides stand at a boundary and a message is at hand: take up pairing by order if that is safe again."""
        if not self._lost:
            return
        answered = self._owed == 0
        serial = asks and not self._overlapped and (answered or self._answers_lost)
        if serial or (answered and self._owed_known):
            self._lost = self._answers_lost = False
            self._owed = 0
            self._owed_known = True

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Message]:
        for side in Side:
            for entry in self._in_order[side]:
                yield entry.message
            for queue in self._by_id[side].values():
                for entry in queue:
                    yield entry.message
