"""Thrift: every transport and protocol, both directions. The shape of a body: `values`."""
