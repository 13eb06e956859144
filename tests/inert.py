"""Run by test_laws.py in a process of its own: decode, encode and describe samples while everything else is watched.

    python tests/inert.py PROTOCOL MODULE < samples.json

Prints how many messages came; fails at the first forbidden thing. Admitted: importing the library itself, with the
compiling and executing that brings.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import sys
import time
from typing import Any

ADMITTED = (
    *("import", "compile", "exec", "marshal.", "object.", "code.", "gc.", "sys._getframe", "sys.excepthook"),
    "builtins.id",  # which object is the very same: what references in a graph are written by
)
armed = False


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if armed and not event.startswith(ADMITTED):
        raise AssertionError(f"forbidden: {event} {arguments!r}")


def forbid(module: Any, *names: str) -> None:
    for name in names:
        if hasattr(module, name):
            setattr(module, name, _forbidden(f"{module.__name__}.{name}"))


def _forbidden(name: str) -> Any:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError(f"forbidden: {name}")

    return refuse


def settings() -> tuple[object, ...]:
    return (
        sys.getrecursionlimit(),
        sys.get_int_max_str_digits(),
        gc.isenabled(),
        gc.get_threshold(),
        sys.getswitchinterval(),
        sys.gettrace(),
        sys.getprofile(),
        dict(os.environ),
        os.getcwd(),
    )


def global_sizes() -> dict[str, int]:
    """Sizes of everything that modules of the library hold: none may grow with what is decoded."""
    return {
        f"{module}.{name}": len(value)
        for module, loaded in list(sys.modules.items())
        if module.split(".")[0] == "l7codec"
        for name, value in vars(loaded).items()
        if isinstance(value, dict | list | set | bytearray) and name != "__builtins__"
    }


def use(protocol: str, samples: list[tuple[str, str]]) -> int:
    import l7codec
    from l7codec.registry import codec_class

    codec = codec_class(protocol)
    count = 0
    for name, text in samples:
        side, data = l7codec.Side(name), bytes.fromhex(text)
        codec.sniff(data, side)
        l7codec.detect(data, side=side)
        if issubclass(codec, l7codec.codec.DatagramCodec):
            messages = _observe(l7codec.Datagrams(protocol), data)
        else:
            messages = _converse(l7codec.Conversation(protocol), side, data)
        for message in messages:
            count += 1
            l7codec.encode(message)
            json.dumps(l7codec.to_dict(message, body=True))
            for reason in l7codec.Reason:
                codec.reply(message, reason)
    return count


def _observe(observer: Any, data: bytes) -> list[Any]:
    import l7codec

    messages = []
    for end in range(len(data), 0, -1):
        try:
            messages += observer.receive_datagram(data[:end], ("one", "other"))
        except l7codec.L7Error:
            continue
    return messages


def _converse(conversation: Any, side: Any, data: bytes) -> list[Any]:
    import l7codec

    messages: list[Any] = []
    stream = conversation.stream(side)
    for index in range(len(data)):
        try:
            messages.extend(stream.receive_data(data[index : index + 1]))
        except l7codec.L7Error:
            messages.extend(_recover(stream))
    return messages


def _recover(stream: Any) -> list[Any]:
    import l7codec

    while True:
        try:
            return list(stream.receive_gap(0))
        except l7codec.L7Error:
            continue


def load_extras() -> None:
    """What an extra brings is loaded when it is first needed: for a checksum, or for records that are compressed."""
    from l7codec.crc32c import crc32c

    crc32c(b"")
    with contextlib.suppress(ImportError):
        import cramjam  # noqa: F401


def main() -> None:
    global armed  # noqa: PLW0603
    protocol, module = sys.argv[1:]
    samples = json.load(sys.stdin)
    sys.path.insert(0, os.getcwd())
    if not module.startswith("l7codec."):
        __import__(module)  # a codec of the tests, with all that the tests import
    else:
        __import__("l7codec.registry")
    import l7codec

    load_extras()
    l7codec.protocol_names()  # reads what packages are installed, once in a process, when a name is not known
    use(protocol, samples[:3])  # what is imported lazily
    forbid(time, "time", "monotonic", "perf_counter", "process_time", "time_ns", "monotonic_ns", "sleep", "gmtime")
    forbid(random, "random", "randint", "choice", "getrandbits", "randbytes", "shuffle", "randrange", "uniform")
    forbid(os, "urandom", "getrandom", "getenv", "listdir", "stat", "open")
    before = settings()
    use(protocol, samples[:3])
    sizes = global_sizes()
    sys.addaudithook(watch)
    armed = True
    count = use(protocol, samples)
    armed = False
    assert settings() == before, "the process was changed"
    grown = {name for name, size in global_sizes().items() if size != sizes.get(name, size)}
    assert not grown, f"globals grew: {grown}"
    print(count)


if __name__ == "__main__":
    main()
