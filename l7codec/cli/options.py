"""Options that several subcommands share, and what they come to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..capture import MessageReader, read_messages
from .codecs import load_codecs
from .thrift_idl import load_idl

__all__ = ["DIALECTS", "Reading", "add_dialect", "add_reading"]

DIALECTS: Final = {
    "l7codec": "rules of our own",
    "aeraki": "Aeraki MetaRouter",
    "envoy-thrift": "the route_config of Envoy's thrift_proxy",
    "envoy-dubbo": "the multiple_route_config of Envoy's dubbo_proxy",
    "envoy-redis": "the prefix_routes of Envoy's redis_proxy",
    "envoy-generic": "the route_config of Envoy's generic_proxy",
    "envoy-http": "the route_config of Envoy's HTTP connection manager",
    "istio": "Istio VirtualService",
    "gateway-api": "HTTPRoute, GRPCRoute and TCPRoute of the Gateway API",
}
"""What rules can be written for: those of `routing`, which is not imported for a list of options."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How captures are to be read; it pickles, for workers."""

    protocols: Mapping[int, str]
    tunnels: bool
    codecs: Sequence[str]
    addresses: bool = False
    """Whether messages have the connection's addresses in their metadata."""
    thrift_idl: Sequence[str] = ()
    """Files that give Thrift bodies their names."""

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Reading:
        """From the parsed command line."""
        return cls(dict(arguments.protocol), arguments.tunnels, tuple(arguments.codec))

    def load(self) -> None:
        """Make the codecs known that `--codec` names, and what `--thrift-idl` names the meaning of."""
        load_codecs(self.codecs)
        load_idl(self.thrift_idl)

    def open(self, path: str, shard: tuple[int, int] | None = None) -> MessageReader:
        """A reader of the messages in this file."""
        return read_messages(
            path, protocols=self.protocols, addresses=self.addresses, tunnels=self.tunnels, shard=shard
        )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options that `Reading` is made of, and the files."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help='a pcap or pcapng file, compressed with gzip or not; "-" is standard input',
    )
    parser.add_argument(
        "--protocol",
        action="append",
        default=[],
        type=_port,
        metavar="PORT=NAME",
        help="what servers on this port speak, whatever it looks like; may be given several times",
    )
    parser.add_argument(
        "--codec",
        action="append",
        default=[],
        metavar="FILE.py",
        help="a Python file (or module) that declares a codec of yours; it is run, so it must be one you trust",
    )
    parser.add_argument(
        "--tunnels", action="store_true", help="look into GTP-U, VXLAN, Geneve, GRE, ERSPAN and IP in IP, too"
    )


def _port(text: str) -> tuple[int, str]:
    port, _, name = text.partition("=")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16 and name):
        raise argparse.ArgumentTypeError(f"{text!r}: write it as PORT=NAME, such as 6380=redis")
    return int(port), name


def add_dialect(parser: argparse.ArgumentParser, option: str = "--dialect") -> None:
    """The option that says what rules are written for."""
    parser.add_argument(
        option,
        dest="dialect",
        choices=DIALECTS,
        metavar="DIALECT",
        help="what the rules are written for, where the file does not say so itself by its kind: one of those that "
        "`l7codec convert --help` lists (default: l7codec)",
    )
