"""Writes the starting corpora of the codecs' fuzz targets, from their strategies; see `fuzz/codecs.py` for the form.

python scripts/make_codec_corpus.py [PROTOCOL ...]

The same versions of the codecs and of hypothesis write the same files.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from l7codec import Side, encode, strategies  # noqa: E402
from l7codec.codec import DatagramCodec  # noqa: E402
from l7codec.registry import _BUILTIN, codec_class  # noqa: E402

EACH = 16  # inputs of each way
LARGEST = 250  # bytes: small inputs are what a fuzzer learns from, and a length has one byte


def samples(strategy: st.SearchStrategy[Any]) -> list[Any]:
    """Some values of a strategy, the same each time."""
    found: list[Any] = []

    @settings(
        max_examples=EACH * 3,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def inputs(protocol: str) -> set[bytes]:
    """A corpus."""
    if issubclass(codec_class(protocol), DatagramCodec):
        return datagrams(protocol)
    found: set[bytes] = set()
    for number, side in enumerate(Side):
        if side not in strategies.sides(protocol):
            continue
        whole = strategies.streams(protocol, side)
        datas = [data for data in samples(whole) if data] + samples(whole.flatmap(strategies.mutations))[:EACH]
        datas += strategies.extremes(protocol, side, 100) + strategies.hostile(protocol, side)
        datas = sorted({data for data in datas if len(data) <= LARGEST}, key=lambda data: (len(data), data))
        chosen = datas[:: max(len(datas) // (2 * EACH), 1)]
        found |= {bytes([number]) + data for data in chosen}
        for data in chosen[::4]:
            middle = len(data) // 2
            found.add(bytes([4 + number, middle, 3]) + data[:middle] + bytes([255, 255]) + data[middle:])
    for said in samples(strategies.conversations(protocol)):
        if said:
            found.add(_turns([(message.side, encode(message)) for message in said]))
    return {data for data in found if len(data) <= 2 * LARGEST}


def datagrams(protocol: str) -> set[bytes]:
    """A corpus of a protocol over datagrams: each after its length and a byte that says where it comes from."""
    good = strategies.messages(protocol).map(encode)
    several = st.lists(st.tuples(st.one_of(good, good.flatmap(strategies.mutations)), st.integers(0, 15)), max_size=4)
    found: set[bytes] = set()
    for drawn in samples(several):
        parts = [bytes([len(data), path]) + data for data, path in drawn if data and len(data) <= LARGEST]
        if parts:
            found.add(b"".join(parts))
    return {data for data in found if len(data) <= 2 * LARGEST}


def _turns(said: list[tuple[Side, bytes]]) -> bytes:
    """A conversation: turns of alternating sides, each after its length; an empty one where a side speaks twice."""
    result = bytearray([2 if said[0][0] is Side.CLIENT else 3])
    side = said[0][0]
    for speaker, data in said:
        if speaker is not side:
            result.append(0)
        for start in range(0, len(data), LARGEST):
            piece = data[start : start + LARGEST]
            result += bytes([len(piece)]) + piece
            if start + LARGEST < len(data):
                result.append(0)
        side = speaker.other
    return bytes(result)


def main() -> None:
    """Write the corpora of the protocols named, or of all."""
    for protocol in sys.argv[1:] or sorted(_BUILTIN):
        folder = ROOT / "fuzz" / "corpus" / protocol
        folder.mkdir(parents=True, exist_ok=True)
        written = inputs(protocol)
        for data in written:
            (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
        print(f"{protocol}: {len(written)} inputs")


if __name__ == "__main__":
    main()
