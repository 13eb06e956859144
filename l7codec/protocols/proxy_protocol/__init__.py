"""The PROXY protocol, versions 1 and 2: who really opened this connection.

https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt; section numbers in this package are its.

    Version 1, at most 107 bytes:

        PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\\r\\n        TCP4 | TCP6 | UNKNOWN, after which all is ignored

    Version 2, 16 bytes and as many as they announce:

        0                                     12        13              14       16
        +-------------------------------------+---+-----+-----+---------+--------+-----------~------~
        | 0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | 2 | cmd | fam | transp. | length | addresses | TLVs …
        +-------------------------------------+---+-----+-----+---------+--------+-----------~------~
          signature                             LOCAL 0   unspec 0  unspec 0       0
                                                PROXY 1   inet   1  stream 1       12:  4 4 2 2    source, destination,
                                                          inet6  2  dgram  2       36:  16 16 2 2  and their ports
                                                          unix   3                 216: 108 108

Framing, which ends the stream where it is wrong: everything up to the addresses, TLVs that run over the header's end,
and a checksum that does not fit, which the specification wants treated as an invalid connection. What is wrong inside
another TLV is told in the message's `error`; the bytes are in its body, and no metadata is made of them.

`header` builds one; its `tlvs` are pairs of a name or number and a value:

    "alpn"                  one name, or a list of names
    "authority"             text: the server name that the client asked for
    "crc32c"                None: the checksum's place
    "noop"                  bytes
    "unique_id"             text or bytes, up to 128
    "ssl"                   what `ssl_tlv` returns is such a pair
    "netns"                 text
    "gcp.psc_connection_id", "aws.vpce_id", "azure.link_id"     number, text, number
    0x00 to 0xFF            bytes

Over UDP each datagram has a header of its own: `split_datagram`. There are no replies in this protocol.
"""

from __future__ import annotations

from .build import header
from .codec import ProxyCodec, split_datagram
from .tlv import ssl_tlv

__all__ = ["ProxyCodec", "header", "split_datagram", "ssl_tlv"]
