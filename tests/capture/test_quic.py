"""QUIC in captures: decoded, followed under changing addresses, the same by several workers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from l7codec import Side
from l7codec.capture import read_messages
from l7codec.protocols import quic
from l7codec.protocols.quic import protection

from .build import START, ethernet, ipv4, pcap_header, record, udp

CLIENT, MOVED, SERVER = ("10.0.0.1", 40112), ("10.0.0.9", 50999), ("10.0.0.2", 4444)
FIRST, OURS, THEIRS = b"a first id", b"the client", b"the server"
PAYLOAD = bytes(40)


def conversation() -> list[tuple[tuple[str, int], tuple[str, int], bytes]]:
    """A handshake, some data, and some from another address."""
    hello = quic.client_hello("orders.example", ["h3"])
    server = {"odcid": FIRST, "side": Side.SERVER}
    return [
        (CLIENT, SERVER, quic.initial(FIRST, OURS, hello).raw),
        (
            SERVER,
            CLIENT,
            quic.initial(OURS, THEIRS, quic.server_hello(), **server).raw
            + quic.long_packet("handshake", OURS, THEIRS, PAYLOAD, side=Side.SERVER).raw,
        ),
        (CLIENT, SERVER, quic.long_packet("handshake", THEIRS, OURS, PAYLOAD).raw),
        (CLIENT, SERVER, quic.short_packet(THEIRS, PAYLOAD).raw),
        (SERVER, CLIENT, quic.short_packet(OURS, PAYLOAD).raw),
        (MOVED, SERVER, quic.short_packet(THEIRS, PAYLOAD, spin=True).raw),
        (SERVER, MOVED, quic.short_packet(OURS, PAYLOAD).raw),
    ]


def capture(datagrams, cut: int | None = None) -> bytes:
    packets = []
    for number, ((source, sport), (destination, dport), data) in enumerate(datagrams):
        frame = ethernet(ipv4(udp(data, sport, dport), source, destination, 17))
        packets.append(record(frame[:cut], START + number * 1000, len(frame), unit=1))
    return pcap_header(magic=0xA1B23C4D) + b"".join(packets)


def test_a_connection_is_followed() -> None:
    reader = read_messages(io.BytesIO(capture(conversation())))
    records = list(reader)
    kinds = [record.message.metadata["quic.packet_type"] for record in records]
    assert kinds == ["initial", "initial", "handshake", "handshake", "1rtt", "1rtt", "1rtt", "1rtt"]
    assert {record.conversation for record in records} == {1}
    assert [record.source for record in records[-2:]] == [MOVED, SERVER]
    assert [str(record.message.side)[0] for record in records] == [*"csscc", "s", "c", "s"]
    assert records[0].message.metadata["tls.sni"] == "orders.example"
    assert reader.summary.errors == 0
    assert reader.summary.messages == {"quic": 8}
    assert reader.summary.notes == []


def test_on_a_port_that_is_said_to_be_quic() -> None:
    """In the middle of a connection, on no known port."""
    late = conversation()[4:5]
    assert list(read_messages(io.BytesIO(capture(late)))) == []
    (found,) = read_messages(io.BytesIO(capture(late)), protocols={SERVER[1]: "quic"})
    assert found.message.metadata["quic.side_guessed"] is True


def test_what_is_wrong_is_counted() -> None:
    datagrams = conversation()
    datagrams.insert(2, (SERVER, CLIENT, b"\xc0\0\0\0\1\xff"))
    reader = read_messages(io.BytesIO(capture(datagrams)))
    assert len(list(reader)) == 8
    assert reader.summary.errors == 1
    assert (
        str(reader.summary.troubles[0])
        == "frame 3, conversation 1, server: quic: byte 0: a long header that is cut off"
    )


def test_cut_datagrams_are_gaps() -> None:
    reader = read_messages(io.BytesIO(capture(conversation(), cut=90)), protocols={SERVER[1]: "quic"})
    assert [record.message.missing for record in reader] == [3, 3, 3, 3]
    assert reader.summary.errors == 0
    assert reader.summary.gaps == 3


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "_cryptography", lambda: None)
    reader = read_messages(io.BytesIO(capture(CONVERSATION)))
    records = list(reader)
    assert len(records) == 8
    assert {record.conversation for record in records} == {1}
    assert not any("tls.sni" in record.message.metadata for record in records)
    (note,) = reader.summary.notes
    assert note.endswith("pip install 'l7codec[quic]'")


CONVERSATION = conversation()


@pytest.mark.parametrize("options", [[], ["--json"], ["--json", "--body"]])
def test_several_workers_print_the_same(options: list[str], tmp_path: Path) -> None:
    others = [(("10.0.1.1", 1000 + number), SERVER, data) for number in range(5) for _, _, data in conversation()[:1]]
    path = tmp_path / "quic.pcap"
    path.write_bytes(capture(conversation() + others))
    command = [sys.executable, "-m", "l7codec", "decode", *options, str(path)]
    alone, shared = (
        subprocess.run([*command, "--jobs", jobs], capture_output=True, text=True, check=False, timeout=120)
        for jobs in ("1", "3")
    )
    assert alone.returncode == shared.returncode == 0, alone.stderr + shared.stderr
    assert alone.stdout == shared.stdout
    assert alone.stderr == shared.stderr
    lines = alone.stdout.splitlines()
    assert len(lines) >= 13
    if options:
        assert json.loads(lines[0])["metadata"]["tls.alpn"] == ["h3"]
    else:
        assert "quic initial v1 #0 sni orders.example alpn h3" in lines[0]


def test_a_filter_on_the_server_name(tmp_path: Path) -> None:
    path = tmp_path / "quic.pcap"
    path.write_bytes(capture(conversation()))
    command = [sys.executable, "-m", "l7codec", "decode", "--json", "--filter", "tls.sni$=.example", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["metadata"]["quic.packet_number"] == 0
