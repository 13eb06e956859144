"""Every metadata key: its one type, which protocols emit it, what it means.

Rules, the command line and JSON all use these names; a law proves that codecs emit nothing else. `header.<name>` holds
what the application itself sent, by its name on the wire; `<protocol>.<name>` what is particular to a protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["VOCABULARY", "Term", "term", "types"]


class Term(NamedTuple):
    """One metadata key."""

    type: type
    protocols: tuple[str, ...]
    """Which protocols' messages carry it; () where the connection gives it."""
    meaning: str


VOCABULARY: Mapping[str, Term] = {
    # -- what is called, on what ------------------------------------------------------------------------------
    "method": Term(str, ("dubbo", "redis"), "what is asked for: the command in upper case, container commands whole"),
    "service": Term(str, ("dubbo",), "what is called: the name of the service or interface"),
    "version": Term(str, ("dubbo",), "the version of the service"),
    "group": Term(str, ("dubbo",), "the group of the service, or the consumer group"),
    "keys": Term(tuple, ("redis",), "the keys that the command names, in order"),
    "topics": Term(tuple, (), "the topics that the request names, in order"),
    "client_id": Term(str, (), "how the client names itself"),
    "header.*": Term(
        object, ("dubbo",), "a header of the application's; a tuple if the name is repeated, else a string"
    ),
    # -- how it went ------------------------------------------------------------------------------------------
    "status": Term(str, ("dubbo", "redis"), 'on responses: "ok" or "error"'),
    "error.type": Term(str, ("dubbo", "redis"), "the error's own type"),
    "error.message": Term(str, ("dubbo", "redis"), "the error's own text"),
    # -- the connection ---------------------------------------------------------------------------------------
    "peer.address": Term(str, (), "the transport's own peer"),
    "peer.port": Term(int, (), "the transport's own peer"),
    "source.address": Term(str, ("proxy",), "who opened the connection: the peer, or whom a PROXY header names"),
    "source.port": Term(int, ("proxy",), "the same"),
    "destination.address": Term(str, ("proxy",), "whom the connection was opened to"),
    "destination.port": Term(int, ("proxy",), "the same"),
    "tls.sni": Term(str, ("proxy",), "the server name that the client asked for"),
    "tls.alpn": Term(tuple, ("proxy",), "the application protocols that the client offered, or the one agreed on"),
    "conversation": Term(int, (), "over datagrams: which of the conversations that one point observes, from 1"),
    # -- Redis ------------------------------------------------------------------------------------------------
    "redis.write": Term(bool, ("redis",), "the command may write"),
    "redis.slot": Term(int, ("redis",), "the cluster slot of all the command's keys, or of a redirection"),
    "redis.channels": Term(tuple, ("redis",), "the channels or patterns that a pub/sub command or message names"),
    "redis.resp": Term(int, ("redis",), "on what the server sends: the version of RESP in force, 2 or 3"),
    "redis.push": Term(str, ("redis",), "what a push is: its first element (message, invalidate, …), or monitor"),
    "redis.redirect": Term(str, ("redis",), "host:port that a MOVED or ASK error sends the client to"),
    "redis.replication": Term(
        str, ("redis",), "of what a master sends: header, rdb (a piece of the data set), end, or stream (a command)"
    ),
    # -- Dubbo ------------------------------------------------------------------------------------------------
    "dubbo.protocol_version": Term(str, ("dubbo",), "on requests: the protocol's version, 2.0.2 nowadays"),
    "dubbo.serialization": Term(str, ("dubbo",), "what the body is written in: hessian2, …; else its number"),
    "dubbo.parameter_types": Term(tuple, ("dubbo",), "on requests: the types of the method's parameters"),
    "dubbo.generic": Term(str, ("dubbo",), "$invoke, $invokeAsync or $echo, where the method was called through it"),
    "dubbo.conflict": Term(
        tuple, ("dubbo",), "path, version: said twice and differently; what the provider obeys is in service, version"
    ),
    "dubbo.status": Term(int, ("dubbo",), "on responses: the status; 20 is OK"),
    "dubbo.event": Term(str, ("dubbo",), "heartbeat, readonly, writeable, mock, or what else an event says"),
    "dubbo.telnet": Term(
        str, ("dubbo",), "text instead of frames: the command that a person typed, or output, or prompt"
    ),
    # -- PROXY ------------------------------------------------------------------------------------------------
    "proxy.version": Term(int, ("proxy",), "1 or 2"),
    "proxy.command": Term(
        str, ("proxy",), '"PROXY": for another; "LOCAL": of the proxy itself, from its own addresses'
    ),
    "proxy.family": Term(str, ("proxy",), '"inet", "inet6", "unix" or "unspec"; absent where the header is LOCAL'),
    "proxy.transport": Term(str, ("proxy",), '"stream", "dgram" or "unspec"; absent where the header is LOCAL'),
    "proxy.tlv.crc32c": Term(bool, ("proxy",), "the header has a checksum, which is right"),
    "proxy.tlv.unique_id": Term(str, ("proxy",), "what the proxy calls the connection"),
    "proxy.tlv.netns": Term(str, ("proxy",), "the network namespace"),
    "proxy.tlv.ssl.client_ssl": Term(bool, ("proxy",), "the client connected over TLS"),
    "proxy.tlv.ssl.client_cert_conn": Term(bool, ("proxy",), "the client showed a certificate on this connection"),
    "proxy.tlv.ssl.client_cert_sess": Term(bool, ("proxy",), "the client showed a certificate in this TLS session"),
    "proxy.tlv.ssl.verify": Term(int, ("proxy",), "the verdict on the certificate; 0 alone proves nothing"),
    "proxy.tlv.ssl.verified": Term(bool, ("proxy",), "over TLS, with a certificate, and the verdict is 0"),
    "proxy.tlv.ssl.version": Term(str, ("proxy",), "the version of TLS"),
    "proxy.tlv.ssl.cn": Term(str, ("proxy",), "the common name in the client's certificate"),
    "proxy.tlv.ssl.cipher": Term(str, ("proxy",), "the cipher"),
    "proxy.tlv.ssl.sig_alg": Term(str, ("proxy",), "the algorithm that signed the proxy's certificate"),
    "proxy.tlv.ssl.key_alg": Term(str, ("proxy",), "the key's algorithm in the proxy's certificate"),
    "proxy.tlv.ssl.group": Term(str, ("proxy",), "the key exchange's group"),
    "proxy.tlv.ssl.sig_scheme": Term(str, ("proxy",), "the scheme of the handshake's signature"),
    "proxy.tlv.aws.vpce_id": Term(str, ("proxy",), "the VPC endpoint that the connection came through"),
    "proxy.tlv.azure.link_id": Term(int, ("proxy",), "the private endpoint that the connection came through"),
    "proxy.tlv.gcp.psc_connection_id": Term(int, ("proxy",), "the Private Service Connect connection"),
}


def term(key: str) -> Term | None:
    """The term a metadata key stands for, `header.<name>` included; None if there is none."""
    found = VOCABULARY.get(key)
    if found is None and key.startswith("header."):
        found = VOCABULARY["header.*"]
    return found


def types() -> dict[str, type]:
    """Each key's type: what `RouteTable.check(vocabulary=…)` takes."""
    return {key: entry.type for key, entry in VOCABULARY.items()}
