"""TCP cases as transcripts: what was captured, line by line, and the pieces that must come out.

Talk().c("syn").s("syn").c("hello").pieces() == ["c hello"]
"""

from __future__ import annotations

import io

from l7codec.capture import CaptureLimits, read_streams

from .build import ACK, CLIENT, FIN, PSH, RST, SECOND, SERVER, START, SYN, URG, ethernet, ipv4, pcap_header, record, tcp

MILLISECOND = 1_000_000


class Talk:
    """Two endpoints; offsets count bytes of each direction from its first one, 0."""

    def __init__(self, client_isn: int = 999, server_isn: int = 1999) -> None:
        self.records: list[bytes] = []
        self.time = START
        self.isn = {"c": client_isn, "s": server_isn}
        self.next = {"c": 0, "s": 0}
        self.ports = {"c": CLIENT[1], "s": SERVER[1]}

    def wait(self, seconds: float) -> Talk:
        self.time += int(seconds * SECOND)
        return self

    def send(
        self,
        who: str,
        data: bytes = b"",
        at: int | None = None,
        flags: int = 0,
        ack: int | None = None,
        keep: int | None = None,
    ) -> Talk:
        """A segment from `who`, at offset `at` (default: its next), acknowledging offset `ack` of the other side.

        `keep` cuts the captured packet so that only so many bytes of `data` are in it.
        """
        other = "s" if who == "c" else "c"
        at = self.next[who] if at is None else at
        sequence = self.isn[who] + (0 if flags & SYN else 1 + at)
        acknowledged = self.isn[other] + 1 + (self.next[other] if ack is None else ack)
        if ack is None and flags & SYN and who == "c":
            acknowledged = 0
        elif not flags & RST:
            flags |= ACK
        if data and not flags & (SYN | FIN | RST | URG):
            flags |= PSH
        packet = tcp(data, sequence, acknowledged, flags, self.ports[who], self.ports[other])
        hosts = (CLIENT[0], SERVER[0]) if who == "c" else (SERVER[0], CLIENT[0])
        packet = ethernet(ipv4(packet, *hosts))
        kept = packet if keep is None else packet[: len(packet) - len(data) + keep]
        self.time += MILLISECOND
        self.records.append(record(kept, self.time, length=len(packet), unit=1))
        if not flags & RST:
            self.next[who] = max(self.next[who], at + len(data))
        return self

    def c(self, data: bytes = b"", **options: int) -> Talk:
        return self.send("c", data, **options)

    def s(self, data: bytes = b"", **options: int) -> Talk:
        return self.send("s", data, **options)

    def handshake(self) -> Talk:
        return self.c(flags=SYN).s(flags=SYN).c()

    def again(self, client_isn: int = 70_000, server_isn: int = 80_000) -> Talk:
        """From here on it is a new connection on the same ports."""
        self.isn = {"c": client_isn, "s": server_isn}
        self.next = {"c": 0, "s": 0}
        return self

    def file(self) -> bytes:
        return pcap_header(magic=0xA1B23C4D) + b"".join(self.records)

    def read(self, **limits: int):
        return list(read_streams(io.BytesIO(self.file()), limits=CaptureLimits(**limits)))

    def pieces(self, **limits: int) -> list[str]:
        """The pieces in words: "1 c hello", "1 s gap 5 world", "1 c fin"; less what the capture's end ends."""
        words = []
        for piece in self.read(**limits):
            gap = [f"gap {piece.gap}"] if piece.gap else []
            data = [piece.data.decode()] if piece.data else []
            end = [piece.end.value] if piece.end and piece.end.value != "capture" else []
            if gap or data or end:
                words.append(" ".join([str(piece.conversation), piece.side[0], *gap, *data, *end]))
        return words

    def streams(self, **limits: int) -> dict[tuple[int, str], bytes]:
        """All bytes of each direction, a dot for a missing one."""
        streams: dict[tuple[int, str], bytes] = {}
        for piece in self.read(**limits):
            key = (piece.conversation, str(piece.side))
            streams[key] = streams.get(key, b"") + b"." * piece.gap + piece.data
        return streams
