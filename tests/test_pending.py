"""Pending: who is answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec import Kind, LimitExceeded, Message, Side
from l7codec.pending import Pending


def ask(id: int | None = None, side: Side = Side.CLIENT) -> Message:
    return Message("toy", Kind.REQUEST, side, {}, b"?", id)


def answer(id: int | None = None, side: Side = Side.SERVER) -> Message:
    return Message("toy", Kind.RESPONSE, side, {}, b"!", id)


def opened(*requests: Message, limit: int = 100, drop_oldest: bool = False) -> Pending:
    pending = Pending(limit, drop_oldest)
    for request in requests:
        pending.open(request)
    return pending


def test_in_order() -> None:
    first, second = ask(), ask()
    pending = opened(first, second)
    assert [*pending] == [first, second]
    assert pending.first(Side.CLIENT) is first
    assert pending.settle(answer()) is first
    assert pending.settle(answer()) is second
    assert pending.settle(answer()) is None
    assert pending.first(Side.CLIENT) is None
    assert len(pending) == 0


def test_by_id_in_any_order() -> None:
    requests = [ask(id) for id in (3, 1, 2)]
    pending = opened(*requests)
    assert pending.settle(answer(2)) is requests[2]
    assert pending.settle(answer(7)) is None
    assert pending.settle(answer(3)) is requests[0]
    assert pending.settle(answer(3)) is None
    assert [*pending] == [requests[1]]


def test_an_id_in_use_twice_is_answered_oldest_first() -> None:
    first, second = ask(1), ask(1)
    pending = opened(first, second)
    assert pending.settle(answer(1)) is first
    assert pending.settle(answer(1)) is second


def test_each_side_asks_and_is_answered_by_the_other() -> None:
    client, server = ask(5), ask(5, Side.SERVER)
    pending = opened(client, server)
    assert pending.settle(answer(5, Side.CLIENT)) is server
    assert pending.settle(answer(5, Side.SERVER)) is client


def test_several_responses_or_none() -> None:
    many, none, one = ask(), ask(), ask()
    pending = Pending(10)
    pending.open(many, 3)
    pending.open(none, 0)
    pending.open(one)
    assert [pending.settle(answer()) for _ in range(4)] == [many, many, many, one]


def test_how_many_responses_may_turn_out_later() -> None:
    first, second = ask(), ask()
    pending = opened(first, second)
    pending.expect(Side.CLIENT, 2)
    assert pending.settle(answer()) is first
    assert pending.settle(answer()) is first
    assert pending.settle(answer()) is second


def test_a_live_one_refuses_too_many() -> None:
    pending = opened(ask(), ask(1), limit=2)
    with pytest.raises(LimitExceeded, match="more than 2 requests"):
        pending.open(ask())
    assert len(pending) == 2
    assert pending.dropped == 0


def test_a_capture_drops_the_oldest_and_never_pairs_wrongly_for_it() -> None:
    requests = [ask() for _ in range(5)]
    pending = opened(*requests, limit=3, drop_oldest=True)
    assert [*pending] == requests[2:]
    assert pending.dropped == 2
    assert pending.first(Side.CLIENT) is None  # who is answered next was dropped
    assert [pending.settle(answer()) for _ in range(5)] == [None, None, *requests[2:]]


def test_a_dropped_request_owes_all_its_responses() -> None:
    pending = Pending(1, drop_oldest=True)
    pending.open(ask(), 2)
    last = ask()
    pending.open(last)
    assert [pending.settle(answer()) for _ in range(3)] == [None, None, last]


def test_a_capture_drops_the_oldest_by_id() -> None:
    requests = [ask(id) for id in range(5)]
    pending = opened(*requests, limit=3, drop_oldest=True)
    assert pending.settle(answer(0)) is None
    assert pending.settle(answer(4)) is requests[4]
    assert pending.dropped == 2


def test_a_limit_of_nothing() -> None:
    pending = opened(ask(), ask(), limit=0, drop_oldest=True)
    assert pending.dropped == 1
    with pytest.raises(LimitExceeded):
        opened(ask(), limit=0)


def test_close() -> None:
    first, second = ask(), ask()
    by_id = ask(9)
    pending = opened(first, second, by_id)
    assert pending.close(second)
    assert not pending.close(second)
    assert pending.close(by_id)
    assert not pending.close(by_id)
    assert [*pending] == [first]
    assert pending.settle(answer(9)) is None


def test_equal_requests_are_not_the_same() -> None:
    first, second = ask(), ask()
    assert first == second
    pending = opened(first, second)
    assert pending.close(second)
    assert pending.settle(answer()) is first


def test_is_next() -> None:
    first, second = ask(), ask()
    pending = opened(first, second, ask(4))
    assert pending.is_next(first)
    assert not pending.is_next(second)
    pending.settle(answer())
    assert not pending.is_next(first)  # answered: another answer would go to the second
    assert pending.is_next(second)
    assert pending.is_next(ask(77))


# -- after a gap --------------------------------------------------------------------------------------------------


def test_nothing_is_paired_in_order_after_a_gap() -> None:
    pending = opened(ask(), ask())
    pending.lose_order(Side.SERVER)
    assert not pending.in_order
    assert len(pending) == 0
    pending.open(ask())
    assert pending.settle(answer()) is None


def test_ids_outlive_a_gap() -> None:
    request = ask(1)
    pending = opened(request, ask())
    pending.lose_order(Side.CLIENT)
    assert pending.settle(answer(1)) is request


def test_order_comes_back_when_as_many_responses_have_come_as_were_owed() -> None:
    pending = opened(ask(), ask(), ask())
    pending.lose_order(Side.SERVER)
    for _ in range(3):
        assert not pending.in_order
        pending.find_order(asks=False)
        assert pending.settle(answer()) is None
    pending.find_order(asks=False)
    assert pending.in_order
    request = ask()
    pending.open(request)
    assert pending.settle(answer()) is request


def test_what_was_dropped_is_owed_too() -> None:
    pending = opened(ask(), ask(), ask(), limit=1, drop_oldest=True)
    pending.lose_order(Side.SERVER)
    for _ in range(2):
        pending.settle(answer())
        pending.find_order(asks=False)
    assert not pending.in_order
    pending.settle(answer())
    pending.find_order(asks=False)
    assert pending.in_order


def test_requests_may_be_among_what_the_client_lost() -> None:
    pending = opened(ask(), ask())
    pending.lose_order(Side.CLIENT)
    for _ in range(20):
        pending.settle(answer())
        pending.find_order(asks=True)
    assert not pending.in_order  # a client that pipelines may always have more in flight


def test_order_comes_back_with_the_next_request_of_a_client_that_never_pipelined() -> None:
    pending = Pending(10)
    for _ in range(3):
        pending.open(ask())
        pending.settle(answer())
    pending.open(ask())
    pending.lose_order(Side.SERVER)
    pending.find_order(asks=False)
    assert not pending.in_order
    pending.find_order(asks=True)
    assert pending.in_order


def test_a_response_that_is_owed_and_cannot_be_missing_keeps_the_order_lost() -> None:
    pending = Pending(10)
    pending.open(ask())
    pending.lose_order(Side.CLIENT)
    pending.find_order(asks=True)
    assert not pending.in_order  # the first request's response is still to come
    pending.open(ask())  # so this client has two in flight: its next request proves nothing any more
    for _ in range(2):
        pending.settle(answer())
    pending.find_order(asks=True)
    assert not pending.in_order


def test_many_at_once_are_what_they_are_one_by_one() -> None:
    requests, responses = [ask() for _ in range(3)], [answer() for _ in range(3)]
    pending = Pending(100)
    assert pending.open_all(Side.CLIENT, requests)
    assert [*pending] == requests
    assert pending.settle_all(Side.SERVER, responses[:2])
    assert [response.request for response in responses] == [requests[0], requests[1], None]
    assert pending.first(Side.CLIENT) is requests[2]
    assert len(pending) == 1


def test_many_at_once_are_refused_where_each_counts() -> None:
    full = opened(ask(), limit=2)
    assert not full.open_all(Side.CLIENT, [ask(), ask()])
    assert not full.settle_all(Side.SERVER, [answer(), answer()])
    twice = Pending(100)
    twice.open(ask(), 2)
    assert not twice.settle_all(Side.SERVER, [answer()])
    lost = opened(ask())
    lost.lose_order(Side.CLIENT)
    assert not lost.open_all(Side.CLIENT, [ask()])
    assert not lost.settle_all(Side.SERVER, [answer()])
    for pending, count in (full, 1), (twice, 1), (lost, 0):
        assert len(pending) == count


def test_adrift_nothing_is_paired_any_more() -> None:
    pending = opened(ask(), ask())
    pending.lose_order(Side.CLIENT)
    assert pending.adrift
    response = answer()
    assert pending.open_all(Side.CLIENT, [ask()])
    assert pending.settle_all(Side.SERVER, [response])
    assert response.request is None
    for _ in range(5):
        pending.settle_all(Side.SERVER, [answer()])
        pending.find_order(asks=True)
    assert not pending.in_order
    assert len(pending) == 0


def test_the_same_message_may_wait_twice() -> None:
    by_id, subscription = ask(7), ask()
    pending = Pending(100)
    for _ in range(2):
        pending.open(by_id)
        pending.open(subscription, 2)
    assert len(pending) == 4
    for _ in range(2):
        assert pending.settle(answer(7)) is by_id
    assert len(pending) == 2
    for left in (2, 1, 1, 0):
        request = pending.settle(answer())
        assert request is not None
        assert pending.asked(request) is subscription
        assert len(pending) == left


# -- clients that number nothing --------------------------------------------------------------------------------------


def test_requests_of_one_id_are_answered_in_order() -> None:
    pending = Pending(10)
    asked = [ask(0) for _ in range(3)]
    for request in asked:
        pending.open(request)
    assert len(pending) == 3
    assert [pending.is_next(request) for request in asked] == [True, False, False]
    assert pending.close(asked[1])
    answers = [pending.settle(answer(0)) for _ in range(3)]
    assert answers[0] is asked[0]
    assert answers[1] is asked[2]
    assert answers[2] is None
    assert not pending


def test_other_ids_go_on_beside_them() -> None:
    pending = Pending(10)
    first, second, other = ask(0), ask(0), ask(5)
    for request in (first, second, other):
        pending.open(request)
    assert pending.settle(answer(7)) is None
    assert pending.settle(answer(5)) is other
    assert pending.settle(answer(0)) is first
    assert pending.settle(answer(0)) is second


@pytest.mark.parametrize("before", [1, 2])
def test_after_a_gap_one_id_tells_nothing(before: int) -> None:
    """A response was lost: the one that comes next must not be taken for the answer to an earlier request."""
    pending = Pending(10)
    for _ in range(before):
        pending.open(ask(0))
    pending.lose_order(Side.SERVER)
    pending.find_order(True)
    pending.open(ask(0))
    assert pending.settle(answer(0)) is None
    for _ in range(3):  # the client sends one after the other: soon it is certain again
        pending.find_order(True)
        request = ask(0)
        pending.open(request)
        found = pending.settle(answer(0))
    assert (found is request) is (before == 1)


def test_the_oldest_of_one_id_are_dropped() -> None:
    pending = Pending(2, drop_oldest=True)
    asked = [ask(0) for _ in range(3)]
    for request in asked:
        pending.open(request)
    assert pending.dropped == 1
    answers = [pending.settle(answer(0)) for _ in range(3)]
    assert answers[0] is None
    assert answers[1] is asked[1]
    assert answers[2] is asked[2]


# -- against a list -------------------------------------------------------------------------------------------------

IDS = st.sampled_from((None, 0, 0, 1, 2))
STEPS = st.lists(
    st.tuples(st.sampled_from(("open", "open", "settle", "close")), st.sampled_from(Side), IDS), max_size=40
)


def oldest(waiting: list[Message], side: Side, id: int | None) -> Message | None:
    return next((one for one in waiting if one.side is side and one.id == id), None)


def remove(waiting: list[Message], request: Message) -> None:
    waiting[:] = [one for one in waiting if one is not request]


@given(STEPS)
def test_the_oldest_of_an_id_is_answered(steps: list[tuple[str, Side, int | None]]) -> None:
    pending = Pending(100)
    waiting: list[Message] = []
    for step, side, id in steps:
        request = oldest(waiting, side, id)
        if step == "open":
            waiting.append(ask(id, side))
            pending.open(waiting[-1])
        elif step == "settle":
            assert pending.settle(answer(id, side.other)) is request
            if request is not None:
                remove(waiting, request)
        else:
            last = next((one for one in reversed(waiting) if one.side is side and one.id == id), ask(id, side))
            assert pending.close(last) is any(one is last for one in waiting)
            remove(waiting, last)
        assert len(pending) == len(waiting)
        assert {id_of(one) for one in pending} == {id_of(one) for one in waiting}


@given(st.lists(st.sampled_from(("open", "settle")), max_size=40), st.integers(1, 4), st.sampled_from((None, 0)))
def test_what_is_dropped_keeps_its_place(steps: list[str], limit: int, id: int | None) -> None:
    pending = Pending(limit, drop_oldest=True)
    waiting: list[tuple[Message, bool]] = []  # and whether it is kept
    for step in steps:
        if step == "open":
            kept = [place for place, (_, keeps) in enumerate(waiting) if keeps]
            if len(kept) == limit:
                waiting[kept[0]] = waiting[kept[0]][0], False
            waiting.append((ask(id), True))
            pending.open(waiting[-1][0])
        else:
            request, keeps = waiting.pop(0) if waiting else (None, False)
            assert pending.settle(answer(id)) is (request if keeps else None)
        assert len(pending) == sum(keeps for _, keeps in waiting) <= limit


@given(STEPS, STEPS)
def test_behind_a_loss_nothing_is_paired_in_order(
    before: list[tuple[str, Side, int | None]], after: list[tuple[str, Side, int | None]]
) -> None:
    """And of what has an id, nobody is answered but the oldest of it."""
    pending = Pending(100)
    waiting = []
    for _, side, id in before:
        waiting.append(ask(id, side))
        pending.open(waiting[-1])
    pending.lose_order(Side.SERVER)
    kept = list(pending)
    assert all(one.id is not None and any(one is other for other in waiting) for one in kept)
    for _, side, id in after:
        found = pending.settle(answer(id, side.other))
        assert found is oldest(kept, side, id)
        if found is not None:
            remove(kept, found)
    assert len(pending) == len(kept)


def id_of(message: Message) -> int:
    return id(message)
