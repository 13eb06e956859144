"""Text from the wire, made fit for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["describe", "endpoint", "plural", "safe", "shown", "size"]

_KNOWN = frozenset(("method", "service", "keys", "topics", "status", "error.type", "error.message"))


def safe(text: str) -> str:
    """`text` with everything escaped that is not printable: control characters, text direction, lone surrogates.

    A terminal obeys what it is sent, so that nothing from the wire may reach it as it is.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii") if not 0xD800 <= number <= 0xDFFF else f"\\u{number:04x}"


def shown(value: object, most: int = 60) -> str:
    """One value on one line, escaped and cut."""
    if isinstance(value, tuple):
        text = " ".join(shown(item, most) for item in value[:20]) + (
            f" … {len(value)} in all" if len(value) > 20 else ""
        )
    elif isinstance(value, str):
        text = safe(value)
    else:
        text = safe(str(value))
    return text if len(text) <= most else text[: most - 1] + "…"


def describe(metadata: Mapping[str, Any], protocol: str = "") -> str:
    """What a message is about, from its metadata, in a few words."""
    words: list[str] = []
    service, method = metadata.get("service"), metadata.get("method")
    if service is not None:
        words.append(shown(service) + ("." + shown(method) if method is not None else ""))
    elif method is not None:
        words.append(shown(method))
    if protocol == "dubbo":
        words += [shown(metadata[name]) for name in ("version", "group") if words and name in metadata]
    words += [shown(metadata[name], 120) for name in ("keys", "topics", "redis.channels") if name in metadata]
    if protocol == "kafka":
        words += [f"{word} {shown(metadata[key])}" for key, word in _KAFKA.items() if key in metadata]
    elif protocol == "proxy":
        words += _preface(metadata)
    elif protocol == "quic":
        words = _packet(metadata)
    if not words:
        words += [
            f"{key.removeprefix(protocol + '.')}={shown(value)}"
            for key, value in metadata.items()
            if key.startswith(f"{protocol}.") and key != "redis.resp"
        ]
    return " ".join(word for word in words if word)


_KAFKA = {"group": "group", "kafka.transactional_id": "transaction"}


def _preface(metadata: Mapping[str, Any]) -> list[str]:
    words = [shown(metadata.get("proxy.command", ""))]
    if "source.address" in metadata:
        words.append(f"from {endpoint((str(metadata['source.address']), metadata.get('source.port')))}")
    if "destination.address" in metadata:
        words.append(f"to {endpoint((str(metadata['destination.address']), metadata.get('destination.port')))}")
    if "tls.sni" in metadata:
        words.append(f"sni {shown(metadata['tls.sni'])}")
    return words


_PACKET = {  # of a QUIC packet, what a person looks for, and how it is called
    "quic.version_name": "",
    "quic.packet_number": "#",
    "tls.sni": "sni ",
    "tls.alpn": "alpn ",
    "tls.ja4": "ja4 ",
    "tls.version": "",
    "tls.cipher": "",
    "quic.supported_versions": "",
    "quic.server_id": "server ",
    "error.type": "closes: ",
    "error.message": "",
    "quic.dcid": "to ",
}


def _packet(metadata: Mapping[str, Any]) -> list[str]:
    words = [shown(metadata.get("quic.packet_type", ""))]
    words += [f"{name}{shown(metadata[key])}" for key, name in _PACKET.items() if metadata.get(key, "") != ""]
    if metadata.get("quic.opened") is False:
        words.append("not opened")
    if metadata.get("quic.retry_valid") is False:
        words.append("not valid")
    return words


def endpoint(address: tuple[str, Any]) -> str:
    """ "10.0.0.1:6379", "[fd00::1]:6379"."""
    host, port = address
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """ "1 message", "1,234 messages"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def size(count: int) -> str:
    """ "812 bytes", "1.5 MB"."""
    if count < 10_000:
        return plural(count, "byte")
    value, units = count / 1000, ["GB", "MB", "kB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop()
    return f"{value:,.1f} {units[-1]}"
