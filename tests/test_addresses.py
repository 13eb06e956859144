"""Addresses between bytes and canonical text."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec.addresses import ipv4_bytes, ipv4_text, ipv6_bytes, ipv6_text


@given(st.binary(min_size=4, max_size=4))
def test_ipv4(data: bytes) -> None:
    assert ipv4_text(data) == str(ipaddress.IPv4Address(data))
    assert ipv4_bytes(ipv4_text(data)) == data


_sparse = st.lists(st.sampled_from((b"\0\0", b"\0\1")), min_size=8, max_size=8).map(b"".join)


@given(st.one_of(st.binary(min_size=16, max_size=16), _sparse))
def test_ipv6(data: bytes) -> None:
    assert ipv6_bytes(ipv6_text(data)) == data
    assert ipaddress.IPv6Address(ipv6_text(data)).packed == data


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # RFC 5952 sections 4.1, 4.2.1, 4.2.2, 4.2.3 and 4.3
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:DB8::A", "2001:db8::a"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ],
)
def test_ipv6_is_canonical(text: str, canonical: str) -> None:
    assert ipv6_text(ipv6_bytes(text)) == canonical


NOT_IPV4 = ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "::1", "1.2.3.4\0", "١.1.1.1", "\udcff"]


@pytest.mark.parametrize("text", NOT_IPV4)
def test_not_ipv4(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        ipv4_bytes(text)


@pytest.mark.parametrize("text", ["", ":", "::1%eth0", "1.2.3.4", "12345::", "1::2::3", "::1\0", "\udcff"])
def test_not_ipv6(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        ipv6_bytes(text)
