"""Names to codecs: the library's own, those an installed package brings, those a program registers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from . import message as _message
from .codec import Codec
from .errors import LocalProtocolError, UnknownProtocol
from .limits import Limits
from .message import NO_EDITS, Edits, Message

__all__ = ["ENTRY_POINT_GROUP", "codec_class", "codecs", "create", "encode", "protocol_names", "register"]

ENTRY_POINT_GROUP = "l7codec.codecs"
"""A package brings a codec by an entry point of this group: `awesome = "awesome_rpc.codec:AwesomeRPC"`."""

_BUILTIN: Mapping[str, str] = {
    "dubbo": "l7codec.protocols.dubbo:DubboCodec",
    "kafka": "l7codec.protocols.kafka:KafkaCodec",
    "proxy": "l7codec.protocols.proxy_protocol:ProxyCodec",
    "quic": "l7codec.protocols.quic:QuicCodec",
    "redis": "l7codec.protocols.redis:RedisCodec",
    "thrift": "l7codec.protocols.thrift:ThriftCodec",
}

_codecs: dict[str, type[Codec]] = {}
_broken: dict[str, str] = {}  # entry points that could not be loaded, and why
_unreadable: list[str] = []  # packages whose entry points could not be read, and why
_entry_points_read = False


def register(codec: type[Codec]) -> type[Codec]:
    """Make a codec known by its `name`, in place of one known before; returns it, so it serves as a decorator."""
    _codecs[codec.name] = codec
    return codec


def codec_class(name: str) -> type[Codec]:
    """The codec of this name. Raises UnknownProtocol.

    Installed packages are asked only when the name is not known here: reading their metadata takes some 30 ms.
    """
    found = _codecs.get(name)
    if found is None:
        if name in _BUILTIN:
            return register(_load(_BUILTIN[name]))
        _read_entry_points()
        found = _codecs.get(name)
    if found is None:
        if name in _broken:
            raise UnknownProtocol(f"no codec is named {name!r}: {_broken[name]}")
        import difflib  # 1.5 ms, for this message alone

        near = difflib.get_close_matches(name, protocol_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(protocol_names())}"
        unread = f" (entry points that cannot be read: {'; '.join(_unreadable)})" if _unreadable else ""
        raise UnknownProtocol(f"no codec is named {name!r}; {hint}{unread}")
    return found


def create(codec: str | type[Codec] | Codec, limits: Limits | None = None) -> Codec:
    """A codec for one connection, from a name, from a class (which is registered thereby), or the codec given."""
    if isinstance(codec, Codec):
        if limits is not None:
            raise ValueError("limits belong to the codec: give them when you make it")
        _known(type(codec))
        return codec
    if isinstance(codec, str):
        return codec_class(codec)(limits=limits)
    _known(codec)
    return codec(limits=limits)


def protocol_names() -> list[str]:
    """The names of all codecs there are, sorted."""
    _read_entry_points()
    return sorted(_BUILTIN.keys() | _codecs.keys())


def codecs() -> list[type[Codec]]:
    """All codecs there are, by name."""
    return [codec_class(name) for name in protocol_names()]


def encode(message: Message, edits: Edits = NO_EDITS) -> bytes:
    """The message's bytes: the very ones received, but for what `edits` name. None removes.

    Raises LocalProtocolError for an edit that the protocol cannot make and for a message that lacks bytes.
    """
    return codec_class(message.protocol).encode(message, edits)


def _read_body(message: Message) -> Any:
    return codec_class(message.protocol).body(message)


_message._read_body = _read_body


def _known(codec: type[Codec]) -> None:
    """A message's body is found by name: that the name leads elsewhere must not go unnoticed."""
    if codec.name not in _codecs:
        if codec.name in _BUILTIN:
            codec_class(codec.name)
        else:
            register(codec)
    if _codecs[codec.name] is not codec:
        owner = _codecs[codec.name].__qualname__
        raise LocalProtocolError(codec.name, 0, f"the name belongs to {owner}; register {codec.__qualname__} first")


def _load(reference: str) -> type[Codec]:
    module, _, name = reference.partition(":")
    loaded: type[Codec] = getattr(importlib.import_module(module), name)
    return loaded


def _read_entry_points() -> None:
    global _entry_points_read  # noqa: PLW0603  read once in a process
    if _entry_points_read:
        return
    from importlib.metadata import distributions

    _entry_points_read = True
    for distribution in distributions():  # another package's fault must not take ours down; asking for its codec tells
        try:
            points = distribution.entry_points.select(group=ENTRY_POINT_GROUP)
        except Exception as error:  # an unreadable package harms nobody; asking for a codec that is not found tells
            _unreadable.append(f"{distribution.name}: {error!r}")
            continue
        for point in points:
            if point.name in _codecs or point.name in _BUILTIN:
                continue
            try:
                _codecs[point.name] = _check(point.name, point.load())
            except Exception as error:  # nor does one whose codec does not load; asking for that codec tells
                _broken[point.name] = f"{point.value} cannot be loaded: {error!r}"


def _check(name: str, loaded: Any) -> type[Codec]:
    if not (isinstance(loaded, type) and issubclass(loaded, Codec)):
        raise TypeError(f"{loaded!r} is not a Codec")
    if loaded.name != name:  # its messages would not find it
        raise ValueError(f"the codec calls itself {loaded.name!r}")
    return loaded
