"""Pending: the requests of one conversation that wait for their responses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy

from .errors import LimitExceeded
from .message import Message, Side

__all__ = ["Pending"]


class _Special:
    """A request that waits for more than one response, or that the caller handed to `send` with edits."""

    __slots__ = ("origin", "replies")

    def __init__(self, replies: int, origin: Message) -> None:
        self.replies = replies
        self.origin = origin


class Pending:
    """Requests that wait for responses, for each asking side by id or in order.

    A client that gives one request after the other the same id, 0 say, does not number them: those are answered in
    order, too. A codec's `pair` opens and settles them. Iterating gives them, each asking side's oldest first.
    """

    # Nearly every request waits for one response: it stands in its queue as it is. What else is to be known of a few
    # is in `_special`, by the message's `id()`, which is its own as long as it stands in a queue.

    def __init__(self, limit: int, drop_oldest: bool = False) -> None:
        self._limit = limit
        self._drop_oldest = drop_oldest
        self._in_order: dict[Side, deque[Message]] = {side: deque() for side in Side}
        self._by_id: dict[Side, dict[int, Message | deque[Message]]] = {side: {} for side in Side}
        self._special: dict[int, _Special] = {}
        self._last_id: dict[Side, int | None] = dict.fromkeys(Side)
        self._same_id: dict[Side, int | None] = dict.fromkeys(Side)  # this side has used it twice in a row
        self._unsure: set[tuple[Side, int]] = set()  # in use when bytes were lost: perhaps answered since
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
        self._settled: tuple[Message, Message] | None = None  # the last one that had an origin, and that

    def open(self, message: Message, replies: int = 1) -> None:
        """Wait for `replies` responses to `message`; 0: it has none.

        Raises LimitExceeded when too many are pending, or drops the oldest where that was asked for.
        """
        if replies <= 0:
            return
        number = message.id
        numbered = number is not None and not self._is_same(message.side, number)
        if self._lost and not numbered:
            self._overlapped = self._overlapped or (self._owed > 0 and not self._answers_lost)
            self._owed += replies
            return
        if self._count >= self._limit:
            if not self._drop_oldest:
                raise LimitExceeded(message.protocol, 0, f"more than {self._limit} requests are pending")
            self._drop()
        if replies > 1 or self.origin is not None:
            origin = self.origin or message
            if id(message) in self._special:  # the same object was sent before, and still waits
                message = copy(message)
            self._special[id(message)] = _Special(replies, origin)
        if number is None:
            queue = self._in_order[message.side]
            if queue:
                self._overlapped = True
            queue.append(message)
        else:
            known = self._by_id[message.side]
            others = known.get(number)
            if others is not None and not numbered:
                self._overlapped = True
            if others is None:
                known[number] = message
            elif isinstance(others, Message):  # the same id is in use already
                known[number] = deque((others, message))
            else:
                others.append(message)
        self._count += 1

    def _is_same(self, side: Side, number: int) -> bool:
        """Whether this side gives one request after the other this id."""
        last = self._last_id[side]
        self._last_id[side] = number
        if number == self._same_id[side]:
            return True
        if number != last:
            return False
        self._same_id[side] = number
        if (side, number) in self._unsure:  # who answers what is not known any more
            self._give_up(side, number)
            self._lost = self._answers_lost = True
        return True

    def settle(self, response: Message) -> Message | None:
        """The request that `response` answers: by its id, else the asking side's oldest. None where none is known."""
        asking = response.side.other
        number = response.id
        if number is None or number == self._same_id[asking]:
            if self._lost:
                self._owed = max(self._owed - 1, 0)
                return None
            if self._given_up[asking]:
                self._given_up[asking] -= 1
                return None
            queue = self._among(asking, number)
            if not queue:
                return None
            request = queue[0]
        else:
            found = self._by_id[asking].get(number)
            if found is None:
                return None
            request = found if isinstance(found, Message) else found[0]
        if self._special and (special := self._special.get(id(request))) is not None:
            self._settled = (request, special.origin)
            special.replies -= 1
            if special.replies > 0:
                return request
        self._remove(request)
        return request

    def open_all(self, side: Side, requests: Sequence[Message]) -> bool:
        """`open` each of them, which have no ids; False, and nothing done, where that takes a closer look."""
        if self._lost:
            if not self.adrift:
                return False
            self._owed += len(requests)
            return True
        if self.origin is not None or self._count + len(requests) > self._limit:
            return False
        queue = self._in_order[side]
        if queue or len(requests) > 1:
            self._overlapped = True
        queue.extend(requests)
        self._count += len(requests)
        return True

    def settle_all(self, side: Side, responses: Sequence[Message]) -> bool:
        """`settle` each of `side`'s responses, which have no ids, and set the requests they answer; False as above."""
        if self._lost:
            if not self.adrift:
                return False
            self._owed = max(self._owed - len(responses), 0)
            return True
        asking = _OTHER[side]
        queue = self._in_order[asking]
        if self._special or len(queue) < len(responses) or self._given_up[asking]:
            return False
        answered = queue.popleft
        for response in responses:
            response.request = answered()
        self._count -= len(responses)
        return True

    def first(self, asking: Side) -> Message | None:
        """The request without an id that `asking` is answered next; None where there is none or it is not known."""
        queue = self._in_order[asking]
        return queue[0] if queue and not self._given_up[asking] else None

    def find(self, asking: Side, id: int) -> Message | None:
        """The request with this id that `asking` is answered next; None where none waits, or it is not known."""
        if id == self._same_id[asking] and self._given_up[asking]:  # the answer is to one that was dropped
            return None
        waiting = self._among(asking, id)
        return waiting[0] if waiting else None

    def asked(self, request: Message) -> Message:
        """What the caller handed to `send`, where `request`, just settled or next to be, is that with edits."""
        settled = self._settled
        if settled is not None and settled[0] is request:
            return settled[1]
        special = self._special.get(id(request))
        return request if special is None else special.origin

    def is_next(self, request: Message) -> bool:
        """False if answering `request` now would answer another: one is answered in order, and waits before it.

        That is also so where `request` itself no longer waits, because it has been answered or forgotten.
        """
        number = request.id
        if number is not None and number != self._same_id[request.side]:
            return True
        queue = self._among(request.side, number)
        return not queue or self._is(queue[0], request)

    def expect(self, asking: Side, replies: int) -> None:
        """Set how many responses `first(asking)` still waits for, the one in hand included."""
        request = self._in_order[asking][0]
        special = self._special.get(id(request))
        if special is not None:
            special.replies = replies
        elif replies != 1:
            self._special[id(request)] = _Special(replies, request)

    def _is(self, waiting: Message, request: Message) -> bool:
        """Whether one that waits is `request`, or is that with edits."""
        special = self._special.get(id(waiting))
        return waiting is request or (special is not None and special.origin is request)

    def _replies(self, waiting: Message) -> int:
        special = self._special.get(id(waiting))
        return 1 if special is None else special.replies

    def _drop(self) -> None:
        """Give up the oldest request. Those behind it keep their places in the order."""
        for request in self:
            if request.id is None or request.id == self._same_id[request.side]:
                self._given_up[request.side] += self._replies(request)
            self._remove(request)
            self.dropped += 1
            return

    def close(self, request: Message) -> bool:
        """Wait no longer for `request`; False if it was not pending. Takes time in the number of pending requests."""
        for waiting in self._among(request.side, request.id):
            if self._is(waiting, request):
                self._remove(waiting)
                return True
        return False

    def _among(self, side: Side, number: int | None) -> Sequence[Message]:
        """Those of a side that wait with this id, or in order."""
        if number is None:
            return self._in_order[side]
        found = self._by_id[side].get(number, ())
        return (found,) if isinstance(found, Message) else found

    def _give_up(self, side: Side, number: int) -> None:
        """Wait no longer for those of this id; their responses are owed."""
        for request in tuple(self._among(side, number)):
            self._owed += self._replies(request)
            self._remove(request)

    def _remove(self, waiting: Message) -> None:
        number = waiting.id
        if number is None:
            _take(self._in_order[waiting.side], waiting)
        else:
            known = self._by_id[waiting.side]
            queue = known[number]
            if isinstance(queue, Message):
                del known[number]
            else:
                _take(queue, waiting)
                if not queue:
                    del known[number]
            if self._unsure and number not in known:
                self._unsure.discard((waiting.side, number))
        self._count -= 1
        if self._special:
            self._special.pop(id(waiting), None)

    # Order says who is answered only while every message is seen. After a gap or an error it does not, and pairing by
    # order stops until nothing can be in flight any more. That is certain when as many responses have come as can have
    # been owed. A client that has never had two requests in flight is also taken to have none when it sends the next
    # one, unless responses are owed and none can be missing.

    @property
    def in_order(self) -> bool:
        """False after a gap or an error, until nothing can be in flight any more."""
        return not self._lost

    @property
    def adrift(self) -> bool:
        """Order is lost, and `find_order` never finds it: what is owed, to a client that pipelines, is not known."""
        return self._lost and self._overlapped and not self._owed_known

    def lose_order(self, side: Side) -> None:
        """Bytes of `side` are missing: give up what waits in order, and stop pairing so."""
        for asking, queue in self._in_order.items():
            self._owed += self._given_up[asking] + sum(map(self._replies, queue))
            self._given_up[asking] = 0
            self._count -= len(queue)
            for request in queue:
                self._special.pop(id(request), None)
            queue.clear()
            same = self._same_id[asking]
            if same is not None:
                self._give_up(asking, same)
        self._unsure = {(asking, number) for asking, known in self._by_id.items() for number in known}
        self._lost = True
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
            yield from self._in_order[side]
            for found in self._by_id[side].values():
                yield from (found,) if isinstance(found, Message) else found


def _take(queue: deque[Message], waiting: Message) -> None:
    """Take one out of its queue: nearly always the first."""
    if queue[0] is waiting:
        queue.popleft()
    else:  # not `remove`, for which equal messages are the same
        del queue[next(index for index, other in enumerate(queue) if other is waiting)]


_OTHER = {side: side.other for side in Side}
