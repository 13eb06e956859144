"""Detection: what the first bytes of both sides say, and what a port does not prove."""

from __future__ import annotations

import pytest

import l7codec
from l7codec import Detector, Side, detect
from l7codec.codec import NO, Answer, Confidence, Verdict
from tests.toys import AwesomeRPC, Parley, Tally, request

AWESOME = AwesomeRPC.message(b"orders", kind=0, id=1, service=6).raw
TALLY = Tally.message(b"hello", flag=1).raw


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l7codec.registry, "_codecs", dict(l7codec.registry._codecs))


class Fixed(Parley):
    """Says what it is told to."""

    said: dict[Side, Verdict] = {}

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        return cls.said[side]


def fixed(name: str, client: Verdict, server: Verdict = NO, ports: tuple[int, ...] = ()) -> str:
    said = {Side.CLIENT: client, Side.SERVER: server}
    l7codec.register(type(name, (Fixed,), {"name": name, "said": said, "ports": ports}))
    return name


def yes(confidence: Confidence) -> Verdict:
    return Verdict(Answer.YES, confidence)


MORE = Verdict(Answer.MORE)


def test_magic_is_enough() -> None:
    assert detect(request("get").raw) == "parley"
    assert detect(request("get").raw, side=Side.SERVER) == "parley"
    assert detect(memoryview(b"PRLY")) == "parley"


def test_the_beginning_of_magic_needs_more() -> None:
    assert detect(b"PRL", protocols=["parley"]) == "need more"
    assert detect(b"PRX", protocols=["parley"]) is None


def test_no_bytes_say_nothing() -> None:
    assert detect(b"") == "need more"
    detector = Detector()
    assert detector.receive_data(Side.CLIENT, b"") == "need more"
    assert detector.receive_data(Side.CLIENT, request("get").raw) == "parley"


def test_a_declared_codec_is_detected_by_its_constants() -> None:
    assert detect(AWESOME, protocols=["awesome", "parley"]) == "awesome"
    assert detect(AWESOME[:5], protocols=["awesome"]) == "need more"
    assert detect(b"AW\x09" + AWESOME[3:], protocols=["awesome"]) is None  # no such kind


def test_what_almost_anything_fits_is_believed_only_on_its_port() -> None:
    assert detect(TALLY, protocols=["tally"]) is None
    assert detect(TALLY, protocols=["tally"], port=9999) is None
    assert detect(TALLY, protocols=["tally"], port=7070) == "tally"


def test_a_port_proves_nothing() -> None:
    assert detect(request("get").raw, port=7070) == "parley"


def test_bytes_may_come_in_pieces() -> None:
    detector = Detector(protocols=["parley", "awesome"])
    data = request("get").raw
    results = [detector.receive_data(Side.CLIENT, data[index : index + 1]) for index in range(4)]
    assert results == ["need more"] * 3 + ["parley"]
    assert detector.receive_data(Side.CLIENT, b"anything") == "parley"  # not looked at any more


def test_a_length_that_fits_waits_for_the_other_side() -> None:
    name = fixed("lengthy", yes(Confidence.LENGTH), yes(Confidence.LENGTH))
    detector = Detector(protocols=[name])
    assert detector.receive_data(Side.CLIENT, b"x") == "need more"
    assert detector.tentative == name
    assert not detector.undecided
    assert detector.receive_data(Side.SERVER, b"y") == name


def test_a_length_that_fits_is_taken_where_nothing_more_comes() -> None:
    name = fixed("lengthy", yes(Confidence.LENGTH))
    assert detect(b"x", protocols=[name]) == name
    detector = Detector(protocols=[name])
    detector.receive_data(Side.CLIENT, b"x")
    assert detector.receive_eof() == name


@pytest.mark.parametrize("first", list(Side))
def test_one_sides_no_is_enough(first: Side) -> None:
    """Whatever the other's bytes may become."""
    name = fixed("torn", *((NO, MORE) if first is Side.CLIENT else (MORE, NO)))
    detector = Detector(protocols=[name])
    detector.receive_data(first.other, b"x")
    assert detector.receive_data(first, b"y") is None


def test_the_less_likely_by_chance_wins() -> None:
    names = [fixed("guess", yes(Confidence.TEXT)), fixed("sure", yes(Confidence.MAGIC)), fixed("denies", NO)]
    assert detect(b"x", protocols=names) == "sure"


def test_of_equals_the_one_the_port_suggests_wins() -> None:
    names = [fixed("one", yes(Confidence.TEXT), ports=(1,)), fixed("two", yes(Confidence.TEXT), ports=(2,))]
    assert detect(b"x", protocols=names, port=1) == "one"
    assert detect(b"x", protocols=names, port=2) == "two"


def test_patience_has_an_end() -> None:
    name = fixed("never", MORE)
    detector = Detector(protocols=[name])
    assert detector.receive_data(Side.CLIENT, bytes(4095)) == "need more"
    assert detector.receive_data(Side.CLIENT, bytes(1)) is None
    assert Detector(protocols=[name]).receive_eof() is None


def test_prefaces_can_be_left_out() -> None:
    name = fixed("before", yes(Confidence.MAGIC))
    l7codec.registry.codec_class(name).is_preface = True
    assert Detector(protocols=[name]).receive_data(Side.CLIENT, b"x") == name
    assert Detector(protocols=[name], prefaces=False).receive_data(Side.CLIENT, b"x") is None
