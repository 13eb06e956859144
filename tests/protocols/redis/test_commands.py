"""Commands, keys and slots, with the values of the Redis documentation."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec.protocols.redis.command_table import TABLE
from l7codec.protocols.redis.commands import (
    COMMANDS,
    CONTAINER,
    NO_KEYS,
    ONE_KEY,
    SPECS,
    KeySpec,
    key_positions,
    lookup,
    slot,
    slot_positions,
)


def words(line: str) -> list[bytes]:
    """`""` is the empty argument."""
    return [b"" if word == '""' else word.encode() for word in line.split(" ")]


def positions(args: list[bytes]) -> list[int]:
    command = lookup(args)
    assert command is not None
    return key_positions(command, args)


def keys(line: str) -> str:
    args = words(line)
    return " ".join(args[i].decode() or '""' for i in positions(args))


class TestLookup:
    @pytest.mark.parametrize("spelling", ["GET k", "get k", "gEt k", "Get"])
    def test_names_have_no_case(self, spelling):
        assert lookup(words(spelling)) is COMMANDS[b"GET"]

    @pytest.mark.parametrize("spelling", ["CLIENT LIST", "client list", "Client LiSt", "client LIST TYPE normal"])
    def test_subcommands_have_their_own_entry(self, spelling):
        assert lookup(words(spelling)).name == "CLIENT LIST"

    @pytest.mark.parametrize("line", ["CLIENT", "client frobnicate", "CLIENT GET"])
    def test_a_container_stands_in_for_a_subcommand_it_does_not_have(self, line):
        assert lookup(words(line)).name == "CLIENT"
        assert lookup(words(line)).shape == CONTAINER
        assert positions(words(line)) == []

    def test_a_container_may_be_a_command_itself(self):
        assert lookup([b"COMMAND"]).arity == -1
        assert lookup(words("COMMAND COUNT")).arity == 2

    @pytest.mark.parametrize(
        "args", [[], [b""], [b"NOPE"], [b"GETT"], [b"GE"], [b"\xff" * 100_000], [b"\0GET"], [b"LIST"]]
    )
    def test_unknown(self, args):
        assert lookup(args) is None

    def test_a_name_ends_at_a_nul(self):
        assert lookup([b"FLUSHALL\x00123"]) is COMMANDS[b"FLUSHALL"]
        assert lookup([b"flushall\0" + b"x" * 100]) is COMMANDS[b"FLUSHALL"]
        assert lookup([b"config\0", b"set\0\0", b"a", b"b"]).name == "CONFIG SET"

    def test_case_is_ascii(self):
        assert lookup(["ſet".encode(), b"k", b"v"]) is None  # long s: str.upper would make it SET


class TestFacts:
    def test_shapes(self):
        shapes = {name: lookup(words(name)).shape for name in ("PING", "GET", "SORT_RO", "MGET", "SORT", "XINFO")}
        assert shapes == {
            "PING": NO_KEYS,
            "GET": ONE_KEY,
            "SORT_RO": ONE_KEY,
            "MGET": SPECS,
            "SORT": SPECS,
            "XINFO": CONTAINER,
        }

    @pytest.mark.parametrize(
        ("name", "arity", "flags"),
        [
            ("GET", 2, "readonly"),
            ("SET", -3, "write"),
            ("BLPOP", -3, "write blocking"),
            ("XREAD", -4, "readonly blocking"),
            ("SUBSCRIBE", -2, "pubsub"),
            ("SPUBLISH", 3, "pubsub"),
            ("PING", -1, ""),
            ("EVAL", -3, ""),
            ("EVAL_RO", -3, "readonly"),
            ("XGROUP CREATE", -5, "write"),
            ("JSON.SET", -4, "write"),
        ],
    )
    def test_arity_and_flags(self, name, arity, flags):
        command = lookup(words(name))
        assert command.name == name
        assert command.arity == arity
        assert [flag for flag in ("write", "readonly", "blocking", "pubsub") if getattr(command, flag)] == flags.split()

    def test_every_entry_is_found_in_both_spellings(self):
        assert len(TABLE) > 600
        for name in TABLE:
            assert lookup(words(name)).name == name
            assert lookup(words(name.lower())).name == name
            assert lookup(words(name)) is lookup(words(name.lower()))

    def test_one_key_means_the_first_argument(self):
        for command in COMMANDS.values():
            if command.shape == ONE_KEY:
                for args in ([], [b"k"], [b"k", b"v"], [b"k", b"STORE", b"v"]):
                    assert key_positions(command, [b"X", *args]) == ([1] if args else [])
                    assert slot_positions(command, [b"X", *args]) == ([1] if args else [])


class TestKeySpecifications:
    """https://redis.io/docs/latest/develop/reference/key-specs/"""

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            # begin search: index; find keys: range
            ("GET k", "k"),
            ("SET k v EX 10", "k"),
            ("PING hello", ""),
            ("OBJECT ENCODING k", "k"),
            ("object freq k", "k"),
            ("XGROUP CREATE k g $ MKSTREAM", "k"),
            ("RENAME a b", "a b"),
            ("DEL a b a", "a b a"),
            # lastkey: -1 the last argument, -2 the last but one
            ("MGET a b c", "a b c"),
            ("BLPOP a b 0", "a b"),
            ("BITOP AND dest a b", "dest a b"),
            # step
            ("MSET a 1 b 2", "a b"),
            ("MSET a 1 b", "a b"),
            ("JSON.MSET a $ 1 b $ 2", "a b"),
            # keynum
            ("EVAL script 2 a b c", "a b"),
            ("EVAL script 0 a", ""),
            ("FCALL f 1 a b", "a"),
            ("ZUNIONSTORE dest 2 a b WEIGHTS 1 2", "dest a b"),
            ("ZINTER 2 a b WITHSCORES", "a b"),
            ("LMPOP 2 a b LEFT", "a b"),
            ("BLMPOP 0 2 a b LEFT", "a b"),
            ("MSETEX 2 a 1 b 2 NX", "a b"),
            ("MSETEX 2 a 1 b", "a b"),
            ("TDIGEST.MERGE dest 2 a b COMPRESSION 100", "dest a b"),
            # keynum: what is no number of keys
            ("EVAL script -1 a", ""),
            ("EVAL script 3 a b", ""),
            ("EVAL script x a b", ""),
            ('EVAL script "" a', ""),
            ("EVAL script 18446744073709551617 a", ""),
            ("EVAL script " + "9" * 5000 + " a", ""),
            ("EVAL script " + "0" * 5000 + "1 a", "a"),
            ("ZUNIONSTORE dest 0 a", ""),
            ("ZUNIONSTORE dest 3 a b", ""),
            # begin search: keyword, in any case, not as the last argument
            ("JSON.DEBUG MEMORY k $", "k"),
            ("JSON.DEBUG memory k", "k"),
            ("JSON.DEBUG MEMORY", ""),
            ("JSON.DEBUG HELP", ""),
        ],
    )
    def test_keys(self, line, expected):
        assert keys(line) == expected

    @pytest.mark.parametrize("number", [b"+2", b" 2", b"02", b"2x", b"\t2\0"])
    def test_a_number_of_keys_is_read_as_c_does(self, number):
        """As GETKEYS of the real server does, and in its order: such a destination comes last."""
        assert positions([b"EVAL", b"script", number, b"a", b"b"]) == [3, 4]
        assert positions([b"ZUNIONSTORE", b"dest", number, b"a", b"b"]) == [3, 4, 1]

    def test_a_keyword_can_be_sought_from_the_end(self):
        command = COMMANDS[b"PING"]
        odd = type(command)("ODD", -2, "", (KeySpec("KEYS@-2..-1"),), None, SPECS)
        assert key_positions(odd, words("ODD KEYS a KEYS b c")) == [4, 5]
        assert key_positions(odd, words("ODD KEYS a b KEYS")) == []  # neither the first argument nor the last counts
        assert key_positions(odd, words("ODD x keys b KEYS")) == [3, 4]
        assert key_positions(odd, words("ODD")) == []

    @pytest.mark.parametrize(
        ("notation", "expected"),
        [
            ("2..+1", [2, 3]),
            ("1..-1/2", [1, 2]),
            ("2#1,2", [4, 5]),
            ("!1 2", [2]),
            ("1~", [1]),
        ],
    )
    def test_notation(self, notation, expected):
        odd = type(COMMANDS[b"PING"])("ODD", -2, "", tuple(map(KeySpec, notation.split())), None, SPECS)
        assert key_positions(odd, words("ODD a b 2 d e")) == expected


class TestOptionsThatNameKeys:
    """Commands whose keys the specifications mark as unknown or incomplete."""

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("SORT k", "k"),
            ("SORT k STORE d", "k d"),
            ("SORT k BY w_* LIMIT 0 5 GET # GET o_* ASC ALPHA STORE d", "k d"),
            ("sort k store d", "k d"),
            ("SORT k STORE a STORE b", "k b"),
            ("SORT k BY STORE GET STORE", "k"),
            ("SORT k LIMIT 0 STORE d", "k"),
            ("SORT k STORE", "k"),
            ("SORT k STORE BY STORE d", "k d"),
            ("SORT_RO k BY x GET y STORE d", "k"),
            ("GEORADIUS k 1 2 3 km", "k"),
            ("GEORADIUS k 1 2 3 km WITHDIST STORE d", "k d"),
            ("GEORADIUS k 1 2 3 km storedist d COUNT 3", "k d"),
            ("GEORADIUS k 1 2 3 km STORE a STOREDIST b", "k b"),
            ("GEORADIUS k 1 2 3 km STORE STOREDIST", "k STOREDIST"),
            ("GEORADIUS k 1 2 3 km STORE", "k"),
            ("GEORADIUSBYMEMBER k m 3 km STORE d", "k d"),
            ("GEORADIUS_RO k 1 2 3 km STORE d", "k"),
            ("MIGRATE h 6379 k 0 100", "k"),
            ("MIGRATE h 6379 k 0 100 COPY REPLACE AUTH pw", "k"),
            ('MIGRATE h 6379 "" 0 100 KEYS a b', "a b"),
            ('MIGRATE h 6379 "" 0 100 copy AUTH2 KEYS KEYS keys a KEYS', "a KEYS"),
            ("MIGRATE h 6379 k 0 100 KEYS a b", ""),
            ('MIGRATE h 6379 "" 0 100', '""'),
            ('MIGRATE h 6379 "" 0 100 KEYS', ""),
            ("XREAD STREAMS a b 0 0", "a b"),
            ("XREAD COUNT 2 BLOCK 0 streams a 0", "a"),
            ("XREAD COUNT 2 STREAMS a b c 0 0", "a b"),
            ("XREAD COUNT 2 BLOCK 0", ""),
            ("XREAD BLOCK STREAMS STREAMS a 0", "a"),
            ("XREAD SOMENEWOPTION STREAMS a 0", "a"),
            ("XREADGROUP GROUP g c STREAMS a b > >", "a b"),
            ("XREADGROUP GROUP g STREAMS COUNT 1 STREAMS a >", "a"),
            ("XREADGROUP GROUP STREAMS c NOACK STREAMS a >", "a"),
            ("XREADGROUP COUNT 1 GROUP g STREAMS STREAMS a >", "a"),
            ("XREADGROUP GROUP g c CLAIM 5 MAXCOUNT 3 MAXSIZE 4 STREAMS STREAMS >", "STREAMS"),
        ],
    )
    def test_keys(self, line, expected):
        assert keys(line) == expected

    def test_a_keyword_ends_at_a_nul(self):
        assert positions([b"SORT", b"k", b"store\0x", b"d"]) == [1, 3]
        assert positions([b"XREAD", b"STREAMS\0", b"a", b"0"]) == [2]
        assert positions([b"JSON.DEBUG", b"MEMORY\0x", b"k"]) == [2]
        assert positions([b"SORT", b"k", b"STORED", b"d"]) == [1]


class TestSlot:
    """https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/"""

    def test_crc16_of_the_specification(self):
        assert slot(b"123456789") == 0x31C3

    @pytest.mark.parametrize(
        ("key", "hashed"),
        [
            (b"{user1000}.following", b"user1000"),
            (b"{user1000}.followers", b"user1000"),
            (b"foo{}{bar}", None),
            (b"foo{{bar}}zap", b"{bar"),
            (b"foo{bar}{zap}", b"bar"),
            (b"foo{bar", None),
            (b"foo}bar{", None),
            (b"}{bar}", b"bar"),
            (b"{}", None),
            (b"", None),
        ],
    )
    def test_hash_tags(self, key, hashed):
        from binascii import crc_hqx

        assert slot(key) == crc_hqx(key if hashed is None else hashed, 0) % 16384

    @pytest.mark.parametrize(
        ("key", "expected"),  # https://redis.io/docs/latest/commands/cluster-keyslot/
        [(b"somekey", 11058), (b"foo{hash_tag}", 2515), (b"bar{hash_tag}", 2515), (b"", 0)],
    )
    def test_cluster_keyslot_of_the_documentation(self, key, expected):
        assert slot(key) == expected

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("GET k", [1]),
            ("SORT k STORE d", [1, 3]),
            ("SPUBLISH channel message", [1]),
            ("SSUBSCRIBE a b", [1, 2]),
            ("SUNSUBSCRIBE", []),
            ("PUBLISH channel message", []),
            ("CLIENT LIST", []),
        ],
    )
    def test_shard_channels_count_for_the_slot_and_are_no_keys(self, line, expected):
        args = words(line)
        assert slot_positions(lookup(args), args) == expected
        if args[0].startswith(b"S") and args[0] != b"SORT":
            assert positions(args) == []


OPTIONS = [b"STORE", b"streams", b"STREAMS", b"KEYS", b"BY", b"LIMIT", b"GROUP", b"AUTH2", b"MEMORY"]
ARGUMENT = st.sampled_from([*OPTIONS, b"", b"0", b"1", b"2", b"-1", b"+2", b" 1", b"1x", b"9999999999"]) | st.binary()


@given(name=st.sampled_from(sorted(TABLE)), rest=st.lists(ARGUMENT))
def test_any_arguments_give_positions_of_arguments(name, rest):
    args = [*words(name), *rest]
    command = lookup(words(name))
    for some in (args, args[:1], []):
        for found in (key_positions(command, some), slot_positions(command, some)):
            assert all(0 < index < len(some) for index in found)
            assert len(found) <= len(some)


@given(st.lists(st.binary(), max_size=3))
def test_any_name_is_a_command_or_none(args):
    command = lookup(args)
    assert command is None or command.name in TABLE


def test_the_table_is_as_its_script_writes_it():
    script = Path(__file__).parents[3] / "scripts" / "update_redis_commands.py"
    result = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_commands_pickle_and_show_their_name():
    assert repr(pickle.loads(pickle.dumps(COMMANDS[b"XREAD"]))) == "<Command XREAD>"
