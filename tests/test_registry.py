"""Names to codecs: the library's, an installed package's, a program's."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import l7codec
from l7codec import Conversation, LocalProtocolError, Side, Stream, protocol_names, register
from l7codec.codec import Codec
from l7codec.errors import UnknownProtocol
from l7codec.registry import codec_class, codecs, create
from tests.toys import Parley, request


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a registry of its own, which has not looked at installed packages yet."""
    registry = l7codec.registry
    monkeypatch.setattr(registry, "_codecs", {"parley": Parley})
    monkeypatch.setattr(registry, "_broken", {})
    monkeypatch.setattr(registry, "_unreadable", [])
    monkeypatch.setattr(registry, "_entry_points_read", False)


class Other(Parley):
    name = "other"


def test_the_librarys_own_are_there() -> None:
    assert set(l7codec.registry._BUILTIN) <= set(protocol_names())
    for name in l7codec.registry._BUILTIN:
        codec = codec_class(name)
        assert codec.name == name
        assert codec in codecs()


def test_names_are_sorted() -> None:
    assert protocol_names() == sorted(protocol_names())


def test_register() -> None:
    assert register(Other) is Other
    assert codec_class("other") is Other
    assert "other" in protocol_names()
    assert isinstance(Stream("other", Side.CLIENT).codec, Other)


def test_a_class_given_to_a_stream_is_known_from_then_on() -> None:
    (message,) = Stream(Other, Side.CLIENT).receive_data(request("get").raw)
    assert message.body == {"method": "get", "arguments": b""}
    assert l7codec.encode(message) == message.raw


def test_a_name_cannot_lead_to_two_codecs() -> None:
    class Impostor(Parley):
        pass

    with pytest.raises(LocalProtocolError, match="belongs to Parley; register .*Impostor first"):
        Stream(Impostor, Side.CLIENT)
    with pytest.raises(LocalProtocolError):
        Conversation(Impostor())
    register(Impostor)
    assert isinstance(create("parley"), Impostor)


def test_a_name_nobody_has() -> None:
    with pytest.raises(UnknownProtocol, match="did you mean 'parley'"):
        codec_class("parly")
    with pytest.raises(UnknownProtocol, match="known are"):
        codec_class("zzzzzzzz")
    with pytest.raises(LookupError):
        Stream("zzzzzzzz", Side.CLIENT)


# -- installed packages -----------------------------------------------------------------------------------------------

GOOD = """
from l7codec.codec import NO, Codec
from l7codec.message import Kind, Message

class Bare(Codec):
    def decode(self, side, buffer):
        return Message(self.name, Kind.ONEWAY, side, {}, buffer.take(1))

    @classmethod
    def body(cls, message):
        return message.raw

    @classmethod
    def sniff(cls, data, side):
        return NO

class Awesome(Bare):
    name = "installed"

class Outer:
    class Inner(Bare):
        name = "nested"

class Misnamed(Bare):
    name = "somebody-else"

class Redis(Bare):
    name = "redis"

not_a_codec = 7
"""

POINTS = """
[l7codec.codecs]
installed = made_up_codec:Awesome
nested = made_up_codec:Outer.Inner [some-extra]
misnamed = made_up_codec:Misnamed
not_a_codec = made_up_codec:not_a_codec
no_such_name = made_up_codec:Missing
no_such_module = made_up_codec_that_is_not_there:Codec
raises = made_up_codec_that_raises:Codec
redis = made_up_codec:Redis

[another.group]
elsewhere = made_up_codec:Awesome
"""


def install(site: Path, name: str, points: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of installed packages, one of them with codecs good and bad."""
    (tmp_path / "made_up_codec.py").write_text(GOOD)
    (tmp_path / "made_up_codec_that_raises.py").write_text("raise RuntimeError('out of order')\n")
    install(tmp_path, "made-up", POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


def test_an_installed_codec_is_found_by_its_entry_point(site: Path) -> None:
    for name in ("installed", "nested"):
        assert name in protocol_names()
        (message,) = Stream(name, Side.CLIENT).receive_data(b"x")
        assert message.protocol == name
        assert message.body == b"x"
    assert "elsewhere" not in protocol_names()


def test_packages_are_looked_at_only_when_a_name_is_not_known(site: Path) -> None:
    for name in l7codec.registry._BUILTIN:
        codec_class(name)
    codec_class("parley")
    assert not l7codec.registry._entry_points_read
    codec_class("installed")
    assert l7codec.registry._entry_points_read


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("misnamed", "calls itself 'somebody-else'"),
        ("not_a_codec", "7 is not a Codec"),
        ("no_such_name", "has no attribute 'Missing'"),
        ("no_such_module", "made_up_codec_that_is_not_there"),
        ("raises", "out of order"),
    ],
)
def test_a_broken_one_is_told_of_when_it_is_asked_for_and_harms_nobody(site: Path, name: str, why: str) -> None:
    assert name not in protocol_names()
    assert "installed" in protocol_names()
    with pytest.raises(UnknownProtocol, match=why):
        codec_class(name)


def test_a_package_cannot_take_the_place_of_our_own(site: Path) -> None:
    protocol_names()
    if "redis" in l7codec.registry._BUILTIN:
        assert codec_class("redis").__module__.startswith("l7codec.protocols.")


def test_a_package_whose_entry_points_cannot_be_read_harms_nobody(site: Path) -> None:
    install(site, "unreadable", "[l7codec.codecs]\nthis line is no entry point\n")
    importlib.invalidate_caches()
    assert "installed" in protocol_names()
    with pytest.raises(UnknownProtocol, match="unreadable"):
        codec_class("zzzzzzzz")


def test_in_a_process_of_its_own(site: Path) -> None:
    """As a user has it: nothing imported, nothing registered."""
    script = "import l7codec; print([m.protocol for m in l7codec.decode('installed', b'xy')], l7codec.protocol_names())"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {script}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['installed', 'installed']")
    assert "'nested'" in done.stdout


def test_codecs_are_classes() -> None:
    found: list[Any] = codecs()
    assert all(isinstance(codec, type) and issubclass(codec, Codec) for codec in found)
