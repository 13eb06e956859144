"""Write `schema_table.py` and `error_table.py` of `l7codec/protocols/kafka` from Apache Kafka's releases.

    python scripts/update_kafka_schemas.py kafka-clients-4.5.0.jar        # add what this release knows to the tables
    python scripts/update_kafka_schemas.py ~/kafka                        # the same, from a checkout of its sources
    python scripts/update_kafka_schemas.py --fresh 3.9.jar … 4.4.jar      # make them anew, oldest release first
    python scripts/update_kafka_schemas.py --fetch --fresh                # the same, with the releases they came from
    python scripts/update_kafka_schemas.py --check …                      # write nothing; exit 1 if a file would change

A release is its `kafka-clients` jar (https://repo1.maven.org/maven2/org/apache/kafka/kafka-clients/), which holds the
message definitions under `common/message`; a directory of those JSON files; or a checkout, which has them in
`clients/src/main/resources/common/message`. Of each version of a message the newest release that has it decides;
versions that it has dropped stay as an older one, or the table, has them: 3.9 is the last that knows those of 0.8.
Error codes are read from a jar with `javap`; a directory leaves them as they are.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "l7codec" / "protocols" / "kafka"
sys.path.insert(0, str(ROOT))

RELEASES = ("3.9.2", "4.0.2", "4.1.2", "4.2.2", "4.3.1", "4.4.0")
"""What the tables were made from: the last of each line since the one that still knew everything."""
MAVEN = "https://repo1.maven.org/maven2/org/apache/kafka/kafka-clients/{0}/kafka-clients-{0}.jar"

ENTITIES = {
    "topicName": "topic",
    "groupId": "group",
    "transactionalId": "transactional_id",
    "producerId": "producer_id",
    "brokerId": "broker",
}

Versions = frozenset[int]
Tree = list[dict[str, Any]]

SCHEMA_HEADER = '''\
# fmt: off
# ruff: noqa: E501
"""The messages of Apache Kafka, one API a line. Generated; do not edit.

Written by `scripts/update_kafka_schemas.py` from the message definitions of Kafka {releases}.

    APIS    key: "name, its versions, its flexible versions | fields of the request | fields of the response"
    DATA    name: "versions, flexible versions | fields" of headers, and of what messages and records carry as bytes

A field is its name and its type, and where they say more than nothing:

    3+  0-12  7   the versions that have it, if they are fewer than those of what it stands in
    ?  ?9+        it may be null, in these versions
    =-1           its default, where that is not 0, false or empty
    #0  #0:7+     its tag (KIP-482), in these versions
    ~             ignorable: it may be dropped where the version lacks it
    @topic        what it names
    !             never in compact form
    {{ … }}         the fields of a struct, or of an array's (`[]`) elements
"""

from typing import Final

'''

ERROR_HEADER = '''\
"""The error codes of Apache Kafka and whether a client may try again. Generated; do not edit.

Written by `scripts/update_kafka_schemas.py` from `org.apache.kafka.common.protocol.Errors` of Kafka {release}.
"""

from typing import Final

ERRORS: Final[dict[int, str]] = {{
'''


# -- reading a release ----------------------------------------------------------------------------------------------


def read_release(path: Path) -> dict[str, dict[str, Any]]:
    """The message definitions of a jar or a directory, by name."""
    found = {}
    for name, text in _files(path):
        try:
            message = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
            removed = message["validVersions"] == "none"
        except (ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"{name}: not a message definition: {error!r}") from None
        if message["type"] in ("request", "response", "data", "header") and not removed:
            found[message["name"]] = tree(message)
    if not found:
        raise SystemExit(f"{path}: no message definitions")
    return found


_PLACES = (".", "common/message", "clients/src/main/resources/common/message")
"""Where a directory may hold the definitions. Not just anywhere: Kafka's other modules have files of the kind, too."""


def _files(path: Path) -> Iterator[tuple[str, str]]:
    """Names and texts."""
    if path.is_dir():
        for file in next((files for place in _PLACES if (files := sorted((path / place).glob("*.json")))), []):
            yield str(file), file.read_text()
    elif not path.exists():
        raise SystemExit(f"{path}: there is no such file")
    else:
        with zipfile.ZipFile(path) as jar:
            for name in jar.namelist():
                if re.fullmatch(r"common/message/\w+\.json", name):
                    yield f"{path}: {name}", jar.read(name).decode()


def tree(message: dict[str, Any]) -> dict[str, Any]:
    valid = versions(message["validVersions"], frozenset(range(1000)))
    structs = {struct["name"]: struct for struct in message.get("commonStructs", [])}
    return {
        "key": message.get("apiKey"),
        "type": message["type"],
        "name": message["name"],
        "versions": valid,
        "flexible": versions(message.get("flexibleVersions", "none"), valid),
        "fields": [field(one, valid, structs) for one in message["fields"]],
    }


def versions(text: str, within: Versions) -> Versions:
    if text in ("none", ""):
        return frozenset()
    first, last = (text[:-1], "999") if text.endswith("+") else (text, text)
    if "-" in text:
        first, last = text.split("-")
    return within & frozenset(range(int(first), int(last) + 1))


def field(one: dict[str, Any], within: Versions, structs: dict[str, Any]) -> dict[str, Any]:
    type_ = one["type"]
    array = type_.startswith("[]")
    element = type_.removeprefix("[]")
    has = versions(one.get("versions", one.get("taggedVersions", "none")), within)
    fields: Tree = []
    if element[0].isupper():
        inner = one.get("fields") or structs[element]["fields"]
        fields = [field(each, has, structs) for each in inner]
        element = "" if array else "struct"
    default = one.get("default")
    return {
        "name": snake(one["name"]),
        "type": ("[]" if array else "") + element,
        "versions": has,
        "nullable": versions(one.get("nullableVersions", "none"), has),
        "tag": one.get("tag"),
        "tagged": versions(one.get("taggedVersions", "none"), has),
        "default": plain_default(element, default),
        "ignorable": bool(one.get("ignorable", False)),
        "entity": ENTITIES.get(one.get("entityType", ""), ""),
        "legacy": one.get("flexibleVersions") == "none",
        "fields": fields,
    }


def plain_default(type_: str, default: Any) -> str:
    """A default as the table has it; empty where it is the type's own."""
    if default is None:
        return ""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    if text == "null":
        return text
    if "int" in type_:
        text = str(int(text, 0))
    return "" if text in ("", "0", "false") else text


def snake(name: str) -> str:
    name = name.replace("KRaft", "Kraft")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def read_table() -> dict[str, dict[str, Any]]:
    """What the table holds now, as if it were a release."""
    from l7codec.protocols.kafka import schema

    found = {}
    for key in schema.API_NAMES:
        known = schema.api(key)
        for type_, message in (("request", known.request), ("response", known.response)):
            found[message.name] = _from_schema(message, type_, key)
    for name in schema.DATA:
        found[name] = _from_schema(schema.data_schema(name), "header" if name.endswith("Header") else "data", None)
    return found


def _from_schema(message: Any, type_: str, key: int | None) -> dict[str, Any]:
    valid = frozenset(range(message.versions.first, message.versions.last + 1))

    def plain(one: Any, within: Versions) -> dict[str, Any]:
        has = versions(str(one.versions), within)
        return {
            "name": one.name,
            "type": ("[]" if one.array else "") + ("" if one.array and one.fields else one.type),
            "versions": has,
            "nullable": versions(str(one.nullable), has),
            "tag": one.tag,
            "tagged": versions(str(one.tagged), has),
            "default": one.default or "",
            "ignorable": one.ignorable,
            "entity": one.entity,
            "legacy": one.legacy,
            "fields": [plain(each, has) for each in one.fields],
        }

    return {
        "key": key,
        "type": type_,
        "name": message.name,
        "versions": valid,
        "flexible": versions(str(message.flexible), valid),
        "fields": [plain(one, valid) for one in message.fields],
    }


# -- merging --------------------------------------------------------------------------------------------------------


def merge_releases(releases: Iterable[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Oldest first; of each version of a message the newest release that has it decides."""
    merged: dict[str, dict[str, Any]] = {}
    for release in releases:
        for name, message in release.items():
            merged[name] = merge(message, merged[name]) if name in merged else message
    return merged


def merge(newer: dict[str, Any], older: dict[str, Any]) -> dict[str, Any]:
    kept = older["versions"] - newer["versions"]
    return {
        **newer,
        "versions": newer["versions"] | kept,
        "flexible": newer["flexible"] | (older["flexible"] & kept),
        "fields": merge_fields(newer["fields"], older["fields"], kept),
    }


def merge_fields(newer: Tree, older: Tree, kept: Versions) -> Tree:
    """The newer fields, and those of older ones that versions in `kept` have, each behind the one it stood behind."""
    result = [dict(one) for one in newer]
    place = 0
    for one in older:
        if not one["versions"] & kept:
            continue
        names = [(each["name"], each["type"]) for each in result]
        if (one["name"], one["type"]) in names:
            place = names.index((one["name"], one["type"]))
            into = result[place]
            for part in ("versions", "nullable", "tagged"):
                into[part] = into[part] | (one[part] & kept)
            into["fields"] = merge_fields(into["fields"], one["fields"], kept)
            if into["tag"] is None:
                into["tag"] = one["tag"]
            place += 1
        else:
            result.insert(place, cut(one, kept))
            place += 1
    return result


def cut(one: dict[str, Any], kept: Versions) -> dict[str, Any]:
    inner = [cut(each, kept) for each in one["fields"] if each["versions"] & kept]
    return {**one, **{part: one[part] & kept for part in ("versions", "nullable", "tagged")}, "fields": inner}


# -- writing --------------------------------------------------------------------------------------------------------


def span(chosen: Versions, within: Versions) -> str:
    """A set of versions as a range."""
    if not chosen:
        return "none"
    first, last = min(chosen), max(chosen)
    if chosen != frozenset(range(first, last + 1)):
        raise SystemExit(f"versions with a hole: {sorted(chosen)}")
    if last == max(within):
        return f"{first}+"
    return str(first) if first == last else f"{first}-{last}"


def notation(fields: Tree, within: Versions, valid: Versions) -> str:
    parts = []
    for one in fields:
        has = one["versions"]
        if not has:
            continue
        marks = [one["name"], one["type"] or "[]"]
        if has != within:
            marks.append(span(has, valid))
        if one["nullable"]:
            marks.append("?" if one["nullable"] == has else f"?{span(one['nullable'], valid)}")
        if one["default"]:
            marks.append(f"={one['default']}")
        if one["tag"] is not None and one["tagged"]:
            marks.append(f"#{one['tag']}" + ("" if one["tagged"] == has else f":{span(one['tagged'], valid)}"))
        marks += ["~"] * one["ignorable"] + [f"@{one['entity']}"] * bool(one["entity"]) + ["!"] * one["legacy"]
        if one["fields"]:
            marks.append("{ " + notation(one["fields"], has, valid) + " }")
        parts.append(" ".join(marks))
    return " ; ".join(parts)


def write_schemas(messages: dict[str, dict[str, Any]], releases: str) -> str:
    requests = {one["key"]: one for one in messages.values() if one["type"] == "request"}
    responses = {one["key"]: one for one in messages.values() if one["type"] == "response"}
    lines = [SCHEMA_HEADER.format(releases=releases), "APIS: Final[dict[int, str]] = {\n"]
    for key in sorted(requests):
        request, response = requests[key], responses[key]
        valid = request["versions"]
        if (valid, request["flexible"]) != (response["versions"], response["flexible"]):
            raise SystemExit(f"{request['name']}: the response has other versions")
        name = request["name"].removesuffix("Request")
        head = f"{name} {min(valid)}-{max(valid)} {span(request['flexible'], valid)}"
        both = " | ".join(notation(one["fields"], valid, valid) for one in (request, response))
        lines.append(f'    {key}: "{head} | {both}",\n')
    lines.append("}\n\nDATA: Final[dict[str, str]] = {\n")
    for name, one in sorted(messages.items()):
        if one["type"] in ("data", "header"):
            valid = one["versions"]
            head = f"{min(valid)}-{max(valid)} {span(one['flexible'], valid)}"
            lines.append(f'    "{name}": "{head} | {notation(one["fields"], valid, valid)}",\n')
    lines.append("}\n")
    return "".join(lines)


# -- error codes ----------------------------------------------------------------------------------------------------


def read_errors(jar: Path) -> dict[int, tuple[str, bool]]:
    """Code to name, and whether its exception says that trying again may help. Needs a JDK's `javap`."""
    package = "org.apache.kafka.common"
    code = javap(jar, "-v", f"{package}.protocol.Errors")
    static, _, bootstrap = code[code.index("static {}") :].partition("BootstrapMethods:")
    makers = dict(re.findall(r"^  (\d+): #.*?REF_newInvokeSpecial (\S+)\.\"<init>\"", _one_each(bootstrap), re.M))
    parents = _parents(jar, sorted(set(makers.values())))
    errors: dict[int, tuple[str, bool]] = {}
    entries = re.findall(  # new; its name, ordinal, code, words; the maker of its exception
        r"// String (\w+)\n\s*\d+: (?:iconst_\w+|[bs]ipush\s+-?\d+)\n\s*\d+: (iconst_\w+|[bs]ipush\s+-?\d+)\n"
        r".*?// InvokeDynamic #(\d+):",
        static,
        flags=re.S,
    )
    for name, number, maker in entries:
        value = -1 if number == "iconst_m1" else int(re.split(r"[_\s]+", number)[-1])
        errors[value] = name, "RetriableException" in parents.get(makers.get(maker, ""), "")
    if len(errors) < 100:
        raise SystemExit(f"{jar}: only {len(errors)} error codes could be read")
    return errors


def _one_each(bootstrap: str) -> str:
    """The bootstrap methods, each on one line."""
    return re.sub(r"\n(?!  \d+: )", " ", bootstrap)


def _parents(jar: Path, classes: list[str]) -> dict[str, str]:
    """Each exception's ancestors, in one string."""
    direct: dict[str, str] = {}
    wanted = set(classes)
    while wanted:
        text = javap(jar, *sorted(one.replace("/", ".") for one in wanted))
        for name, parent in re.findall(r"class (\S+) extends (\S+)", text):
            direct[name.replace(".", "/")] = parent.replace(".", "/")
        wanted = {parent for parent in direct.values() if parent.startswith("org/")} - direct.keys()
    found = {}
    for name in classes:
        line, at = [], name
        while at in direct:
            at = direct[at]
            line.append(at)
        found[name] = " ".join(line)
    return found


def javap(jar: Path, *arguments: str) -> str:
    done = subprocess.run(["javap", "-p", "-cp", str(jar), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def write_errors(errors: dict[int, tuple[str, bool]], release: str) -> str:
    lines = [ERROR_HEADER.format(release=release)]
    lines += [f'    {code}: "{name}",\n' for code, (name, _) in sorted(errors.items())]
    lines.append("}\n\nRETRIABLE: Final[frozenset[int]] = frozenset(\n    (\n")
    lines += [f"        {code},\n" for code, (_, retriable) in sorted(errors.items()) if retriable]
    lines.append("    )\n)\n")
    return "".join(lines)


# -- the command ----------------------------------------------------------------------------------------------------


def fetch(into: Path) -> list[Path]:
    """The jars of RELEASES, from Maven Central."""
    jars = []
    for release in RELEASES:
        jar = into / f"kafka-clients-{release}.jar"
        if not jar.exists():
            with urllib.request.urlopen(MAVEN.format(release), timeout=120) as answer:
                jar.write_bytes(answer.read())
        jars.append(jar)
    return jars


def releases_of(table: str) -> list[str]:
    """The releases that the table's docstring names."""
    found = re.search(r"message definitions of Kafka (.*)\.\n", table)
    return found[1].split(", ") if found else []


def release_name(path: Path) -> str:
    """Of a jar as its name says; of sources as their build says; else a directory's name."""
    if path.is_file():
        return path.stem.removeprefix("kafka-clients-")
    path = path.resolve()
    for above in (path, *path.parents):
        build = above / "gradle.properties"
        if build.exists() and (found := re.search(r"^version=(\S+)", build.read_text(), re.M)):
            return found[1]
    return path.name


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", nargs="*", type=Path, metavar="JAR_OR_DIRECTORY")
    parser.add_argument("--fresh", action="store_true", help="forget what the tables hold")
    parser.add_argument("--fetch", action="store_true", help=f"download kafka-clients {', '.join(RELEASES)} first")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    parser.add_argument("--into", type=Path, default=PACKAGE, help="where the tables are written")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        paths = (fetch(Path(scratch)) if options.fetch else []) + options.releases
        if not paths:
            parser.error("no release given")
        known = [] if options.fresh else [read_table()]
        messages = merge_releases([*known, *map(read_release, paths)])
        names = [] if options.fresh else releases_of((PACKAGE / "schema_table.py").read_text())
        names += [name for path in paths if (name := release_name(path)) not in names]
        written = {"schema_table.py": write_schemas(messages, ", ".join(names))}
        if paths[-1].is_file():
            written["error_table.py"] = write_errors(read_errors(paths[-1]), release_name(paths[-1]))
    status = 0
    for name, text in written.items():
        file = options.into / name
        if file.exists() and file.read_text() == text:
            print(f"{name} is current")
        elif options.check:
            print(f"{name} would change")
            status = 1
        else:
            file.write_text(text)
            print(f"{name} written")
    return status


if __name__ == "__main__":
    sys.exit(main())
