"""The appendices of RFC 9000, 9001 and 9369 whole, and the vectors of the QUIC-LB draft."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from l7codec import Side
from l7codec.protocols import quic
from l7codec.protocols.quic import QuicCodec, ServerIds, protection
from l7codec.protocols.quic.frames import frames
from l7codec.protocols.quic.versions import version_of
from l7codec.protocols.quic.wire import full_number, pack_varint, read_varint

from .observer import DOWN, UP, VECTORS, octets, one

both = pytest.mark.parametrize("name", ["v1", "v2"])


@both
def test_initial_keys(name: str) -> None:
    """Appendix A.1: labels and keys of both directions."""
    vector = VECTORS[name]
    version = version_of(vector["version"])
    labels = vector["A1_keys"]["labels"]
    assert version.salt == octets(vector["initial_salt"])
    secret = hmac.digest(version.salt, octets(vector["client_dcid"]), "sha256")
    assert secret == octets(vector["A1_keys"]["initial_secret"])
    prefix = "quic" if name == "v1" else "quicv2"
    expected = (*(labels[f"{prefix} {what}"] for what in ("key", "iv", "hp")),)
    assert tuple(label[:-1].hex() for label in protection._LABELS[version.label]) == expected
    for side in Side:
        keys = protection.initial_keys(version, octets(vector["client_dcid"]), side)
        expected_keys = vector["A1_keys"][str(side)]
        assert keys.iv.to_bytes(12, "big") == octets(expected_keys["iv"])
        sample = bytes(range(16))
        assert keys.mask(sample) == protection.ecb(octets(expected_keys["hp"]))(sample)


@both
def test_client_initial(name: str) -> None:
    """Appendix A.2: opened, and built again byte for byte."""
    vector = VECTORS[name]
    given = vector["A2_client_initial"]
    message = one(QuicCodec(), octets(given["packet"]))
    assert message.side is Side.CLIENT
    assert message.metadata["quic.packet_number"] == given["packet_number"]
    assert message.metadata["tls.sni"] == given["expect"]["sni"]
    assert message.metadata["tls.alpn"] == tuple(given["expect"]["alpn"])
    assert message.metadata["tls.versions"] == ("TLSv1.3",)
    assert message.metadata["quic.tp.max_idle_timeout"] == 30000
    assert message.error is None
    assert message.body["frames"] == frames(octets(given["payload_plain"]))
    assert message.body["client_hello"]["cipher_suites"] == [int(one, 16) for one in given["expect"]["ciphers"]]
    built = quic.initial(
        octets(vector["client_dcid"]),
        crypto=octets(given["client_hello"]),
        version=vector["version"],
        number=given["packet_number"],
        number_size=given["packet_number_length"],
    )
    assert built.raw == octets(given["packet"])
    assert built == message


@both
def test_server_initial(name: str) -> None:
    """Appendix A.3: opened with the keys of the client's id, and built again."""
    vector = VECTORS[name]
    given = vector["A3_server_initial"]
    codec = QuicCodec()
    one(codec, octets(vector["A2_client_initial"]["packet"]))
    message = one(codec, octets(given["packet"]), DOWN)
    assert message.side is Side.SERVER
    assert message.metadata["conversation"] == 1
    assert message.metadata["quic.packet_number"] == given["packet_number"]
    assert message.metadata["tls.cipher"] == "TLS_AES_128_GCM_SHA256"
    assert message.metadata["tls.group"] == "x25519"
    assert message.metadata["tls.version"] == "TLSv1.3"
    assert "tls.alpn" not in message.metadata
    assert message.body["frames"] == frames(octets(given["payload_plain"]))
    built = quic.initial(
        b"",
        octets("f067a5502a4262b5"),
        frames=octets(given["payload_plain"]),
        version=vector["version"],
        odcid=octets(vector["client_dcid"]),
        number=given["packet_number"],
        number_size=given["packet_number_length"],
        side=Side.SERVER,
    )
    assert built.raw == octets(given["packet"])


@both
def test_retry(name: str) -> None:
    """Appendix A.4: the tag verified, and produced."""
    vector = VECTORS[name]
    given = vector["A4_retry"]
    codec = QuicCodec()
    one(codec, octets(vector["A2_client_initial"]["packet"]))
    message = one(codec, octets(given["packet"]), DOWN)
    assert message.metadata["quic.retry_valid"] is True
    assert message.body["token"] == octets(given["token"])
    assert message.body["integrity_tag"] == octets(given["integrity_tag"])
    odcid = octets(given["original_dcid"])
    low_bits = octets(given["packet"])[0] & 15
    version = vector["version"]
    built = quic.retry(
        b"", octets(given["scid"]), octets(given["token"]), odcid=odcid, version=version, low_bits=low_bits
    )
    assert built.raw == octets(given["packet"])


@both
def test_short_header(name: str) -> None:
    """Appendix A.5: of a 1-RTT packet nothing but its header can be read; the protection itself is the same."""
    given = VECTORS[name]["A5_chacha20_short"]
    packet = octets(given["packet"])
    message = one(QuicCodec(connection_id=0), packet)
    assert message.metadata["quic.packet_type"] == "1rtt"
    assert message.metadata["quic.dcid"] == ""
    assert message.metadata["quic.spin"] is bool(packet[0] & 0x20)
    header, mask = octets(given["protected_header"]), octets(given["mask"])
    size = given["packet_number_length"]
    assert protection.header_mask(header, size, mask) == octets(given["unprotected_header"])
    assert full_number(int.from_bytes(octets(given["unprotected_header"])[-size:], "big"), size, 654360563) == 654360564
    opened = ChaCha20Poly1305(octets(given["key"])).decrypt(
        octets(given["nonce"]), octets(given["ciphertext"]), octets(given["unprotected_header"])
    )
    assert opened == octets(given["payload_plain"])


@pytest.mark.parametrize("given", VECTORS["varint"], ids=lambda given: given["hex"])
def test_variable_length_integers(given: dict) -> None:
    data = octets(given["hex"])
    assert read_varint(b"x" + data, 1) == (given["value"], 1 + len(data))
    assert pack_varint(given["value"], len(data)) == data
    for end in range(len(data)):
        with pytest.raises(IndexError):
            read_varint(data[:end], 0)


@pytest.mark.parametrize("given", VECTORS["packet_number"])
def test_packet_numbers(given: dict) -> None:
    assert full_number(given["truncated"], given["bits"] // 8, given["largest"]) == given["value"]


@pytest.mark.parametrize("given", VECTORS["load_balancing"], ids=lambda given: given["cid"])
def test_server_ids(given: dict) -> None:
    server, nonce, id = octets(given["server_id"]), octets(given["nonce"]), octets(given["cid"])
    key = octets(given["key"]) if given["key"] else None
    config = ServerIds(given["config_rotation"], server_id=len(server), nonce=len(nonce), key=key)
    assert config.decode(id) == server
    assert config.decode(id + b"w") == server
    assert config.decode(id[:-1]) is None
    assert config.encode(server, nonce, low_bits=id[0] & 31) == id


@both
def test_a_datagram_of_the_rfc_changed_anywhere_does_not_open(name: str) -> None:
    packet = octets(VECTORS[name]["A2_client_initial"]["packet"])
    for at in (1199, 600, 30, 18, 10):
        broken = packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1 :]
        message = one(QuicCodec(), broken, UP)
        assert message.metadata["quic.opened"] is False
        assert not any(key.startswith("tls.") for key in message.metadata)
