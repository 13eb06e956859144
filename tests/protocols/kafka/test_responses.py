"""The laws, for responses whose request was seen: `tests/test_laws.py` reads each side alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from l7codec import Conversation, Message, encode, strategies
from l7codec.protocols import kafka
from l7codec.strategies import kafka as drawn
from tests import laws
from tests.protocols.kafka.test_bodies import EVERY

VERSIONS = sorted({(key, version) for key, _, version in EVERY if (key, version) != (17, 0)})


def asked(key: int, version: int) -> Conversation:
    conversation = Conversation("kafka")
    list(conversation.client.receive_data(kafka.request(key, {"acks": 1} if key == 0 else {}, version=version).raw))
    return conversation


def heard(key: int, version: int, data: bytes) -> list[Message]:
    return list(asked(key, version).server.receive_data(data))


@settings(max_examples=100)
@given(st.sampled_from(VERSIONS), st.data())
def test_round_trip(which: tuple[int, int], data: st.DataObject) -> None:
    key, version = which
    body = data.draw(drawn.bodies(key, version, True))
    response = kafka.response(key, body, version=version)
    (again,) = heard(key, version, response.raw)
    if key != 18:  # which may be taken for the fallback
        assert again == response
        assert laws.plain(again.body) == laws.plain(body)
    assert encode(again) == response.raw
    other = data.draw(drawn.bodies(key, version, True))
    if key != 18:
        (edited,) = heard(key, version, encode(again, {"body": other}))
        assert laws.plain(edited.body) == laws.plain(other)


@settings(max_examples=100)
@given(st.sampled_from(VERSIONS), st.data())
def test_total(which: tuple[int, int], data: st.DataObject) -> None:
    """Whatever its bytes, a response is delivered and can be used in every way."""
    key, version = which
    good = kafka.response(key, data.draw(drawn.bodies(key, version, True)), version=version).raw
    changed = good[:8] + data.draw(strategies.mutations(good[8:]))
    changed = (len(changed) - 4).to_bytes(4, "big") + changed[4:]
    (message,) = heard(key, version, changed)
    laws.sound(kafka.KafkaCodec, message)
