r"""What a person types at a provider's port, and what it prints: `ls`, `status`, `invoke Orders.find(17)`.

Dubbo hands everything that does not begin with the magic to a command interpreter
(`org.apache.dubbo.remoting.telnet.codec.TelnetCodec`): lines that end in LF; the answer is text and a prompt, `dubbo>`,
that no line end follows. A control character alone, or a telnet command (RFC 854), ends the connection or says nothing.
"""

from __future__ import annotations

import re
from typing import Final

from ...buffer import ReceiveBuffer
from ...message import Kind, Message, Metadata, Side

__all__ = ["PROMPT", "decode_text", "is_command", "looks_printed"]

PROMPT: Final = b"dubbo>"
INTERRUPT: Final = 0x03
IAC: Final = 0xFF

_WRONG: Final = re.compile(rb"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
"""What neither a line nor an answer holds; backspace, tab, CR and escape sequences they do."""

_WORDS: Final = frozenset(
    "cd clear count exit help invoke log ls ps pwd select shutdown status trace".split()  # noqa: SIM905
)
_COMMAND: Final = re.compile(rb"([a-z]{2,8})(?:[ \t][^\0\n]*)?\r?\n")
_COMMAND_BEGUN: Final = re.compile(rb"([a-z]{1,8})(?:[ \t][^\0\n]*)?\r?\Z")
_INVOKE: Final = re.compile(r"invoke\s+(?:([\w.$/]+)\.)?([\w$]+)\s*\(")


def decode_text(side: Side, buffer: ReceiveBuffer, longest: int) -> Message | None:
    """One line, a prompt, or a control character. Raises RemoteProtocolError for what is no text either."""
    data, start = buffer.data, buffer.position
    first = data[start]
    if first == INTERRUPT:
        return _message(side, buffer.take(1))
    if first == IAC:
        return _telnet_command(side, buffer)
    if _WRONG.match(data, start):
        raise buffer.fail(f"neither Dubbo's magic, da bb, nor text: {first:02x}")
    if side is Side.SERVER:
        seen = data[start : start + len(PROMPT)]
        if seen == PROMPT:
            return _message(side, buffer.take(len(PROMPT)))
        if PROMPT.startswith(seen):
            buffer.wait(len(seen) + 1)
            return None
    end = data.find(b"\n", start, start + longest + 1)
    if end < 0 and len(data) - start <= longest:
        buffer.wait(longest + 1, delimiter=b"\n")
        return None
    wrong = _WRONG.search(data, start, start + longest if end < 0 else end)
    if wrong is not None:
        raise buffer.fail(f"a line of text with {data[wrong.start()]:02x} in it", wrong.start() - start)
    if end < 0:
        raise buffer.exceed(f"a line of more than {longest} bytes")
    return _message(side, buffer.take(end + 1 - start))


def _telnet_command(side: Side, buffer: ReceiveBuffer) -> Message | None:
    """IAC, a command, and an option behind four of them: RFC 854."""
    data, start = buffer.data, buffer.position
    size = 2
    if len(data) - start >= 2:
        second = data[start + 1]
        if second < 0xF0:
            raise buffer.fail(f"neither Dubbo's magic, da bb, nor text: ff {second:02x}", 1)
        size = 3 if 0xFB <= second <= 0xFE else 2
    if len(data) - start < size:
        buffer.wait(size)
        return None
    return _message(side, buffer.take(size))


def _message(side: Side, raw: bytes) -> Message:
    if side is Side.SERVER:
        return Message("dubbo", Kind.PUSH, side, {"dubbo.telnet": "prompt" if raw == PROMPT else "output"}, raw)
    line = raw.decode("utf-8", "surrogateescape").strip()
    word = line.partition(" ")[0] if line[:1].isprintable() and raw[0] != IAC else "control"
    metadata: Metadata = {"dubbo.telnet": word or "enter"}
    found = _INVOKE.match(line)
    if found is not None:
        if found[1]:
            metadata["service"] = found[1]
        metadata["method"] = found[2]
    return Message("dubbo", Kind.ONEWAY, side, metadata, raw)


def is_command(data: bytes) -> bool | None:
    """Whether a client's first bytes are one of Dubbo's commands; None while that cannot be told."""
    found = _COMMAND.match(data)
    if found is not None:
        return found[1].decode() in _WORDS
    begun = _COMMAND_BEGUN.match(data)
    if begun is None:
        return False
    word = begun[1].decode()
    if begun.end(1) < len(data):
        return None if word in _WORDS else False
    return None if any(known.startswith(word) for known in _WORDS) else False


def looks_printed(data: bytes) -> bool | None:
    """Whether a server's first bytes are an answer to a command: text with a prompt; None while that cannot be told."""
    if data[:1] >= b"\x80" or _WRONG.search(data) is not None:
        return False
    return True if PROMPT in data else None
