"""Write `l7codec/protocols/redis/command_table.py` from the facts a Redis server publishes about its commands.

    python scripts/update_redis_commands.py --server 127.0.0.1:6379     # merge what this server's COMMAND says
    python scripts/update_redis_commands.py --json facts.json           # start from a file of such facts
    python scripts/update_redis_commands.py --check [...]               # write nothing; exit 1 if the file would change

The table holds the newest facts known. A server at least as new as the table (`VERSION`) updates its entries; an older
one only adds the commands the table does not have, so that running this against an old server takes nothing away.
Commands the given source does not know are kept.

The JSON form: {"commands": {"CLIENT LIST": {"arity", "flags", "since", "key_specs": [{"flags", "begin_search",
"find_keys"}]}}}, key specs with the field names of https://redis.io/docs/latest/develop/reference/key-specs/.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parent.parent / "l7codec" / "protocols" / "redis" / "command_table.py"

Version = tuple[int, int, int]
Entry = tuple[int, str, str]
Entries = dict[str, Entry]

LETTERS = {"write": "w", "readonly": "r", "blocking": "b", "pubsub": "p"}

HEADER = '''\
"""The commands of Redis, one a line: name, arity, flags, key specifications. Generated; do not edit.

Written by `scripts/update_redis_commands.py` from what redis-server answers to COMMAND. The terms are those of
https://redis.io/docs/latest/commands/command/ and https://redis.io/docs/latest/develop/reference/key-specs/.

    arity   number of arguments, the name included; negative: at least so many
    flags   w write, r readonly, b blocking, p pubsub
    keys    key specifications in the server's order, separated by blanks; each is BEGIN, then FIND:

    3             begin search at index 3
    STREAMS@4     begin search after the keyword STREAMS, sought from argument 4 on (negative: from the end, backwards)
                  find keys: nothing more said: this one argument
    1..-1         range: up to lastkey, negative from the end of the arguments, +n from where the range begins
    1..-1:2       with a keystep
    1..-1/2       with a limit: the first half of the arguments left
    2#            keynum: argument 2 is the number of keys that follow it
    2#i,f         the same, where number and first key lie i and f arguments further on
    ?             unknown: the specification cannot say it
    !1            not_key: counts for the cluster slot, but is no key (a shard channel)
    1~            incomplete: there may be more keys than this says
"""

from typing import Final

VERSION: Final = {version}
"""The newest Redis release known here."""

TABLE: Final[dict[str, tuple[int, str, str]]] = {{
'''


def notation(spec: dict[str, Any]) -> str:
    """One key specification in the table's notation."""
    begin, find = spec["begin_search"], spec["find_keys"]
    if "unknown" in (begin["type"], find["type"]):
        text = "?"
    else:
        text = str(begin["index"]) if begin["type"] == "index" else f"{begin['keyword']}@{begin['startfrom']}"
        if find["type"] == "keynum":
            place = find["keynumidx"], find["firstkey"]
            text += "#" if place == (0, 1) else "#{},{}".format(*place)
        elif find["lastkey"]:
            text += f"..{find['lastkey']:+}"
        if find["step"] != 1:
            text += f":{find['step']}"
        if find.get("limit", 0) > 1:  # 0 and 1 both say: no limit
            text += f"/{find['limit']}"
    return "!" * ("not_key" in spec["flags"]) + text + "~" * ("incomplete" in spec["flags"])


def entry(arity: int, flags: list[str], key_specs: list[dict[str, Any]]) -> Entry:
    """One command's line."""
    return arity, "".join(c for flag, c in LETTERS.items() if flag in flags), " ".join(map(notation, key_specs))


def read_json(path: Path) -> tuple[Version, Entries]:
    """Entries and the newest release among them."""
    commands = json.loads(path.read_text())["commands"]
    entries = {name: entry(facts["arity"], facts["flags"], facts["key_specs"]) for name, facts in commands.items()}
    return max(version(facts["since"]) for facts in commands.values() if not facts.get("module")), entries


def read_server(address: str) -> tuple[Version, Entries]:
    """Entries and release of a live server; COMMAND tells key specifications since Redis 7.0."""
    import redis

    host, _, port = address.rpartition(":")
    with redis.Redis(host=host.strip("[]"), port=int(port), decode_responses=True) as client:
        release = version(client.info("server")["redis_version"])
        client.response_callbacks.clear()
        if release < (7, 0, 0):
            raise SystemExit(f"{address} is Redis {release}: COMMAND has no key specifications before 7.0")
        entries: Entries = {}
        waiting = list(client.execute_command("COMMAND"))
        while waiting:
            name, arity, flags, *_, key_specs, subcommands = waiting.pop()[:10]
            entries[name.replace("|", " ").upper()] = entry(arity, flags, list(map(live_spec, key_specs)))
            waiting += subcommands
    return release, entries


def live_spec(reply: Any) -> dict[str, Any]:
    """One key specification of a COMMAND reply (maps, or flat arrays in RESP2) with the JSON form's field names."""

    def mapping(value: Any) -> dict[str, Any]:
        return value if isinstance(value, dict) else dict(zip(value[::2], value[1::2], strict=True))

    spec = mapping(reply)
    begin, find = mapping(spec["begin_search"]), mapping(spec["find_keys"])
    places = mapping(find["spec"])
    if "keystep" in places:
        places["step"] = places.pop("keystep")
    return {
        "flags": [flag.lower() for flag in spec["flags"]],
        "begin_search": {"type": begin["type"], **mapping(begin["spec"])},
        "find_keys": {"type": find["type"], **places},
    }


def version(text: str) -> Version:
    """`7.0.15` as numbers."""
    major, minor, patch = (int(part) for part in [*text.split("."), "0"][:3])
    return major, minor, patch


def merge(known: Version, entries: Entries, release: Version, news: Entries) -> tuple[Version, Entries]:
    """What `entries` become when a source of this release is read."""
    merged = {**entries, **news} if release >= known else {**news, **entries}
    return max(known, release), merged


def parse(path: Path) -> tuple[Version, Entries]:
    """The table as it is written."""
    if not path.exists():
        return (0, 0, 0), {}
    module = runpy.run_path(str(path))
    return module["VERSION"], module["TABLE"]


def render(release: Version, entries: Entries) -> str:
    """The text of the table."""
    lines = [
        f'    "{name}": ({arity}, "{flags}", "{keys}"),\n' for name, (arity, flags, keys) in sorted(entries.items())
    ]
    return HEADER.format(version=release) + "".join(lines) + "}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--server", metavar="HOST:PORT")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the table would change")
    options = parser.parse_args()

    state = parse(TABLE)
    if options.json:
        state = merge(*state, *read_json(options.json))
    if options.server:
        state = merge(*state, *read_server(options.server))
    text = render(*state)
    if TABLE.exists() and TABLE.read_text() == text:
        return 0
    if options.check:
        print(f"{TABLE.name} is not what the facts give: run {Path(__file__).name}", file=sys.stderr)
        return 1
    TABLE.write_text(text)
    print(f"{TABLE.name}: {len(state[1])} commands, Redis {'.'.join(map(str, state[0]))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
