r"""Commands written: an array of bulk strings each.

    *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n

Specification: https://redis.io/docs/latest/develop/reference/protocol-spec/#sending-commands-to-a-redis-server
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ...errors import LocalProtocolError
from .values import octets

__all__ = ["check_command", "octets_of", "pack", "pack_pipeline"]

_SHORT: Final = 1024  # strings shorter than this have their first line ready
_LENGTHS: Final = [b"$%d" % size for size in range(_SHORT)]
_TEXT_LENGTHS: Final = {size: f"${size}" for size in range(_SHORT)}


def pack(args: Iterable[Any]) -> bytes:
    """One command's bytes. Strings are written as UTF-8, numbers as Redis' clients write them."""
    return pack_pipeline((tuple(args),))


def pack_pipeline(requests: Iterable[Sequence[Any]]) -> bytes:
    """The bytes of many commands, each a sequence of arguments.

    Raises LocalProtocolError for an argument that is neither bytes, text nor a number, and for a command without any.
    """
    commands = requests if isinstance(requests, list | tuple) else list(requests)
    if commands and commands[0] and type(commands[0][0]) is str:
        try:
            # Most are text, and ASCII: then characters are bytes, and all of it is encoded in one go.
            joined = _join_text(commands)
        except (TypeError, KeyError):  # bytes or numbers among them, or a long string
            return _join_bytes(commands)
        if joined.isascii():
            return joined.encode()
    return _join_bytes(commands)


def _join_text(commands: Sequence[Sequence[str]]) -> str:
    parts: list[str] = []
    heads: dict[str, str] = {}
    lengths = _TEXT_LENGTHS
    for args in commands:
        count = len(args)
        if count == 3 and type(args) is not str:
            name, key, value = args
            head = heads.get(name)
            if head is None:  # few names, many commands
                head = heads[name] = "\r\n".join(("*3", lengths[len(name)], name))
            parts += (head, lengths[len(key)], key, lengths[len(value)], value)
        else:
            check_command(args)
            parts.append(f"*{count}")
            for arg in args:
                parts += (lengths[len(arg)], arg)
    parts.append("")
    return "\r\n".join(parts)


def _join_bytes(commands: Sequence[Sequence[Any]]) -> bytes:
    parts: list[bytes] = []
    lengths = _LENGTHS
    for args in commands:
        count = len(args)
        if count == 3 and type(args) is tuple:
            name, key, value = args
            if type(name) is type(key) is type(value) is bytes:
                name_size, key_size, size = len(name), len(key), len(value)
                if name_size < _SHORT and key_size < _SHORT and size < _SHORT:
                    parts += (b"*3", lengths[name_size], name, lengths[key_size], key, lengths[size], value)
                    continue
        check_command(args)
        parts.append(b"*%d" % count)
        for arg in args:
            data = arg if type(arg) is bytes else octets_of(arg)
            size = len(data)
            parts += (lengths[size] if size < _SHORT else b"$%d" % size, data)
    parts.append(b"")
    return b"\r\n".join(parts)


def check_command(args: Sequence[Any]) -> None:
    """Raise LocalProtocolError for what is no sequence of at least one argument."""
    if not args or isinstance(args, str | bytes):
        raise LocalProtocolError("redis", 0, f"{args!r} is no sequence of arguments")


def octets_of(arg: Any) -> bytes:
    """An argument's bytes. Raises LocalProtocolError for what is neither bytes, text nor a number."""
    if type(arg) is str:
        return arg.encode("utf-8", "surrogateescape")
    if type(arg) is int:
        return b"%d" % arg
    if isinstance(arg, bytes):
        return arg
    if isinstance(arg, str):
        return octets(arg)
    if isinstance(arg, bytearray | memoryview):
        return bytes(arg)
    if isinstance(arg, int | float) and not isinstance(arg, bool):
        return repr(arg).encode()
    raise LocalProtocolError("redis", 0, f"an argument is bytes, text or a number, not {type(arg).__name__}")
