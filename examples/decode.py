"""Print what one side of a connection says, one JSON object a line.

    python examples/decode.py PROTOCOL client|server < bytes

PROTOCOL may be `?`: then it is found by the first bytes. Exit status 1 where the bytes are wrong.
"""

from __future__ import annotations

import json
import sys

import l7codec


def main(protocol: str, side: str) -> int:
    """Decode standard input; returns the exit status."""
    stream = None
    while chunk := sys.stdin.buffer.read1():
        if stream is None:
            name = l7codec.detect(chunk, side=l7codec.Side(side)) if protocol == "?" else protocol
            if name in (None, "need more"):
                print("no protocol is known that begins so", file=sys.stderr)
                return 1
            stream = l7codec.Stream(name, l7codec.Side(side))
        try:
            for message in stream.receive_data(chunk):
                print(json.dumps(l7codec.to_dict(message)), flush=True)
        except l7codec.RemoteProtocolError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
