"""AwesomeRPC, which nobody else speaks, declared for l7codec: `l7codec decode --codec awesome.py mesh.pcapng`.

 0        2      3      4            8                 10              14
+--------+------+------+------------+-----------------+---------------+---------~---------+--------~-------+
| "AW"   | kind | code | id         | service's bytes | total bytes   | service "." method | payload        |
+--------+------+------+------------+-----------------+---------------+---------~---------+--------~-------+
"""

from __future__ import annotations

from construct import Const, Int8ub, Int16ub, Int32ub, Struct, this

from l7codec.declarative import HeaderCodec

_NAME = 14  # where the name begins


def _name(header, raw):
    return raw[_NAME : _NAME + header.size].decode()


class AwesomeRPC(HeaderCodec):
    """Requests and responses by id, both with the name of what is called."""

    name = "awesome"
    header = Struct(
        "magic" / Const(b"AW"),
        "kind" / Int8ub,
        "code" / Int8ub,
        "id" / Int32ub,
        "size" / Int16ub,
        "total" / Int32ub,
    )
    length = this.total
    kind = {0: "request", 1: "response", 2: "oneway", 3: "heartbeat"}  # noqa: RUF012
    vocabulary = {"awesome.code": int}  # noqa: RUF012
    metadata = {  # noqa: RUF012
        "service": lambda header, raw: _name(header, raw).partition(".")[0],
        "method": lambda header, raw: _name(header, raw).partition(".")[2],
        "status": lambda header, raw: None if header.kind != 1 else "error" if header.code else "ok",
        "awesome.code": lambda header, raw: header.code if header.kind == 1 else None,
    }

    @staticmethod
    def payload(header, rest):
        """The text behind the name."""
        return rest[header.size :].decode()


def message(kind, id, name, payload="", code=0):
    """The bytes of a message."""
    name = name.encode()
    fields = {"kind": kind, "code": code, "id": id, "size": len(name)}
    return AwesomeRPC.message(name + payload.encode(), **fields).raw
