"""Kafka: every API, every version, both directions.

    >>> import l7codec
    >>> from l7codec.protocols import kafka
    >>> ask = kafka.request("Metadata", {"topics": [{"name": "orders"}]}, version=5, id=7, client_id="shop")
    >>> ask.metadata["method"], ask.metadata["topics"], ask.metadata["client_id"]
    ('Metadata', ('orders',), 'shop')
    >>> ask.body
    {'topics': [{'name': 'orders'}], 'allow_auto_topic_creation': True}

A body is a dict of the message's fields in that version, by their names in Kafka's own schema in snake_case. Arrays of
structs are read-only sequences that are read when somebody looks; a `records` field is a `Records`.
"""

from __future__ import annotations

from .bodies import header, read_data, trailing_data, write_data
from .build import request, response
from .codec import KafkaCodec
from .error_table import ERRORS, RETRIABLE
from .lazy import Array
from .plain import uuid_bytes, uuid_text
from .records import Batch, Record, Records, batch
from .schema import API_KEYS, API_NAMES, api

__all__ = [
    "API_KEYS",
    "API_NAMES",
    "ERRORS",
    "RETRIABLE",
    "Array",
    "Batch",
    "KafkaCodec",
    "Record",
    "Records",
    "api",
    "batch",
    "header",
    "read_data",
    "request",
    "response",
    "trailing_data",
    "uuid_bytes",
    "uuid_text",
    "write_data",
]
