"""Envoy's thrift_proxy before two real Thrift servers: a listener for each dialect that it knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.routing import envoy_peers

from . import thrift_peers as peers
from .thrift_wire import HANDLERS

BASE = "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy"
UPSTREAM = peers.Peer("apache", "fast", peers.Dialect("header", "binary"))
"""It takes every dialect that Envoy knows, and answers in kind."""


class Listener(NamedTuple):
    """What a listener takes: Envoy's own names."""

    transport: str = "AUTO_TRANSPORT"
    protocol: str = "AUTO_PROTOCOL"


LISTENERS = [
    Listener(),
    Listener("FRAMED", "BINARY"),
    Listener("FRAMED", "COMPACT"),
    Listener("UNFRAMED", "BINARY"),
    Listener("UNFRAMED", "COMPACT"),
    Listener("HEADER", "BINARY"),
    Listener("HEADER", "COMPACT"),
    Listener("FRAMED", "TWITTER"),
]

ROUTES = [
    {"match": {"service_name": "Other"}, "route": {"cluster": "other", "strip_service_name": True}},
    {
        "match": {
            "method_name": "add",
            "headers": [{"name": "tier", "string_match": {"exact": "none"}}],
        },
        "route": {"cluster": "nowhere"},
    },
    {"match": {"method_name": "add"}, "route": {"cluster": "everything"}},
    {"match": {"method_name": "echo"}, "route": {"cluster": "everything"}},
]


def _filter(listener: Listener) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.thrift_proxy",
        "typed_config": {
            "@type": f"{BASE}.v3.ThriftProxy",
            "stat_prefix": "t",
            "transport": listener.transport,
            "protocol": listener.protocol,
            "route_config": {"name": "r", "routes": ROUTES},
            "thrift_filters": [
                {"name": "envoy.filters.thrift.router", "typed_config": {"@type": f"{BASE}.router.v3.Router"}}
            ],
        },
    }


def _cluster(name: str, port: int | None) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [] if port is None else [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


@contextlib.contextmanager
def thrift_proxy() -> Iterator[dict[Listener, int]]:
    """The port of each listener."""
    ports = envoy_peers.free_ports(len(LISTENERS))
    with (
        peers.server(UPSTREAM, {"Everything": HANDLERS["Everything"]}) as everything,
        peers.server(UPSTREAM, {"Other": HANDLERS["Other"]}) as other,
    ):
        listeners = [
            {
                "name": f"l{port}",
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "filter_chains": [{"filters": [_filter(listener)]}],
            }
            for listener, port in zip(LISTENERS, ports, strict=True)
        ]
        clusters = [_cluster("everything", everything), _cluster("other", other), _cluster("nowhere", None)]
        config = {"static_resources": {"listeners": listeners, "clusters": clusters}}
        with envoy_peers.envoy(config, ports):
            yield dict(zip(LISTENERS, ports, strict=True))
