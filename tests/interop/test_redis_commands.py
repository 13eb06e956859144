"""The command table, key extraction and slots against the redis-server installed here."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from l7codec.protocols.redis.command_table import TABLE
from l7codec.protocols.redis.commands import CONTAINER, key_positions, lookup, slot

from .programs import free_port, redis_server

pytestmark = pytest.mark.interop

SCRIPT = Path(__file__).parents[2] / "scripts" / "update_redis_commands.py"

# What the table says and what COMMAND of an older server says, where it has been widened or corrected since.
SINCE_CHANGED = [
    ("COMMAND GETKEYS", "arity", -3, -4),
    ("COMMAND GETKEYSANDFLAGS", "arity", -3, -4),
    ("ZRANK", "arity", -3, 3),  # WITHSCORE came with 7.2
    ("ZREVRANK", "arity", -3, 3),
    ("WAIT", "blocking", True, False),
]


@contextmanager
def raw_client(port):
    """A client that gives replies as they come."""
    client = redis.Redis(port=port, protocol=2)
    client.response_callbacks.clear()
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="module")
def server(redis_port):
    with raw_client(redis_port) as client:
        yield client


@pytest.fixture(scope="module")
def cluster_node(tmp_path_factory):
    options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    with redis_server(tmp_path_factory.mktemp("cluster"), *options) as port, raw_client(port) as client:
        yield client


class Entry(NamedTuple):
    """One element of the COMMAND reply."""

    arity: int
    flags: set[str]
    first: int
    last: int
    step: int
    specs: list[dict]


def mapping(value):
    """A map of the reply (a flat array in RESP2), with text for names and texts."""
    pairs = zip(value[::2], value[1::2], strict=True)
    return {name.decode(): v.decode() if isinstance(v, bytes) else v for name, v in pairs}


@pytest.fixture(scope="module")
def published(server) -> dict[str, Entry]:
    """Every command and subcommand the server knows."""
    entries = {}
    waiting = server.execute_command("COMMAND")
    while waiting:
        name, arity, flags, first, last, step, _, _, specs, subcommands = waiting.pop()[:10]
        name = name.decode().upper().replace("|", " ")
        entries[name] = Entry(arity, {f.decode() for f in flags}, first, last, step, list(map(mapping, specs)))
        waiting += subcommands
    assert len(entries) > 300
    return entries


def legacy_range(command):
    """First key, last key, step and `movablekeys`, as COMMAND sums the specifications up."""
    ranges = [spec for spec in command.specs if not spec.keyword and not spec.keynum]
    unknown = "?" in TABLE[command.name][2]
    movable = unknown or len(ranges) < len(command.specs)
    if not ranges:
        return 0, 0, 0, movable
    first = min(spec.index for spec in ranges)
    ends = [spec.last if spec.last < 0 else spec.index + spec.last for spec in ranges]
    last = next((end for end in ends if end < 0), max(ends))
    return first, last, ranges[0].step, movable


class TestTable:
    def test_facts(self, published):
        wrong = []
        for name, entry in published.items():
            command = lookup(name.encode().split(b" "))
            assert command is not None, name
            facts = {"name": (command.name, name), "arity": (command.arity, entry.arity)}
            for flag in ("write", "readonly", "blocking", "pubsub"):
                facts[flag] = getattr(command, flag), flag in entry.flags
            ranges = entry.first, entry.last, entry.step
            facts["range"] = legacy_range(command), (*ranges, "movablekeys" in entry.flags)
            wrong += [
                (name, fact, ours, theirs)
                for fact, (ours, theirs) in facts.items()
                if ours != theirs and (name, fact, ours, theirs) not in SINCE_CHANGED
            ]
        assert not wrong

    def test_key_specifications(self, published):
        for name, entry in published.items():
            command = lookup(name.encode().split(b" "))
            specs = iter(command.specs)
            for theirs in entry.specs:
                begin, find = mapping(theirs["begin_search"]), mapping(theirs["find_keys"])
                if begin["type"] == "unknown":
                    continue
                ours = next(specs)
                begins, finds = mapping(begin["spec"]), mapping(find["spec"])
                assert ours.keyword.decode() == begins.get("keyword", ""), name
                assert ours.index == begins.get("index", begins.get("startfrom")), name
                assert ours.not_key == (b"not_key" in theirs["flags"]), name
                assert ours.step == finds["keystep"], name
                assert ours.keynum == (find["type"] == "keynum"), name
                if ours.keynum:
                    assert (ours.count_at, ours.first_key) == (finds["keynumidx"], finds["firstkey"]), name
                else:
                    assert (ours.last, ours.limit) == (finds["lastkey"], finds["limit"] or 1), name
            assert next(specs, None) is None, name

    def test_containers(self, published):
        for name in published:
            container, _, subcommand = name.partition(" ")
            if subcommand:
                assert lookup([container.encode()]).shape == CONTAINER

    def test_the_script_has_nothing_to_add(self, server):
        port = server.connection_pool.connection_kwargs["port"]
        command = [sys.executable, str(SCRIPT), "--check", "--server", f"127.0.0.1:{port}"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr


NO_KEYS_REPLIES = ("The command has no key arguments", "Invalid arguments specified for command")


def get_keys(server, calls):
    """What COMMAND GETKEYS says of each call."""
    pipeline = server.pipeline(transaction=False)
    for args in calls:
        pipeline.execute_command("COMMAND", "GETKEYS", *args)
    for args, reply in zip(calls, pipeline.execute(raise_on_error=False), strict=True):
        if isinstance(reply, Exception):
            assert str(reply) in NO_KEYS_REPLIES, (args, reply)
            reply = []
        yield args, reply


def assert_same_keys(server, calls):
    for args, theirs in get_keys(server, calls):
        assert [args[i] for i in key_positions(lookup(args), args)] == theirs, args


PLAIN = [b"a", b"b", b"c", b"key:{1}", b"a", b"", b"\xff\0\r\n", b"k" * 300, b"m", b"*", b"#", b"$", b">"]
NUMBERS = [b"0", b"1", b"2", b"3", b"4", b"-1", b"70000", b"02", b"+2", b" 1", b"\t3", b"2x", b"1\0", b"1.0", b"x1"]
OPTIONS = [b"STORE", b"STOREDIST", b"BY", b"GET", b"LIMIT", b"KEYS", b"AUTH", b"AUTH2", b"COPY", b"REPLACE", b"ASC"]
OPTIONS += [b"STREAMS", b"COUNT", b"BLOCK", b"NOACK", b"GROUP", b"WEIGHTS", b"MEMORY", b"LEFT", b"WITHSCORES"]


def spelled(word, dice):
    """Any case; and as C compares it."""
    word = dice.choice([word, word, word.lower(), word.title()])
    return word + dice.choice([b"\0", b"\0x"]) if dice.random() < 0.1 else word


def words(dice, number):
    """Arguments of every sort."""
    pools = dice.choice([(PLAIN,), (PLAIN, NUMBERS), (PLAIN, NUMBERS, OPTIONS), (NUMBERS, OPTIONS), (OPTIONS,)])
    return [spelled(dice.choice(dice.choice(pools)), dice) for _ in range(number)]


def calls(name, arity, dice, number):
    """Calls of a command with as many arguments as its arity allows."""
    own = [spelling.encode() for spelling in dice.choice([name, name.lower(), name.title()]).split(" ")]
    for _ in range(number):
        more = 0 if arity > 0 else dice.choice([0, 1, 2, 3, 4, 5, dice.randrange(20)])
        yield own + words(dice, abs(arity) - len(own) + more)


def is_word(argument, *names):
    return argument.partition(b"\0")[0].upper() in names


class TestGetKeys:
    """Several thousand seeded calls, less those where our answer is not GETKEYS's: `TestUsedKeys` has the reasons."""

    SPECIAL = ("SORT", "MIGRATE", "GEORADIUS", "GEORADIUSBYMEMBER", "XREAD", "XREADGROUP")

    def test_every_command(self, server, published):
        dice = random.Random(20240607)
        for name, entry in published.items():
            if name in self.SPECIAL or lookup(name.encode().split(b" ")).shape == CONTAINER:
                continue
            number = 400 if "movablekeys" in entry.flags else 30
            least = 3 if name == "PFMERGE" else 2  # GETKEYS itself wants an argument
            assert_same_keys(server, [args for args in calls(name, entry.arity, dice, number) if len(args) >= least])

    @pytest.mark.parametrize(
        "name",
        ["EVAL", "EVALSHA", "FCALL", "ZUNIONSTORE", "ZDIFFSTORE", "ZINTER", "SINTERCARD", "LMPOP", "ZMPOP", "BLMPOP"],
    )
    def test_numbers_of_keys(self, server, published, name):
        """keynum, with a number of keys where it belongs."""
        dice = random.Random(name)
        at = lookup([name.encode()]).specs[-1].index
        some = []
        for args in calls(name, published[name].arity, dice, 500):
            args[at] = dice.choice(NUMBERS + [b"1", b"2", b"3"] * 4)
            some.append(args)
        assert_same_keys(server, some)

    def test_sort(self, server):
        dice = random.Random(1)
        some = []
        while len(some) < 1500:
            args = [b"SORT", b"k", *words(dice, dice.randrange(9))]
            for i in range(2, len(args)):
                if dice.random() < 0.3:
                    args[i] = spelled(dice.choice([b"STORE", b"LIMIT", b"BY", b"GET"]), dice)
            stored = [args[i + 1] for i in range(2, len(args) - 1) if is_word(args[i], b"STORE")]
            if not any(is_word(word, b"STORE", b"BY", b"GET", b"LIMIT") for word in stored):
                some.append(args)
        assert_same_keys(server, some)

    def test_migrate(self, server):
        dice = random.Random(2)
        some = []
        while len(some) < 1500:
            key = dice.choice([b"", b"", b"k", b"keys"])
            args = [b"MIGRATE", b"host", b"6379", key, b"0", b"10", *words(dice, dice.randrange(9))]
            if dice.random() < 0.5:
                args[6:6] = dice.choice([[b"COPY"], [b"AUTH", b"KEYS"], [b"auth2", b"KEYS", b"keys"], []])
                args += [b"Keys", *words(dice, dice.randrange(1, 4))]
            if not is_word(args[-1], b"KEYS"):
                some.append(args)
        assert_same_keys(server, some)

    @pytest.mark.parametrize("head", [b"GEORADIUS k 1 2 3 m", b"GEORADIUSBYMEMBER k m 3 m"])
    def test_georadius(self, server, head):
        dice = random.Random(3)
        some = []
        for _ in range(500):
            args = [word for word in words(dice, dice.randrange(6)) if not is_word(word, b"STORE", b"STOREDIST")]
            if dice.random() < 0.7:
                args.insert(dice.randrange(len(args) + 1), spelled(dice.choice([b"STORE", b"STOREDIST"]), dice))
            some.append(head.split(b" ") + args)
        assert_same_keys(server, some)

    @pytest.mark.parametrize("name", [b"XREAD", b"XREADGROUP"])
    def test_streams(self, server, name):
        dice = random.Random(4)
        some = []
        for _ in range(1000):
            options = [[b"COUNT", b"2"], [b"BLOCK", b"0"], [b"NOACK"]]
            options = dice.sample(options, dice.randrange(3))
            args = [name]
            if name == b"XREADGROUP":
                args += [spelled(b"GROUP", dice), *dice.choices([b"g", b"STREAMS", b"count", b"block"], k=2)]
            args += [spelled(option[0], dice) for option in options for option in (option, option[1:]) if option]
            number = dice.randrange(1, 5)
            some.append([*args, spelled(b"STREAMS", dice), *words(dice, number), *[b"0"] * number])
        assert_same_keys(server, some)


class TestUsedKeys:
    """Where COMMAND GETKEYS is not what the server then does: the keys it really uses."""

    @pytest.fixture(autouse=True)
    def _empty(self, server):
        server.execute_command("FLUSHALL")

    def keys(self, line):
        args = line.encode().split(b" ")
        return [args[i] for i in key_positions(lookup(args), args)]

    def written(self, server, line):
        server.execute_command(*line.split(" "))
        return set(server.execute_command("KEYS", "*"))

    def test_pfmerge_of_nothing_creates_its_destination(self, server):
        assert self.written(server, "PFMERGE d") == {b"d"}
        assert self.keys("PFMERGE d") == [b"d"]

    @pytest.mark.parametrize("first", ["a", "STORE", "BY", "GET", "LIMIT"])
    def test_sort_stores_in_the_last_destination(self, server, first):
        server.execute_command("RPUSH", "k", "1")
        assert self.written(server, f"SORT k STORE {first} STORE d") == {b"k", b"d"}
        assert self.keys(f"SORT k STORE {first} STORE d") == [b"k", b"d"]

    @pytest.mark.parametrize(
        "options", ["STORE a STOREDIST d", "STOREDIST a STORE d", "STORE a STORE d", "STORE STOREDIST STORE d"]
    )
    def test_georadius_stores_in_the_last_destination(self, server, options):
        server.execute_command("GEOADD", "k", "1", "1", "m")
        assert self.written(server, f"GEORADIUS k 1 1 9 km {options}") == {b"k", b"d"}
        assert self.keys(f"GEORADIUS k 1 1 9 km {options}") == [b"k", b"d"]
        assert self.keys(f"GEORADIUSBYMEMBER k m 9 km {options}") == [b"k", b"d"]

    @pytest.mark.parametrize(
        "line",
        [
            "XREADGROUP COUNT 1 GROUP g STREAMS STREAMS k >",
            "XREADGROUP NOACK GROUP STREAMS c STREAMS k >",
            "XREADGROUP GROUP g STREAMS STREAMS k >",
        ],
    )
    def test_streams_may_be_the_name_of_a_group_or_consumer(self, server, line):
        for group in ("g", "STREAMS"):
            server.execute_command("XGROUP", "CREATE", "k", group, "$", "MKSTREAM")
        server.execute_command("XADD", "k", "*", "field", "value")
        [[stream, _]] = server.execute_command(*line.split(" "))
        assert self.keys(line) == [stream] == [b"k"]

    def test_migrate_of_no_keys(self, server):
        port = str(server.connection_pool.connection_kwargs["port"])
        line = ["MIGRATE", "127.0.0.1", port, "", "0", "10", "KEYS"]
        assert server.execute_command(*line) in (b"NOKEY", "NOKEY")
        args = [word.encode() for word in line]
        assert key_positions(lookup(args), args) == []

    def test_a_number_of_keys_too_large_for_c(self, server):
        """GETKEYS of some versions wraps it around; the command refuses it."""
        with pytest.raises(redis.ResponseError):
            server.execute_command("LMPOP", "4294967297", "a", "LEFT")
        assert self.keys("LMPOP 4294967297 a LEFT") == []

    def test_a_command_name_with_a_nul_may_run(self, server):
        """Names share a hash bucket by chance: one of a few hundred is enough."""
        for number in range(20_000):
            try:
                server.execute_command(b"PING\0%d" % number)
            except redis.ResponseError:
                continue
            assert lookup([b"PING\0%d" % number]).name == "PING"
            return
        pytest.skip("this server compares whole names")


def test_slots(cluster_node):
    dice = random.Random(5)
    tags = [b"{", b"}", b"{}", b"}{", b"{{", b"}}", b"{a}", b"user1000", b"\0", b"\xff", b" "]
    keys = [b"", *tags, *(b"".join(dice.choices(tags, k=dice.randrange(6))) for _ in range(1000))]
    keys += [dice.randbytes(dice.randrange(40)) for _ in range(1000)]
    pipeline = cluster_node.pipeline(transaction=False)
    for key in keys:
        pipeline.execute_command("CLUSTER", "KEYSLOT", key)
    assert pipeline.execute() == [slot(key) for key in keys]
