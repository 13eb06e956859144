"""QUIC, as everybody on the path may read it: headers of every packet, and what Initials hold.

RFC 8999 (every version), RFC 9000 and 9001 (version 1), RFC 9369 (version 2), RFC 9368 (version negotiation).

    long header     every version                            versions 1 and 2
    +--------+---------+------+------~------+------+------~------+
    | 1xxxxxxx | version | len  | destination | len  | source      |  Initial    token length, token, length, …
    +--------+---------+------+------~------+------+------~------+  0-RTT      length, …
      │ fixed   4                id, 0–20 b.           id            Handshake  length, …
      └ form    0: version negotiation, a list of versions follows  Retry      token, integrity tag: 16

    short header                                              1-RTT: all that follows the handshake
    +--------+------~------+---------------~---------------+
    | 0xSxxxxx | destination | protected                     |     S: spin bit
    +--------+------~------+---------------~---------------+
                 id, whose length is not on the wire

A datagram holds one packet or several; each is a message of kind `packet`. An Initial is protected by keys that come
from its own header: with the extra `quic` it is opened, and what the ClientHello and the ServerHello say is metadata
of the packet that completes them. Everything behind is for the two ends alone.

`initial`, `long_packet`, `short_packet`, `retry`, `version_negotiation` build packets; `client_hello` what goes into an
Initial. `peek` reads the ClientHello in one datagram, and keeps nothing. `ServerIds` reads and writes connection ids
that tell a load balancer the server (QUIC-LB).
"""

from __future__ import annotations

from .build import (
    client_hello,
    initial,
    long_packet,
    retry,
    server_hello,
    short_packet,
    transport_parameter,
    version_negotiation,
)
from .codec import QuicCodec
from .load_balancing import ServerIds
from .peek import peek
from .tls import ClientHello, ServerHello

__all__ = [
    "ClientHello",
    "QuicCodec",
    "ServerHello",
    "ServerIds",
    "client_hello",
    "initial",
    "long_packet",
    "peek",
    "retry",
    "server_hello",
    "short_packet",
    "transport_parameter",
    "version_negotiation",
]
