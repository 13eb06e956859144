"""What a Redis command is, which of its arguments are keys, and which cluster slot they belong to.

Sources: https://redis.io/docs/latest/develop/reference/key-specs/ (command key specifications),
https://redis.io/docs/latest/commands/command/ (arity and flags),
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ (hash slots and hash tags).

    args = [b"ZUNIONSTORE", b"sum", b"2", b"a", b"b"]
    command = lookup(args)               # None: no such command
    key_positions(command, args)         # [1, 3, 4]

Keys are what COMMAND GETKEYS says, in its order, duplicates included. Where that reply and what the server then does
differ, the keys are those the server uses: a rule about a key must not be dodged by a spelling. The differences, each
shown on the real server by `tests/interop/test_redis_commands.py`:

- XREAD and XREADGROUP: STREAMS may also be the name of a group or consumer, so options are read as the command reads
  them; servers whose specification is not marked incomplete (7.0) take the first STREAMS from argument 4 on.
- GEORADIUS, GEORADIUSBYMEMBER: of several STORE and STOREDIST the last holds; 7.0 names the first of each.
- SORT: `STORE by STORE dst` stores in `dst`; the first destination is no option. 7.0 takes `by` for one.
- PFMERGE with a destination alone creates it; the server refuses GETKEYS because the range of sources is empty.
- MIGRATE with KEYS as the last word names no key at all.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import TYPE_CHECKING, Final

from .command_table import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "COMMANDS",
    "CONTAINER",
    "NO_KEYS",
    "ONE_KEY",
    "SPECS",
    "Command",
    "KeySpec",
    "key_positions",
    "lookup",
    "slot",
    "slot_positions",
]

NO_KEYS: Final = 0
"""No argument is a key, and none counts for the slot."""
ONE_KEY: Final = 1
"""`args[1]`, where there is one, is the only key: most commands are like this."""
SPECS: Final = 2
"""Ask `key_positions` and `slot_positions`."""
CONTAINER: Final = 3
"""Subcommands have entries of their own; the container itself has no keys."""


_RUN_ANYTHING: Final = frozenset(("EVAL", "EVALSHA", "EXEC", "FCALL"))
"""Scripts and transactions: the server has no write flag on them, yet what they run may write."""


class KeySpec:
    """One key specification: where to begin the search, and which arguments from there on are keys.

    `keyword` is empty for a search that begins at `index`; else `index` is its startfrom. `keynum` says that the
    argument `count_at` after the beginning is the number of keys, the first of which lies `first_key` after it; else
    the keys are a range up to `last`, each `step`-th of them, of the `limit`-th part of what is left.
    """

    __slots__ = ("count_at", "first_key", "index", "keynum", "keyword", "last", "limit", "not_key", "step")

    def __init__(self, text: str) -> None:
        """Read the notation of `command_table`."""
        text = text.removesuffix("~")
        self.not_key: bool = text.startswith("!")
        text, _, limit = text.removeprefix("!").partition("/")
        text, _, step = text.partition(":")
        text, keynum, places = text.partition("#")
        text, _, last = text.partition("..")
        keyword, _, index = text.rpartition("@")
        count_at, _, first_key = places.partition(",")
        self.keyword: bytes = keyword.encode()
        self.index: int = int(index)
        self.last: int = int(last or 0)
        self.step: int = int(step or 1)
        self.limit: int = int(limit or 1)
        self.keynum: bool = bool(keynum)
        self.count_at: int = int(count_at or 0)
        self.first_key: int = int(first_key or 1)


class Command:
    """What is known about one command or subcommand. Read-only by convention."""

    __slots__ = (
        "arity",
        "blocking",
        "finder",
        "may_write",
        "name",
        "pubsub",
        "readonly",
        "shape",
        "specs",
        "subcommands",
        "write",
    )

    def __init__(
        self,
        name: str,
        arity: int,
        flags: str,
        specs: tuple[KeySpec, ...],
        finder: Callable[[Sequence[bytes]], list[int]] | None,
        shape: int,
    ) -> None:
        self.name = name
        """As in metadata: upper case, subcommands with their container (`CLIENT LIST`)."""
        self.arity = arity
        """The number of arguments, the name included; negative: at least so many."""
        self.write = "w" in flags
        """It may change data, as the server's own flag has it."""
        self.may_write = self.write or name in _RUN_ANYTHING
        """The same, or it runs commands that may."""
        self.readonly = "r" in flags
        """It reads data and changes none; neither this nor `write`: it touches no data, or runs a script."""
        self.blocking = "b" in flags
        """It may hold back its reply, and all later ones with it."""
        self.pubsub = "p" in flags
        """It belongs to publish/subscribe."""
        self.specs = specs
        """Its key specifications; unknown ones are left out."""
        self.finder = finder
        """Finds the keys of a command that has more rules than specifications can say."""
        self.shape = shape
        """NO_KEYS, ONE_KEY, SPECS or CONTAINER."""
        self.subcommands: dict[bytes, Command] | None = None
        """A container's subcommands by their own name, in upper and in lower case."""

    def __repr__(self) -> str:
        return f"<Command {self.name}>"


def lookup(args: Sequence[bytes]) -> Command | None:
    """The command these arguments call, or None if there is no such command.

    A container whose subcommand is missing or unknown gives the container's own entry (shape CONTAINER): COMMAND alone
    is a command, and the name of an unknown subcommand is the caller's to build.

    Names have no case. A name also ends at a NUL: redis-server hashes the whole name but compares up to the NUL, so
    that `FLUSHALL\\0…` runs FLUSHALL whenever both fall into one hash bucket, which a client reaches by trying.
    """
    if not args:
        return None
    name = args[0]
    command = COMMANDS.get(name) or COMMANDS.get(_fold(name))
    if command is None or command.subcommands is None or len(args) < 2:
        return command
    name = args[1]
    return command.subcommands.get(name) or command.subcommands.get(_fold(name), command)


def key_positions(command: Command, args: Sequence[bytes]) -> list[int]:
    """Indexes into `args` of every key, in the order of COMMAND GETKEYS; `args[0]` is the command's name.

    Wrong arguments raise nothing: a number of keys that is none, is below one or too large gives no keys at all, and
    what a specification says of arguments that are not there is left out. Arity is not looked at.
    """
    if command.shape == ONE_KEY:
        return [1] if len(args) > 1 else []
    if command.finder is not None:
        return command.finder(args)
    return _positions(command.specs, args, False) if command.specs else []


def slot_positions(command: Command, args: Sequence[bytes]) -> list[int]:
    """Indexes of every argument that counts for the cluster slot: the keys, and the channels of sharded pub/sub."""
    if command.shape == SPECS and command.finder is None:
        return _positions(command.specs, args, True)
    return key_positions(command, args)


def slot(key: bytes) -> int:
    """The hash slot of a key: CRC16 (XMODEM) modulo 16384 of the key, or of its hash tag.

    The tag is what stands between the first `{` and the first `}` after it, unless that is nothing.
    """
    start = key.find(b"{") + 1
    if start:
        end = key.find(b"}", start)
        if end > start:
            return crc_hqx(key[start:end], 0) & 0x3FFF
    return crc_hqx(key, 0) & 0x3FFF


def _positions(specs: tuple[KeySpec, ...], args: Sequence[bytes], not_keys: bool) -> list[int]:
    """The keys by the specifications alone."""
    count = len(args)
    found: list[int] = []
    for spec in specs:
        if spec.not_key and not not_keys:
            continue
        first = spec.index
        if spec.keyword:
            first = _after_keyword(spec, args)
            if not first:
                continue
        if spec.keynum:
            at = first + spec.count_at
            keys, lenient = _number_of_keys(args[at]) if at < count else (0, False)
            first += spec.first_key
            last = first + (keys - 1) * spec.step
            if keys < 1 or last >= count:
                return []
            if lenient:  # the server then turns from the specifications to older code, which names a destination last
                found = [*range(first, last + 1, spec.step), *found]
                continue
        elif spec.last >= 0:
            last = first + spec.last
        elif spec.limit > 1:
            last = first + (count - first) // spec.limit - 1
        else:
            last = count + spec.last
        if last < count:
            found.extend(range(first, last + 1, spec.step))
    return found


def _after_keyword(spec: KeySpec, args: Sequence[bytes]) -> int:
    """The index after the keyword, or 0; the last argument is never the keyword, as no key could follow it."""
    last = len(args) - 2
    length = len(spec.keyword)
    if spec.index > 0:
        places = range(spec.index, last + 1)
    else:
        places = range(min(len(args) + spec.index, last), 1, -1)
    for at in places:
        if _word(args[at], length) == spec.keyword:
            return at + 1
    return 0


def _number_of_keys(text: bytes) -> tuple[int, bool]:
    """The number of keys, 0 for none at all, and whether only C's lenient `atoi` reads it so (` 2`, `+2`, `02`, `2x`).

    The commands themselves are strict and refuse the latter; COMMAND GETKEYS and cluster redirection are not. Numbers
    beyond nine digits count as too large; `atoi` would wrap them around.
    """
    if len(text) < 10 and text.isdigit() and text[0] != 0x30:
        return int(text), False
    text = text.lstrip(b" \t\n\v\f\r")
    if text[:1] == b"+":
        text = text[1:]
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))].lstrip(b"0")
    return (int(digits), True) if 0 < len(digits) < 10 else (0, True)


def _fold(name: bytes) -> bytes:
    """A command's name in upper case up to a NUL; never more of it than tells that it is no command."""
    return name[:_LONGER_THAN_ANY].partition(b"\0")[0].upper()


def _word(argument: bytes, longest: int = 9) -> bytes:
    """An argument as a keyword: in upper case and, as C compares it, up to a NUL; no more of it than tells it apart."""
    return argument[: longest + 1].partition(b"\0")[0].upper()


# Commands whose options decide which arguments are keys. Each reads them as the command itself does.

_SORT_OPTIONS: Final = {b"LIMIT": 2, b"GET": 1, b"BY": 1, b"STORE": 1}
_MIGRATE_OPTIONS: Final = {b"AUTH": 1, b"AUTH2": 2}
_STREAM_OPTIONS: Final = {
    b"GROUP": 2,
    b"COUNT": 1,
    b"BLOCK": 1,
    b"CLAIM": 1,
    b"MAXCOUNT": 1,
    b"MAXSIZE": 1,
}


def _sort(args: Sequence[bytes]) -> list[int]:
    """SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [STORE destination]: the last STORE holds.

    BY and GET are patterns of keys, not keys.
    """
    found = [1] if len(args) > 1 else []
    at = 2
    while at < len(args) - 1:
        word = _word(args[at])
        if word == b"STORE":
            found[1:] = [at + 1]
        at += 1 + _SORT_OPTIONS.get(word, 0)
    return found


def _georadius(args: Sequence[bytes]) -> list[int]:
    """GEORADIUS and GEORADIUSBYMEMBER key … [STORE key | STOREDIST key]: the last of both holds."""
    found = [1] if len(args) > 1 else []
    at = 5
    while at < len(args) - 1:
        if _word(args[at]) in (b"STORE", b"STOREDIST"):
            at += 1
            found[1:] = [at]
        at += 1
    return found


def _migrate(args: Sequence[bytes]) -> list[int]:
    """MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH …] [AUTH2 …] [KEYS key …].

    KEYS beside a key is an error of syntax: no keys.
    """
    at = 6
    while at < len(args):
        word = _word(args[at])
        if word == b"KEYS":
            return [] if args[3] else list(range(at + 1, len(args)))
        at += 1 + _MIGRATE_OPTIONS.get(word, 0)
    return [3] if len(args) > 3 else []


def _xread(args: Sequence[bytes]) -> list[int]:
    """XREAD [options] STREAMS key … id …: the first half of what follows STREAMS."""
    return _streams(args, 1)


def _xreadgroup(args: Sequence[bytes]) -> list[int]:
    """XREADGROUP GROUP group consumer [options] STREAMS key … id …."""
    return _streams(args, 4)


def _streams(args: Sequence[bytes], start: int) -> list[int]:
    """The keys after STREAMS, from argument `start` on.

    Options are stepped over with their values; an unknown word alone, as an option of a later server might be one.
    """
    at = 1
    while at < len(args) - 1:
        word = _word(args[at])
        if word == b"STREAMS" and at >= start:
            return list(range(at + 1, at + 1 + (len(args) - at - 1) // 2))
        at += 1 + _STREAM_OPTIONS.get(word, 0)
    return []


_FINDERS: Final[dict[str, Callable[[Sequence[bytes]], list[int]]]] = {
    "GEORADIUS": _georadius,
    "GEORADIUSBYMEMBER": _georadius,
    "MIGRATE": _migrate,
    "SORT": _sort,
    "XREAD": _xread,
    "XREADGROUP": _xreadgroup,
}


_SHAPES: Final = {"": NO_KEYS, "1": ONE_KEY}


def _load() -> dict[bytes, Command]:
    """The table's commands under their upper and lower case names, subcommands inside their containers.

    This is done once at import: 0.6 ms, and 0.3 ms for the table itself.
    """
    commands: dict[bytes, Command] = {}
    notations: dict[str, tuple[KeySpec, ...]] = {}
    for name, (arity, flags, keys) in TABLE.items():
        keys = keys.replace(" ?", "")
        if keys not in notations:
            notations[keys] = tuple(map(KeySpec, keys.split()))
        finder = _FINDERS.get(name)
        shape = SPECS if finder else _SHAPES.get(keys, SPECS)
        command = Command(name, arity, flags, notations[keys], finder, shape)
        container, _, own = name.partition(" ")
        spelled = container.encode()
        if own:
            parent = commands[spelled]  # sorted before its subcommands
            if parent.subcommands is None:
                parent.subcommands = {}
                parent.shape = CONTAINER
            spelled = own.encode()
            parent.subcommands[spelled] = parent.subcommands[spelled.lower()] = command
        else:
            commands[spelled] = commands[spelled.lower()] = command
    return commands


_LONGER_THAN_ANY: Final = 1 + max(map(len, TABLE))

COMMANDS: Final[dict[bytes, Command]] = _load()
"""Every command by its name in upper and in lower case; `lookup` knows the mixed ones and the subcommands."""
