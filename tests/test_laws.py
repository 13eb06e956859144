"""The laws of `tests/laws.py` over every codec there is, and the proof that each of them can be broken."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import l7codec
from l7codec import Message, Side, encode, strategies
from l7codec.registry import codec_class
from tests import laws, toys

PROTOCOLS = [*sorted(l7codec.registry._BUILTIN), "parley", "roam", "awesome", "tally"]
STREAMS = [name for name in PROTOCOLS if laws.is_stream(name)]
SPEAKERS = [(name, side) for name in STREAMS for side in strategies.sides(name)]

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
every_stream = pytest.mark.parametrize("protocol", STREAMS)
every_speaker = pytest.mark.parametrize(("protocol", "side"), SPEAKERS)


def bytes_of(protocol: str, side: Side) -> st.SearchStrategy[bytes]:
    """Anything from right to random."""
    good = strategies.streams(protocol, side)
    return st.one_of(good, good.flatmap(strategies.mutations), st.tuples(good, st.binary(max_size=20)).map(b"".join))


def any_bytes(protocol: str, side: Side) -> st.SearchStrategy[bytes]:
    return st.one_of(bytes_of(protocol, side), st.binary(max_size=60))


@every_speaker
@given(data=st.data())
def test_lossless(protocol: str, side: Side, data: st.DataObject) -> None:
    laws.lossless(protocol, side, data.draw(any_bytes(protocol, side).flatmap(strategies.chunks)))


@every_speaker
@given(data=st.data())
def test_chunk_invariant(protocol: str, side: Side, data: st.DataObject) -> None:
    whole = data.draw(any_bytes(protocol, side))
    laws.chunk_invariant(protocol, side, whole, data.draw(strategies.chunks(whole)))


@every_speaker
@given(data=st.data())
def test_valid_streams_are_valid(protocol: str, side: Side, data: st.DataObject) -> None:
    outcome = laws.run(protocol, side, [data.draw(strategies.streams(protocol, side))])
    assert outcome.error is None
    assert outcome.trailing == b""
    assert all(message.error is None for message in outcome.messages)


@st.composite
def speeches(draw: st.DrawFn, protocol: str) -> laws.Spoken:
    """What both sides say, in order: a conversation, or one with a fault in it."""
    spoken = [(message.side, encode(message)) for message in draw(strategies.conversations(protocol))]
    if spoken and draw(st.booleans()):
        place = draw(st.integers(0, len(spoken) - 1))
        side, data = spoken[place]
        spoken[place] = side, draw(strategies.mutations(data))
    return spoken


@every_stream
@given(data=st.data())
def test_chunk_invariant_in_a_conversation(protocol: str, data: st.DataObject) -> None:
    spoken = data.draw(speeches(protocol))
    pieces = [(side, piece) for side, turn in spoken for piece in data.draw(strategies.chunks(turn))]
    laws.conversation_invariant(protocol, spoken, pieces)


def test_resp3_begins_behind_what_is_paired_as_resp2() -> None:
    """The client's error hides what it asked; the map, the first sign of RESP3, comes while the array is undrawn."""
    spoken = [
        (Side.CLIENT, b"\x002\r\n$11\r\nUNSUBSCRIBE\r\n$1\r\na\r\n"),
        (Side.CLIENT, b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"),
        (Side.SERVER, b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"),
        (Side.SERVER, b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"),
    ]
    laws.conversation_invariant("redis", spoken, spoken)


@every_stream
@given(data=st.data())
def test_conversations_are_paired(protocol: str, data: st.DataObject) -> None:
    laws.pairs(protocol, data.draw(strategies.conversations(protocol)))


@every_speaker
@given(data=st.data())
def test_total(protocol: str, side: Side, data: st.DataObject) -> None:
    laws.total(protocol, side, data.draw(any_bytes(protocol, side)))


every_datagram = pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name not in STREAMS])


@every_datagram
@given(data=st.data())
def test_datagrams_round_trip(protocol: str, data: st.DataObject) -> None:
    """A message built from values, the first that an observer sees, says the same values."""
    message, body = data.draw(st.sampled_from(Side).flatmap(lambda side: strategies.values(protocol, side)))
    (again,) = l7codec.Datagrams(protocol).receive_datagram(encode(message), ("here", "there"))
    assert (again.raw, again.kind, again.side, again.id) == (message.raw, message.kind, message.side, message.id)
    assert again.error is None
    assert laws.plain(again.body) == laws.plain(body)


@every_datagram
@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_datagrams_are_bounded(protocol: str, data: st.DataObject) -> None:
    """Whatever comes from wherever, no more is kept than the limits say; and what a length promises takes no memory."""
    codec = codec_class(protocol)(limits=l7codec.Limits(conversations=3))
    observer = l7codec.Datagrams(codec)
    good = encode(data.draw(strategies.messages(protocol)))
    sizes = []
    for turn in range(2):
        for number in range(120):
            path = (number + turn * 1000, "there")
            with contextlib.suppress(l7codec.RemoteProtocolError):
                observer.receive_datagram(good, path)
        sizes.append(held(codec))
    assert sizes[1] <= sizes[0], "what is kept grows with what has come"
    for promise in promises(good):
        tracemalloc.start()
        with contextlib.suppress(l7codec.RemoteProtocolError):
            observer.receive_datagram(promise, ("here", "there"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 150_000 + 200 * len(promise)


def held(root: object) -> int:
    """How many entries the containers of an object have, however deep."""
    seen: set[int] = set()
    todo, count = [root], 0
    while todo:
        value = todo.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | type | None):
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            count += len(value)
            todo += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            count += len(value)
            todo += list(value)
        else:
            todo += [getattr(value, name) for name in getattr(value, "__slots__", ()) if hasattr(value, name)]
            todo += [getattr(value, "__dict__", {})]
    return count


@every_datagram
@given(data=st.data())
def test_total_over_datagrams(protocol: str, data: st.DataObject) -> None:
    codec = codec_class(protocol)
    observer = l7codec.Datagrams(protocol)
    good = strategies.messages(protocol).map(encode)
    datagram = st.one_of(good, good.flatmap(strategies.mutations), st.binary(max_size=40))
    for bytes_, path in data.draw(st.lists(st.tuples(datagram, st.tuples(st.integers(0, 3), st.integers(0, 3))))):
        try:
            messages = observer.receive_datagram(bytes_, path)
        except l7codec.RemoteProtocolError as error:
            assert 0 <= error.offset <= len(bytes_)
            continue
        assert b"".join(map(encode, messages)) == bytes_
        for message in messages:
            laws.sound(codec, message)


@every_speaker
@given(data=st.data())
def test_survives_gaps(protocol: str, side: Side, data: st.DataObject) -> None:
    pieces = data.draw(any_bytes(protocol, side).flatmap(strategies.chunks))
    steps: list[bytes | int | None] = []
    for piece in pieces:
        steps += [piece, *data.draw(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=1))]
    laws.survives_gaps(protocol, side, steps)


@every_stream
@given(data=st.data())
def test_survives_gaps_on_both_sides(protocol: str, data: st.DataObject) -> None:
    steps: list[tuple[Side, bytes | int | None]] = []
    gap = st.one_of(st.none(), st.integers(0, 40))
    for side, turn in data.draw(speeches(protocol)):
        for piece in data.draw(strategies.chunks(turn)):
            steps.append((side, piece))
            if data.draw(st.integers(0, 3)) == 0:
                steps.append((data.draw(st.sampled_from(Side)), data.draw(gap)))
    laws.survives_gaps_on_both_sides(protocol, steps)


@every_speaker
@given(data=st.data())
def test_counts_through_a_hole(protocol: str, side: Side, data: st.DataObject) -> None:
    messages = data.draw(st.lists(strategies.messages(protocol, side), min_size=1, max_size=3))
    extremes = [bytes_ for bytes_ in strategies.extremes(protocol, side, 60) if len(bytes_) < 2000]
    parts = [encode(message) for message in messages] + ([data.draw(st.sampled_from(extremes))] if extremes else [])
    whole = b"".join(parts)
    if laws.run(protocol, side, [whole]).error is not None:  # messages that do not go together on one connection
        whole = parts[0]
    start = data.draw(st.integers(0, len(whole)))
    count = data.draw(st.integers(1, max(len(whole) - start, 1)))
    laws.counts_through(protocol, side, whole, start, count, data.draw(st.sampled_from((1, 7, 1000))))


@pytest.mark.parametrize("protocol", [name for name in STREAMS if not codec_class(name).is_preface])
@given(data=st.data())
def test_chunk_invariant_behind_a_preface(protocol: str, data: st.DataObject) -> None:
    """A PROXY header first, whatever its bytes; what follows begins anywhere in a piece."""
    spoken = data.draw(speeches(protocol))
    header = data.draw(bytes_of("proxy", Side.CLIENT))
    spoken.insert(0, (Side.CLIENT, header))
    pieces = [(side, piece) for side, turn in spoken for piece in data.draw(strategies.chunks(turn))]
    laws.conversation_invariant(protocol, spoken, pieces, preface="proxy")


@every_speaker
@given(data=st.data())
def test_round_trip(protocol: str, side: Side, data: st.DataObject) -> None:
    laws.round_trip(*data.draw(strategies.values(protocol, side)))


@every_speaker
@given(data=st.data())
def test_edits(protocol: str, side: Side, data: st.DataObject) -> None:
    message = data.draw(strategies.messages(protocol, side))
    laws.edited(message, data.draw(strategies.edits(protocol, message)))


@every_speaker
@given(data=st.data())
def test_detection_does_not_depend_on_the_pieces(protocol: str, side: Side, data: st.DataObject) -> None:
    """In whatever pieces the first bytes come: once a codec can tell, it does not change its mind."""
    first = encode(data.draw(strategies.messages(protocol, side)))
    answers = [codec_class(protocol).sniff(first[:end], side).answer for end in range(1, len(first) + 1)]
    told = [answer for answer in answers if answer != "need more"]
    assert answers[len(answers) - len(told) :] == told
    assert len(set(told)) <= 1


def promises(data: bytes) -> list[bytes]:
    """`data` with each place where a length may stand made huge, in binary and in digits."""
    huge = [data[:at] + b"\x7f\xff\xff\xff" + data[at + 4 :] for at in range(len(data) - 3)]
    digits = [data[:at] + b"999999999" + data[at + 1 :] for at in range(len(data)) if data[at : at + 1].isdigit()]
    return huge[:40] + digits[:40]


@every_speaker
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bounded_memory(protocol: str, side: Side, data: st.DataObject) -> None:
    message = encode(data.draw(strategies.messages(protocol, side)))
    for promise in promises(message):
        laws.bounded_memory(protocol, side, promise, laws.split(promise))


@every_speaker
def test_bounded_memory_of_hostile_beginnings(protocol: str, side: Side) -> None:
    for promise in strategies.hostile(protocol, side):
        laws.bounded_memory(protocol, side, promise, laws.split(promise))


@every_speaker
@pytest.mark.parametrize("piece", [1, 7, 1000])
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_linear_in_messages(protocol: str, side: Side, piece: int, data: st.DataObject) -> None:
    one = encode(data.draw(strategies.messages(protocol, side)))
    if not codec_class(protocol).is_preface:
        laws.linear(protocol, side, one * 20, one * 80, piece)


@every_speaker
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_linear_in_one_message(protocol: str, side: Side, piece: int) -> None:
    small = strategies.extremes(protocol, side, 4 * piece + 400)
    large = strategies.extremes(protocol, side, 16 * piece + 1600)
    for one, other in zip(small, large, strict=True):
        laws.linear(protocol, side, one, other, piece)


# -- inert ----------------------------------------------------------------------------------------------------------

INERT = Path(__file__).with_name("inert.py")


@every_protocol
def test_inert(protocol: str) -> None:
    """A process of its own, where I/O, clocks and randomness are watched, uses the codec in every way."""
    samples: list[tuple[str, str]] = []

    @settings(max_examples=15, database=None, suppress_health_check=list(HealthCheck))
    @given(message=strategies.messages(protocol), tail=st.binary(max_size=9))
    def collect(message: Message, tail: bytes) -> None:
        samples.append((str(message.side), (encode(message) + tail).hex()))

    collect()
    module = codec_class(protocol).__module__
    done = subprocess.run(
        [sys.executable, "-W", "error", str(INERT), protocol, module],
        input=json.dumps(samples),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= len(samples)


# -- the laws can be broken -----------------------------------------------------------------------------------------


class Broken(toys.Parley):
    name = "broken"


def breaks(law: Any, *arguments: Any) -> None:
    with pytest.raises((AssertionError, Exception)) as caught:
        law(*arguments)
    assert not isinstance(caught.value, l7codec.L7Error)
