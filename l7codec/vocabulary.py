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
    "method": Term(
        str,
        ("dubbo", "kafka", "redis", "thrift"),
        "what is asked for: of Redis the command in upper case, container commands whole",
    ),
    "service": Term(str, ("dubbo", "thrift"), "what is called: the name of the service or interface"),
    "version": Term(str, ("dubbo",), "the version of the service"),
    "group": Term(str, ("dubbo", "kafka"), "the group of the service, or the consumer group"),
    "keys": Term(tuple, ("redis",), "the keys that the command names, in order"),
    "topics": Term(tuple, ("kafka",), "the topics that the request names, in order"),
    "client_id": Term(str, ("kafka", "thrift"), "how the client names itself"),
    "header.*": Term(
        object, ("dubbo", "thrift"), "a header of the application's; a tuple if the name is repeated, else a string"
    ),
    # -- how it went ------------------------------------------------------------------------------------------
    "status": Term(str, ("dubbo", "kafka", "redis", "thrift"), 'on responses: "ok" or "error"'),
    "error.type": Term(str, ("dubbo", "kafka", "quic", "redis", "thrift"), "the error's own type"),
    "error.message": Term(str, ("dubbo", "kafka", "quic", "redis", "thrift"), "the error's own text"),
    # -- the connection ---------------------------------------------------------------------------------------
    "peer.address": Term(str, (), "the transport's own peer"),
    "peer.port": Term(int, (), "the transport's own peer"),
    "source.address": Term(str, ("proxy",), "who opened the connection: the peer, or whom a PROXY header names"),
    "source.port": Term(int, ("proxy",), "the same"),
    "destination.address": Term(str, ("proxy",), "whom the connection was opened to"),
    "destination.port": Term(int, ("proxy",), "the same"),
    "tls.sni": Term(str, ("proxy", "quic"), "the server name that the client asked for"),
    "tls.alpn": Term(
        tuple, ("proxy", "quic"), "the application protocols that the client offered, or the one agreed on"
    ),
    "tls.versions": Term(tuple, ("quic",), "the versions of TLS that the client offered"),
    "tls.ech": Term(bool, ("quic",), "the ClientHello has an encrypted one inside, or says so: tls.sni is the outer"),
    "tls.early_data": Term(bool, ("quic",), "the client sends data before the handshake is over (0-RTT)"),
    "tls.ja4": Term(str, ("quic",), "the JA4 fingerprint of the ClientHello"),
    "tls.version": Term(str, ("quic",), "the version of TLS that the server chose"),
    "tls.cipher": Term(str, ("quic",), "the cipher that the server chose"),
    "tls.group": Term(str, ("quic",), "the group of the key exchange that the server chose"),
    "tls.hello_retry": Term(bool, ("quic",), "the server asks for another ClientHello"),
    "conversation": Term(int, ("quic",), "over datagrams: which of the conversations that one point observes, from 1"),
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
    # -- Thrift -----------------------------------------------------------------------------------------------
    "thrift.transport": Term(str, ("thrift",), "unframed, framed, header, ttheader or twitter"),
    "thrift.protocol": Term(str, ("thrift",), "binary, old_binary, compact, compact2 (fbthrift's) or json"),
    "thrift.type": Term(str, ("thrift",), "call, oneway, reply or exception"),
    "thrift.exception_field": Term(
        int, ("thrift",), "on a reply that is a declared exception: the id of the field that holds it"
    ),
    "thrift.header_id": Term(int, ("thrift",), "the sequence id in THeader's or TTHeader's own header"),
    "thrift.flags": Term(int, ("thrift",), "the flags in that header, if any is set"),
    "thrift.transforms": Term(tuple, ("thrift",), "what was done to the payload: zlib, zstd, …, or a number"),
    "thrift.acl_token": Term(str, ("thrift",), "the access token that TTHeader carries"),
    "thrift.numbered_headers": Term(tuple, ("thrift",), 'of TTHeader, those that have no name: "99=value"'),
    "thrift.trace_id": Term(str, ("thrift",), "of Finagle's header: 16 or 32 hexadecimal digits"),
    "thrift.span_id": Term(str, ("thrift",), "of Finagle's header: 16 hexadecimal digits"),
    "thrift.parent_span_id": Term(str, ("thrift",), "of Finagle's header: 16 hexadecimal digits"),
    "thrift.sampled": Term(bool, ("thrift",), "of Finagle's header: whether the trace is kept"),
    "thrift.dest": Term(str, ("thrift",), "of Finagle's header: where the client means the call to go"),
    "thrift.transport_type": Term(str, ("thrift",), "of TTHeader: how the sender frames"),
    "thrift.log_id": Term(str, ("thrift",), "of TTHeader: the id that log lines carry"),
    "thrift.from_service": Term(str, ("thrift",), "of TTHeader: who calls"),
    "thrift.from_cluster": Term(str, ("thrift",), "of TTHeader: the caller's cluster"),
    "thrift.from_idc": Term(str, ("thrift",), "of TTHeader: the caller's data centre"),
    "thrift.to_service": Term(str, ("thrift",), "of TTHeader: the service that is called"),
    "thrift.to_cluster": Term(str, ("thrift",), "of TTHeader: the callee's cluster"),
    "thrift.to_idc": Term(str, ("thrift",), "of TTHeader: the callee's data centre"),
    "thrift.to_method": Term(str, ("thrift",), "of TTHeader: the method that is called"),
    "thrift.env": Term(str, ("thrift",), "of TTHeader: the environment"),
    "thrift.dest_address": Term(str, ("thrift",), "of TTHeader: the callee's address"),
    "thrift.rpc_timeout": Term(str, ("thrift",), "of TTHeader: milliseconds for the call"),
    "thrift.read_timeout": Term(str, ("thrift",), "of TTHeader: milliseconds for a read"),
    "thrift.ring_hash_key": Term(str, ("thrift",), "of TTHeader: what consistent hashing hashes"),
    "thrift.ddp_tag": Term(str, ("thrift",), "of TTHeader: the tag of a test environment"),
    "thrift.with_mesh_header": Term(str, ("thrift",), "of TTHeader: whether a mesh header is wanted"),
    "thrift.connect_timeout": Term(str, ("thrift",), "of TTHeader: milliseconds to connect"),
    "thrift.span_context": Term(str, ("thrift",), "of TTHeader: the trace's context"),
    "thrift.short_connection": Term(str, ("thrift",), "of TTHeader: whether the connection is closed after the call"),
    "thrift.from_method": Term(str, ("thrift",), "of TTHeader: the method that calls"),
    "thrift.stress_tag": Term(str, ("thrift",), "of TTHeader: the tag of a stress test"),
    "thrift.msg_type": Term(str, ("thrift",), "of TTHeader: the message's type, a number"),
    "thrift.http_content_type": Term(
        str, ("thrift",), "of TTHeader: the content type of an HTTP request behind the call"
    ),
    "thrift.raw_ring_hash_key": Term(str, ("thrift",), "of TTHeader: what consistent hashing hashes, unhashed"),
    "thrift.lb_type": Term(str, ("thrift",), "of TTHeader: how to balance"),
    "thrift.cluster_shard_id": Term(str, ("thrift",), "of TTHeader: the shard of the cluster"),
    "thrift.frame_type": Term(str, ("thrift",), "of TTHeader: what a stream's frame is, a number"),
    "thrift.stream_timeout": Term(str, ("thrift",), "of TTHeader: milliseconds for a whole stream"),
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
    # -- Kafka ------------------------------------------------------------------------------------------------
    "kafka.api_key": Term(int, ("kafka",), "the API's number; `method` is its name"),
    "kafka.api_version": Term(int, ("kafka",), "the version of the API that the message is written in"),
    "kafka.acks": Term(int, ("kafka",), "of Produce: who must have the records before it is answered: -1, 0 or 1"),
    "kafka.topic_ids": Term(tuple, ("kafka",), "the ids of topics, as Kafka prints them, where ids stand for names"),
    "kafka.groups": Term(tuple, ("kafka",), "the groups that the request lists, in order"),
    "kafka.transactional_id": Term(str, ("kafka",), "the transactional id, if the request names one"),
    "kafka.transactional_ids": Term(tuple, ("kafka",), "the transactional ids that the request lists, in order"),
    "kafka.replica_id": Term(int, ("kafka",), "the broker that fetches; absent where a consumer does"),
    "kafka.client_software_name": Term(str, ("kafka",), "the client library, by its own account"),
    "kafka.client_software_version": Term(str, ("kafka",), "the client library's version, by its own account"),
    "kafka.mechanism": Term(str, ("kafka",), "the SASL mechanism that the client asks for"),
    "kafka.principal": Term(str, ("kafka",), "who the client claims to be, which the server has yet to check"),
    "kafka.sasl_token": Term(bool, ("kafka",), "a SASL token without a header, after SaslHandshake v0"),
    "kafka.envelope.method": Term(str, ("kafka",), "what a request inside an Envelope asks for"),
    "kafka.error_code": Term(int, ("kafka",), "the first error code in the response; `error.type` is its name"),
    "kafka.throttle_time_ms": Term(int, ("kafka",), "how long the client is to pause, where it is to"),
    "kafka.undecoded": Term(bool, ("kafka",), "a response whose request was not seen: nothing more can be read"),
    # -- QUIC -------------------------------------------------------------------------------------------------
    "quic.packet_type": Term(
        str,
        ("quic",),
        "initial, 0rtt, handshake, retry, version_negotiation, 1rtt, stateless_reset, gquic, unknown (of a version"
        " that is not known), trailing (bytes behind the last packet)",
    ),
    "quic.version": Term(int, ("quic",), "the version, where the packet names it"),
    "quic.version_name": Term(str, ("quic",), "the same as text: v1, v2, draft-29, Q043, grease-0x…, 0x…"),
    "quic.dcid": Term(str, ("quic",), "the destination connection id in hexadecimal; empty where it has no bytes"),
    "quic.scid": Term(str, ("quic",), "the source connection id in hexadecimal; empty where it has no bytes"),
    "quic.token_length": Term(int, ("quic",), "bytes of the token in an Initial or a Retry"),
    "quic.fixed_bit": Term(bool, ("quic",), "false where the bit that all packets should have is clear (greased)"),
    "quic.spin": Term(bool, ("quic",), "the spin bit of a short header"),
    "quic.coalesced": Term(bool, ("quic",), "the packet shares its datagram with others"),
    "quic.opened": Term(bool, ("quic",), "an Initial was opened with the keys of its connection, or could not be"),
    "quic.packet_number": Term(int, ("quic",), "the packet number of an Initial that was opened"),
    "quic.odcid": Term(
        str, ("quic",), "the id that an Initial's keys come from; the one that a Retry of an old draft answers to"
    ),
    "quic.retry_valid": Term(bool, ("quic",), "whether a Retry's integrity tag is right"),
    "quic.supported_versions": Term(tuple, ("quic",), "the versions that a Version Negotiation lists"),
    "quic.available_versions": Term(tuple, ("quic",), "the versions that the client can speak, by its own word"),
    "quic.error_code": Term(int, ("quic",), "the code of a CONNECTION_CLOSE in an Initial"),
    "quic.side_guessed": Term(bool, ("quic",), "nothing seen so far proves which side is the client"),
    "quic.by_path": Term(
        bool,
        ("quic",),
        "no known connection id: the addresses alone say which conversation it is of; resets look so, too",
    ),
    "quic.lb_config": Term(int, ("quic",), "the configuration that quic.server_id was read by"),
    "quic.server_id": Term(str, ("quic",), "the server that the destination connection id names (QUIC-LB)"),
    "quic.tp.max_idle_timeout": Term(int, ("quic",), "milliseconds of silence after which the client gives up"),
    "quic.tp.max_udp_payload_size": Term(int, ("quic",), "the largest datagram that the client takes"),
    "quic.tp.initial_max_data": Term(int, ("quic",), "bytes that the client first grants on the connection"),
    "quic.tp.initial_max_stream_data_bidi_local": Term(int, ("quic",), "bytes that it grants on a stream of its own"),
    "quic.tp.initial_max_stream_data_bidi_remote": Term(int, ("quic",), "bytes that it grants on the server's"),
    "quic.tp.initial_max_stream_data_uni": Term(int, ("quic",), "bytes that it grants on a one-way stream"),
    "quic.tp.initial_max_streams_bidi": Term(int, ("quic",), "streams that the server may open"),
    "quic.tp.initial_max_streams_uni": Term(int, ("quic",), "one-way streams that the server may open"),
    "quic.tp.ack_delay_exponent": Term(int, ("quic",), "by which power of two the client's ACK delays count"),
    "quic.tp.max_ack_delay": Term(int, ("quic",), "milliseconds that the client may wait with an ACK"),
    "quic.tp.active_connection_id_limit": Term(int, ("quic",), "connection ids that the client stores"),
    "quic.tp.max_datagram_frame_size": Term(int, ("quic",), "the largest DATAGRAM frame that the client takes"),
    "quic.tp.disable_active_migration": Term(bool, ("quic",), "the client asks the server not to move"),
    "quic.tp.grease_quic_bit": Term(bool, ("quic",), "the client takes packets whose fixed bit is clear"),
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
