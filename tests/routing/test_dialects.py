"""Foreign documents: what they mean, what is refused, and that writing them back loses nothing."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

import routing
from tests.interop import test_envoy_routing as proof
from tests.routing.envoy_peers import CLUSTERS

pytestmark = pytest.mark.skipif(not routing.regex.available(), reason="no google-re2: pip install 'l7codec[re2]'")

META_ROUTER: dict[str, Any] = {
    "apiVersion": "metaprotocol.aeraki.io/v1alpha1",
    "kind": "MetaRouter",
    "metadata": {"name": "shop", "namespace": "shop"},
    "spec": {
        "hosts": ["com.acme.demo"],
        "gateways": ["istio-system/gw"],
        "exportTo": ["."],
        "routes": [
            {
                "name": "canary",
                "match": {
                    "attributes": {
                        "interface": {"exact": "com.acme.Demo"},
                        "method": {"prefix": "get"},
                        "user": {"regex": "u[0-9]+"},
                    }
                },
                "route": [
                    {"destination": {"host": "com.acme.demo", "subset": "v1", "port": {"number": 20880}}, "weight": 80},
                    {"destination": {"host": "com.acme.demo", "subset": "v2"}, "weight": 20},
                ],
                "mirror": {"host": "com.acme.demo", "subset": "v3"},
                "mirrorPercentage": {"value": 12.5},
                "requestMutation": [{"key": "k", "value": "v"}],
                "responseMutation": [],
            },
            {"name": "rest", "route": [{"destination": {"host": "com.acme.demo"}}]},
        ],
        "localRateLimit": {
            "tokenBucket": {"maxTokens": 10, "tokensPerFill": 10, "fillInterval": "60s"},
            "conditions": [
                {
                    "match": {"attributes": {"method": {"exact": "hi"}}},
                    "tokenBucket": {"maxTokens": 1, "tokensPerFill": 1, "fillInterval": "0.05s"},
                }
            ],
        },
        "globalRateLimit": {
            "domain": "d",
            "rateLimitService": "outbound|8081||rls",
            "requestTimeout": "20ms",
            "denyOnFail": True,
            "match": {"attributes": {"method": {"exact": "hi"}}},
            "descriptors": [{"property": "method", "descriptorKey": "method"}],
        },
    },
}


def test_a_meta_router_finds_its_dialect_and_decides() -> None:
    table = routing.load(META_ROUTER)
    message = {"service": "com.acme.Demo", "method": "getIt", "header.User": "u7"}
    # S11 of the facts: weights by random % sum, half-open intervals in list order
    for number, subset in ((0, "v1"), (79, "v1"), (80, "v2"), (99, "v2"), (100, "v1")):
        decision = table.match(message, random=number)
        assert decision is not None
        assert decision.destination is not None
        assert (decision.route.name, decision.destination.subset) == ("canary", subset)
        assert decision.edits == {"header.k": "v"}
    other = table.match({"service": "com.acme.Demo", "method": "set"})
    assert other is not None
    assert other.route.name == "rest"


def test_a_meta_router_is_written_back() -> None:
    table = routing.load(META_ROUTER)
    written = routing.dump(table, "aeraki")
    assert routing.load(written).routes == table.routes
    expected = copy.deepcopy(META_ROUTER)
    expected["spec"]["routes"][0].pop("responseMutation")
    expected["spec"]["globalRateLimit"]["requestTimeout"] = "0.02s"
    assert written == expected


def test_the_quirks_of_meta_routers_are_followed_and_reported() -> None:
    document = {
        "apiVersion": "metaprotocol.aeraki.io/v1alpha1",
        "kind": "MetaRouter",
        "spec": {
            "hosts": ["a", "b"],
            "routes": [
                {
                    "name": "presence",
                    "match": {"attributes": {"user": {}}},
                    "route": [{"destination": {"host": "a"}, "weight": 30}],
                    "mirror": {"host": "m"},
                    "mirrorPercentage": {"value": 0},
                }
            ],
            "globalRateLimit": {
                "rateLimitService": "s",
                "match": {},
                "descriptors": [{"property": "method", "descriptorKey": "m"}],
            },
        },
    }
    table = routing.load(document)
    decision = table.match({})
    assert decision is not None  # the only attribute is dropped: the rule takes everything
    assert [mirror.host for mirror in decision.mirrors] == ["m"]
    limit = table.global_rate_limit
    assert limit is not None
    assert routing.GlobalLimiter(limit).descriptors({"method": "x"}) == ()
    quirks = [finding.message for finding in table.check() if finding.kind == "quirk"]
    for word in ("only the first host", "dropped", "weight means nothing", "mirrors everything", "limits nothing"):
        assert any(word in quirk for quirk in quirks), word


def thrift(*routes: Any) -> dict[str, Any]:
    return {
        "route_config": {
            "name": "r",
            "routes": [{"match": match, "route": {"cluster": f"c{number}"}} for number, match in enumerate(routes)],
        }
    }


def cluster(table: routing.RouteTable, metadata: dict[str, Any], number: int = 0) -> str | None:
    decision = table.match(metadata, random=number)
    return None if decision is None or decision.destination is None else decision.destination.host


MATCHERS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    # S1: any value matcher on an absent header is false, even inverted; only presence inverts
    ({"string_match": {"exact": "a"}}, {}, False),
    ({"string_match": {"exact": "a"}, "invert_match": True}, {}, False),
    ({"string_match": {"exact": "a"}, "invert_match": True}, {"header.x": "b"}, True),
    ({"present_match": True, "invert_match": True}, {}, True),
    ({"present_match": False}, {}, True),
    ({"present_match": False}, {"header.x": ""}, False),
    ({}, {"header.x": ""}, True),
    ({"present_match": True, "treat_missing_header_as_empty": True}, {}, True),
    ({"present_match": False, "treat_missing_header_as_empty": True}, {}, False),
    ({"string_match": {"exact": ""}, "treat_missing_header_as_empty": True}, {}, True),
    ({"string_match": {"exact": "a"}, "treat_missing_header_as_empty": True, "invert_match": True}, {}, True),
    # S2: any value of a repeated header, then inverted; names in any case
    ({"string_match": {"exact": "a"}}, {"header.X": ("b", "a")}, True),
    ({"string_match": {"exact": "a"}, "invert_match": True}, {"header.x": ("b", "a")}, False),
    # S3
    ({"range_match": {"start": "0", "end": "9"}}, {"header.x": " +08 "}, True),
    ({"range_match": {"start": "0", "end": "9"}}, {"header.x": "9"}, False),
    ({"range_match": {"start": "0", "end": "9"}}, {"header.x": "5x"}, False),
    ({"range_match": {"start": "9", "end": "0"}}, {"header.x": "5"}, False),
    # S4: bytes as Latin-1
    ({"string_match": {"safe_regex": {"regex": "."}}}, {"header.x": "é"}, False),
    ({"string_match": {"safe_regex": {"regex": ".."}}}, {"header.x": "é"}, True),
    # S5: the legacy exact_match "" is any value
    ({"exact_match": ""}, {"header.x": "a"}, True),
    ({"string_match": {"exact": ""}}, {"header.x": "a"}, False),
    ({"string_match": {"prefix": "AB", "ignore_case": True}}, {"header.x": "aBc"}, True),
]


@pytest.mark.parametrize(("matcher", "metadata", "expected"), MATCHERS)
def test_header_matchers(matcher: dict[str, Any], metadata: dict[str, Any], expected: bool) -> None:
    table = routing.load(thrift({"method_name": "", "headers": [{"name": "X", **matcher}]}), dialect="envoy-thrift")
    assert (cluster(table, metadata) == "c0") is expected
    again = routing.load(routing.dump(table, "envoy-thrift"), dialect="envoy-thrift") if writable(table) else table
    assert (cluster(again, metadata) == "c0") is expected


def writable(table: routing.RouteTable) -> bool:
    try:
        routing.dump(table, "envoy-thrift")
    except routing.ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    ("document", "dialect", "path"),
    [
        (thrift({"method_name": "", "invert": True}), "envoy-thrift", "route_config.routes[0].match.invert"),
        (
            thrift({"method_name": "a", "headers": [{"name": "x", "string_match": {"prefix": ""}}]}),
            "envoy-thrift",
            "route_config.routes[0].match.headers[0].string_match.prefix",
        ),
        (
            thrift(
                {
                    "method_name": "a",
                    "headers": [{"name": "x", "string_match": {"safe_regex": {"regex": "(a{1,90}b){1,9}"}}}],
                }
            ),
            "envoy-thrift",
            "route_config.routes[0].match.headers[0].string_match.safe_regex.regex",
        ),
        (
            {
                "route_config": [
                    {
                        "name": "t",
                        "interface": "a",
                        "routes": [
                            {
                                "match": {
                                    "method": {"name": {"exact": "m"}, "params_match": {"0": {"exact_match": "a"}}}
                                },
                                "route": {"cluster": "c"},
                            }
                        ],
                    }
                ]
            },
            "envoy-dubbo",
            "route_config[0].routes[0].match.method.params_match",
        ),
        (
            {
                "route_config": [
                    {
                        "name": "t",
                        "interface": "a",
                        "routes": [
                            {
                                "match": {"method": {"name": {"exact": "m"}}},
                                "route": {"weighted_clusters": {"clusters": [{"name": "c", "weight": 0}]}},
                            }
                        ],
                    }
                ]
            },
            "envoy-dubbo",
            "route_config[0].routes[0].route.weighted_clusters",
        ),
        (
            {"routes": [{"prefix": "a", "cluster": "c"}, {"prefix": "A", "cluster": "c"}], "case_insensitive": True},
            "envoy-redis",
            "routes[1].prefix",
        ),
        (
            {
                "routes": {
                    "matcher_list": {
                        "matchers": [
                            {
                                "predicate": {"and_matcher": {"predicate": []}},
                                "on_match": {"action": {"typed_config": {"@type": "x.RouteAction", "cluster": "c"}}},
                            }
                        ]
                    }
                }
            },
            "envoy-generic",
            "routes.matcher_list.matchers[0].predicate.and_matcher.predicate",
        ),
        (
            {
                "kind": "VirtualService",
                "apiVersion": "networking.istio.io/v1",
                "spec": {
                    "http": [{"match": [{"sourceLabels": {"app": "x"}}], "route": [{"destination": {"host": "a"}}]}]
                },
            },
            None,
            "spec.http[0].match[0].sourceLabels",
        ),
        (
            {
                "kind": "HTTPRoute",
                "apiVersion": "gateway.networking.k8s.io/v1",
                "spec": {"rules": [{"filters": [{"type": "URLRewrite"}], "backendRefs": [{"name": "a"}]}]},
            },
            None,
            "spec.rules[0].filters[0].type",
        ),
        (
            {
                "virtual_hosts": [
                    {
                        "name": "v",
                        "domains": ["*"],
                        "routes": [
                            {"match": {"prefix": "/", "query_parameters": [{"name": "q"}]}, "route": {"cluster": "c"}}
                        ],
                    }
                ]
            },
            "envoy-http",
            "virtual_hosts[0].routes[0].match.query_parameters",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(document: Any, dialect: str | None, path: str) -> None:
    with pytest.raises(routing.ConfigError) as caught:
        routing.load(document, dialect=dialect)
    assert path in [problem.path for problem in caught.value.errors], str(caught.value)


def test_redis_prefers_the_longest_prefix_and_cuts_keys() -> None:
    table = routing.load(
        {
            "prefix_routes": {
                "routes": [
                    {"prefix": "u", "cluster": "short"},
                    {
                        "prefix": "u:",
                        "cluster": "long",
                        "remove_prefix": True,
                        "key_formatter": "{%KEY%}",
                        "read_command_policy": {"cluster": "ro"},
                        "request_mirror_policy": [{"cluster": "m", "exclude_read_commands": True}],
                    },
                ],
                "catch_all_route": {"cluster": "rest", "prefix": "xy", "remove_prefix": True},
            }
        },
        dialect="envoy-redis",
    )
    write = table.match({"keys": ("u:é1",), "redis.write": True})
    assert write is not None
    assert (cluster(table, {"keys": ("u:é1",), "redis.write": True}), write.edits) == ("long", {"keys": ("{é1}",)})
    assert [mirror.host for mirror in write.mirrors] == ["m"]
    read = table.match({"keys": ("u:é1",), "redis.write": False})
    assert read is not None
    assert (cluster(table, {"keys": ("u:é1",), "redis.write": False}), read.mirrors) == ("ro", ())
    assert cluster(table, {"keys": ("u1",)}) == "short"
    rest = table.match({"keys": ("éab",)})
    assert rest is not None
    assert rest.edits == {"keys": ("ab",)}  # a catch-all route cuts two bytes of any key: é is two
    assert cluster(table, {}) == "rest"
    written = routing.dump(table, "envoy-redis")
    assert routing.dump(routing.load(written, dialect="envoy-redis"), "envoy-redis") == written
    assert {route["prefix"] for route in written["routes"]} == {"u", "u:"}


def test_a_thrift_cluster_header_falls_through_where_it_is_missing() -> None:
    table = routing.load(
        {
            "routes": [
                {"match": {"method_name": ""}, "route": {"cluster_header": "To"}},
                {"match": {"method_name": ""}, "route": {"cluster": "rest"}},
            ]
        },
        dialect="envoy-thrift",
    )
    assert cluster(table, {"header.to": ("there", "else")}) == "there"
    assert cluster(table, {}) == "rest"


@pytest.mark.parametrize("protocol", ["thrift", "dubbo", "redis"])
@pytest.mark.parametrize("seed", range(25))
def test_written_documents_decide_the_same(protocol: str, seed: int) -> None:
    """The random tables of the proof, written back and read again, answer the same questions the same."""
    config = getattr(proof.Maker(seed, protocol), protocol)()
    table = routing.load(config, dialect=f"envoy-{protocol}")
    try:
        written = routing.dump(table, f"envoy-{protocol}")
    except routing.ConfigError as error:
        assert "cannot" in str(error) or "more than one" in str(error) or "in a way" in str(error)
        return
    again = routing.load(written, dialect=f"envoy-{protocol}")
    rnd = random.Random(seed)
    maker = proof.Maker(seed, protocol)
    for _ in range(60):
        message: dict[str, Any] = {f"header.{name}": value for name, value in maker.attachments().items()}
        message |= {
            "service": rnd.choice(proof.SERVICES[1:]),
            "method": rnd.choice(proof.METHODS),
            "keys": (rnd.choice(proof.REDIS_KEYS),),
            "redis.write": rnd.random() < 0.5,
        }
        assert cluster(again, message) == cluster(table, message)


@pytest.mark.parametrize("seed", range(25))
def test_own_shape_keeps_every_imported_table(seed: int) -> None:
    for protocol in ("thrift", "dubbo", "redis", "generic"):
        maker = proof.Maker(seed, "dubbo" if protocol == "generic" else protocol)
        table = routing.load(getattr(maker, protocol)(), dialect=f"envoy-{protocol}")
        document = routing.dump(table)
        again = routing.load(document)
        assert routing.dump(again) == document
        assert again.origin == table.origin
        for _ in range(30):
            message: dict[str, Any] = {f"header.{name}": value for name, value in maker.attachments().items()}
            message |= {
                "service": maker.rnd.choice(proof.SERVICES),
                "method": maker.rnd.choice(proof.METHODS),
                "keys": (maker.rnd.choice(proof.REDIS_KEYS),),
                "redis.write": maker.rnd.random() < 0.5,
            }
            assert cluster(again, message) == cluster(table, message)


def test_virtual_services() -> None:
    table = routing.load(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "v"},
            "spec": {
                "hosts": ["*.shop"],
                "http": [
                    {
                        "name": "one",
                        "match": [
                            {"uri": {"prefix": "/api"}, "headers": {"end-user": {"exact": "jason"}}},
                            {"uri": {"exact": "/x"}, "withoutHeaders": {"debug": {}}},
                        ],
                        "route": [
                            {"destination": {"host": "a", "subset": "v2"}, "weight": 25},
                            {"destination": {"host": "b", "port": {"number": 80}}, "weight": 75},
                        ],
                        "timeout": "2.5s",
                        "retries": {"attempts": 3, "retryOn": "5xx,reset"},
                        "fault": {"abort": {"httpStatus": 503, "percentage": {"value": 100}}},
                        "mirror": {"host": "m"},
                        "mirrorPercentage": {"value": 100},
                        "headers": {"request": {"set": {"a": "1"}, "remove": ["b"]}},
                    },
                    {"route": [{"destination": {"host": "c"}}]},
                ],
            },
        }
    )
    decision = table.match({"service": "www.SHOP", "path": "/api/1", "header.End-User": "jason"}, random=24)
    assert decision is not None
    assert decision.to_dict() | {"hash": None} == {
        "route": "one",
        "index": 0,
        "destination": {"host": "a", "subset": "v2", "port": None},
        "respond": None,
        "edits": {"header.a": "1", "header.b": None},
        "response_edits": {},
        "mirrors": [{"host": "m", "subset": None, "port": None}],
        "hash": None,
        "timeout": 2.5,
        "delay": None,
        "abort": 503,
        "descriptors": [],
    }
    assert cluster(table, {"service": "www.shop", "path": "/x"}, 25) == "b"
    assert cluster(table, {"service": "www.shop", "path": "/x", "header.debug": "1"}) == "c"
    assert table.match({"service": "other"}) is None
    assert routing.load(routing.dump(table, "istio")).routes == table.routes


def test_gateway_routes_are_ordered_by_the_specification() -> None:
    table = routing.load(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "spec": {
                "rules": [
                    {"name": "root", "backendRefs": [{"name": "root"}]},
                    {
                        "name": "prefix",
                        "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
                        "backendRefs": [{"name": "p"}],
                    },
                    {
                        "name": "longer",
                        "matches": [{"path": {"type": "PathPrefix", "value": "/api/v1"}}],
                        "backendRefs": [{"name": "l"}],
                    },
                    {
                        "name": "header",
                        "matches": [
                            {"path": {"type": "PathPrefix", "value": "/api"}, "headers": [{"name": "X", "value": "1"}]}
                        ],
                        "backendRefs": [{"name": "h"}],
                    },
                    {
                        "name": "method",
                        "matches": [{"path": {"type": "PathPrefix", "value": "/api"}, "method": "GET"}],
                        "backendRefs": [{"name": "m"}],
                    },
                    {
                        "name": "exact",
                        "matches": [{"path": {"type": "Exact", "value": "/api"}}],
                        "backendRefs": [{"name": "e"}],
                    },
                ]
            },
        }
    )
    assert [route.name for route in table.routes] == ["exact", "longer", "method", "header", "prefix", "root"]
    assert cluster(table, {"path": "/apix"}) == "root"  # by segments
    assert cluster(table, {"path": "/api/v1/x", "method": "GET"}) == "l"
    assert routing.load(routing.dump(table, "gateway-api")).routes == table.routes


def test_http_virtual_hosts_end_the_search() -> None:
    table = routing.load(
        {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "all"}}]},
                {
                    "name": "shop",
                    "domains": ["*.shop", "shop"],
                    "routes": [{"match": {"path_separated_prefix": "/api"}, "route": {"cluster": "shop"}}],
                },
            ]
        },
        dialect="envoy-http",
    )
    assert cluster(table, {"service": "a.SHOP", "path": "/api/x"}) == "shop"
    lost = table.match({"service": "a.shop", "path": "/apix"})
    assert lost is not None
    assert lost.respond is not None
    assert (lost.respond.reason, lost.destination) == ("no_route", None)
    assert cluster(table, {"service": "b", "path": "/apix"}) == "all"


@pytest.mark.parametrize("dialect", [one for one in routing.DIALECTS if one != "l7codec"])
@pytest.mark.parametrize(
    "document",
    [
        None,
        5,
        [],
        "x",
        {"routes": 5},
        {"spec": 5},
        {"route_config": [5]},
        {"x": {"y": 1}},
        {1: 2},
        {"routes": [None]},
        {"spec": {"rules": [{}], "http": [{}], "routes": [{}]}},
        {"virtual_hosts": [{}]},
        {"routes": {"matcher_tree": {}}},
    ],
)
def test_no_document_raises_anything_else(dialect: str, document: Any) -> None:
    try:
        routing.load(document, dialect=dialect)
    except routing.ConfigError as error:
        assert error.errors


def test_what_a_dialect_cannot_say_is_refused_when_written() -> None:
    table = routing.load(
        {
            "routes": [
                {
                    "name": "r",
                    "match": {"attributes": {"source.address": {"cidr": "10.0.0.0/8"}}},
                    "destinations": [{"host": CLUSTERS[0]}],
                    "timeout": 1,
                }
            ]
        }
    )
    for dialect in routing.DIALECTS[1:]:
        with pytest.raises(routing.ConfigError) as caught:
            routing.dump(table, dialect)
        assert caught.value.errors[0].path.startswith("routes[0]")
