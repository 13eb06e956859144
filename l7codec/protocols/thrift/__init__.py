"""Thrift: every transport and protocol, both directions. The shape of a body: `values`."""

from __future__ import annotations

from .codec import ThriftCodec
from .values import Fields, Struct

__all__ = ["Fields", "Struct", "ThriftCodec"]
