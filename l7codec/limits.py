"""Every limit, the product or specification that sets it, and the attack it stops."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DEFAULT_LIMITS", "Limits"]


class Limits(NamedTuple):  # a dataclass would double what `import l7codec` takes
    """What one connection may make us hold. Limits judge a message, never what happens to be buffered.

    Read-only; `limits._replace(depth=64)` gives others.

    Exceeding one raises LimitExceeded where the length is announced, before a byte of the excess is buffered.
    A codec whose protocol has a customary limit of its own starts from that (`Codec.default_limits`).
    """

    message: int = 128 * 1024 * 1024
    """Bytes of one message. Kafka's brokers take 100 MiB (`socket.request.max.bytes`), Thrift's servers 100 MB
    (`TConfiguration`), Dubbo's 8 MB (`payload`). Stops a length field that promises gigabytes."""

    value: int = 512 * 1024 * 1024
    """Bytes of one string or blob. Redis: `proto-max-bulk-len`, 512 MB."""

    line: int = 64 * 1024
    """Bytes of a line that is waited for: Redis' PROTO_INLINE_MAX_SIZE. Stops a line that never ends."""

    items: int = 2**31 - 1
    """Elements that one array may announce: Redis takes any C int. Nothing is allocated for an announced element,
    so that `message` bounds what really comes."""

    depth: int = 128
    """Levels of nesting. Protocol Buffers' readers allow 100, hiredis 7 until 2020. Stops stack exhaustion in the
    programs that take our values."""

    values: int = 10_000
    """Entries in one metadata tuple, as Tomcat's `maxParameterCount`. Beyond it the key is absent and the message's
    `error` says so: a rule must not decide on half a list, nor look at a million values."""

    pending: int = 10_000
    """Requests waiting for their responses on one connection: Zeek's Redis analyzer allows as many. Stops a client
    that only ever asks."""

    conversations: int = 65_536
    """Conversations that one observer of datagrams follows; the one longest silent goes first. Stops a sender that
    invents an address or connection id for each datagram."""


DEFAULT_LIMITS = Limits()
