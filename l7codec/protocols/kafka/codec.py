"""Kafka's protocol on one connection, both directions.

Guide: https://kafka.apache.org/protocol

    request     size: 4 | api key: 2 | version: 2 | correlation id: 4 | client id: 2 + n | tagged fields* | body
    response    size: 4 | correlation id: 4                                              | tagged fields* | body
    token       size: 4 | a SASL token, after SaslHandshake v0
                * from the API's first flexible version on (KIP-482)

A response names neither its API nor its version: without its request nothing in it can be read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from ...buffer import ReceiveBuffer
from ...codec import NO, Answer, Codec, Confidence, Reason, Resync, Verdict
from ...errors import BodyError, RemoteProtocolError
from ...limits import Limits
from ...message import Edits, Kind, Message, Metadata, Side
from ...pending import Pending
from .bodies import read_body, read_data, wrong_body
from .generate import FAULTS
from .layout import name_of
from .schema import API_NAMES, API_VERSIONS, CONTROLLED_SHUTDOWN, ENVELOPE, SASL_HANDSHAKE, api
from .skim import Skim, principal_of, skim_request, skim_response
from .state import Session

__all__ = ["KafkaCodec"]

CLIENT: Final = Side.CLIENT
REQUEST: Final = Kind.REQUEST
RESPONSE: Final = Kind.RESPONSE
ONEWAY: Final = Kind.ONEWAY

PRODUCE: Final = 0
UNSUPPORTED_VERSION: Final = 35

_HEAD: Final = struct.Struct(">ihhi").unpack_from  # size, api key, version, correlation id
_LENGTH: Final = struct.Struct(">h").unpack_from  # of the client id
_NO_KEY: Final = 1 << 15  # is no int16
_SIZE: Final = struct.Struct(">i").unpack_from
_ID: Final = struct.Struct(">ii").unpack_from
_BATCH: Final = 256
_ENVELOPE: Final = ENVELOPE.to_bytes(2, "big")

_DEFAULT_LIMITS: Final = Limits(message=100 * 1024 * 1024 + 4)
"""A broker's `socket.request.max.bytes` is 100 MiB. It stops a size that promises gigabytes."""


class _Plan:
    """What is known of one version of an API."""

    __slots__ = ("key", "name", "plain", "response_skim", "skim", "version")

    def __init__(self, key: int, version: int) -> None:
        self.key = key
        self.version = version
        self.name = API_NAMES[key]
        self.plain = key not in (ENVELOPE, SASL_HANDSHAKE) and not (key == CONTROLLED_SHUTDOWN and version == 0)
        """Whether its requests are all alike: a header with a client id, nothing behind it that is read otherwise."""
        self.skim: Skim = skim_request(key, version)
        self.response_skim: Skim | None = None

    def skim_response(self) -> Skim:
        found = self.response_skim
        if found is None:
            found = self.response_skim = skim_response(self.key, self.version)
        return found


class _Plans:
    """Plans made so far, by key and version: one dictionary look-up on the fast path."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[int, _Plan] = {}

    def get(self, key: int, version: int) -> _Plan | None:
        """None for what does not exist."""
        number = key << 16 | (version & 0xFFFF)
        plan = self.known.get(number)
        if plan is None and key in API_NAMES and version in api(key).versions:
            plan = self.known[number] = _Plan(key, version)
        return plan


_PLANS: Final = _Plans()
_new: Final = object.__new__


class KafkaCodec(Codec):
    """Kafka on one connection; see the package's docstring for what messages carry."""

    name = "kafka"
    ports = (9092, 9093, 9094, 19092, 29092)
    edits = frozenset(
        {
            "body",
            "client_id",
            "id",
            "topics",
            "group",
            "kafka.rename_topics",
            "kafka.brokers",
            "kafka.topic_prefix",
            "kafka.strip_topic_prefix",
            "kafka.group_prefix",
            "kafka.strip_group_prefix",
            "kafka.transactional_id_prefix",
            "kafka.strip_transactional_id_prefix",
        }
    )
    default_limits = _DEFAULT_LIMITS

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._session = Session()

    # -- framing ------------------------------------------------------------------------------------------------

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """One request, response or SASL token. Raises RemoteProtocolError for a size that cannot be."""
        data, start = buffer.data, buffer.position
        have = len(data) - start
        if have < 4:
            buffer.wait(4)
            return None
        (size,) = _SIZE(data, start)
        if size < 0:
            raise buffer.fail(f"a size of {size}")
        if size + 4 > self.limits.message:
            raise buffer.exceed(f"a size of {size} is over the limit of {self.limits.message - 4}")
        if have < size + 4:
            buffer.wait(size + 4, counted=True)
            return None
        hole = buffer.hole
        raw = buffer.take(size + 4)
        if hole is not None:
            return self._with_hole(side, raw, hole)
        return self._request(raw) if side is CLIENT else self._response(raw)

    def _with_hole(self, side: Side, raw: bytes, hole: int) -> Message:
        """A message that lacks bytes: what its header still says."""
        error = BodyError("kafka", hole, "bytes are missing from here on")
        metadata: Metadata = {}
        if side is not CLIENT:
            id = _ID(raw)[1] if hole >= 8 else None
            metadata["kafka.undecoded"] = True
            return Message("kafka", RESPONSE, side, metadata, raw, id, 0, error)
        if hole < 12:
            return Message("kafka", ONEWAY, side, metadata, raw, None, 0, error)
        key, version, id = struct.unpack_from(">hhi", raw, 4)
        if key in API_NAMES:
            metadata["method"] = API_NAMES[key]
        metadata["kafka.api_key"] = key
        metadata["kafka.api_version"] = version
        return Message("kafka", REQUEST, side, metadata, raw, id, 0, error)

    def decode_batch(self, side: Side, buffer: ReceiveBuffer) -> Sequence[Message]:
        """Requests at the front of the buffer that are whole and plain."""
        session = self._session
        if side is not CLIENT or session.mechanism is not None:
            return ()
        data, position = buffer.data, buffer.position
        total = len(data)
        known = _PLANS.known
        most, values = self.limits.message - 4, self.limits.values
        names = session.names
        messages: list[Message] = []
        append = messages.append
        start = position
        # What the message before had in common with this one, most often: API, version, client id.
        last_key, last_version, client, at = _NO_KEY, 0, b"", 0
        head: Metadata = {}
        skim: Skim
        for _ in range(_BATCH):
            if position + 14 > total:
                break
            size, key, version, id = _HEAD(data, position)
            end = position + 4 + size
            if end > total or not 10 <= size <= most:
                break
            raw = data[position:end]
            if key != last_key or version != last_version or not raw.startswith(client, 12):
                plan = known.get(key << 16 | version)
                (length,) = _LENGTH(raw, 12)
                at = 14 + max(length, 0)
                if plan is None or not plan.plain or length < -1 or at > len(raw):
                    break
                last_key, last_version, client, skim = key, version, raw[12:at], plan.skim
                head = {"method": plan.name, "kafka.api_key": key, "kafka.api_version": version}
                if length > 0:
                    head["client_id"] = str(raw[14:at], "utf-8", "surrogateescape")
            metadata = head.copy()
            try:
                if skim(raw, at, metadata, values) is not None:
                    break
            except FAULTS:
                break
            message: Message = _new(Message)
            message.protocol = "kafka"
            message.kind = REQUEST if key or metadata["kafka.acks"] else ONEWAY
            message.side = side
            message.metadata = metadata
            message.raw = raw
            message.id = id
            message.missing = 0
            message.error = None
            message.request = None
            if names and "kafka.topic_ids" in metadata:
                session.name_topics(metadata)
            append(message)
            position = end
        if messages:
            buffer.advance(position - start)
        return messages

    # -- describing ---------------------------------------------------------------------------------------------

    def _request(self, raw: bytes) -> Message:
        if self._session.takes_token(raw):
            return self._token(CLIENT, raw)
        metadata: Metadata = {}
        if len(raw) < 12:
            error = BodyError("kafka", 4, f"{len(raw) - 4} bytes have no room for a request's header")
            return Message("kafka", ONEWAY, CLIENT, metadata, raw, None, 0, error)
        message = Message("kafka", REQUEST, CLIENT, metadata, raw)
        message.error, plan = describe_request(message, self.limits.values)
        if plan is not None and plan.key == PRODUCE and metadata.get("kafka.acks") == 0:
            message.kind = ONEWAY
        self._session.name_topics(metadata)
        return message

    def _response(self, raw: bytes) -> Message:
        pending = self.pending
        if pending is not None and self._session.answers_token(pending):
            return self._token(Side.SERVER, raw)
        metadata: Metadata = {}
        id = _ID(raw)[1] if len(raw) >= 8 else None
        message = Message("kafka", RESPONSE, Side.SERVER, metadata, raw, id)
        request = pending.find(CLIENT, id) if pending is not None and id is not None else None
        key = None if request is None else request.metadata.get("kafka.api_key")
        version = None if request is None else request.metadata.get("kafka.api_version")
        if not isinstance(key, int) or not isinstance(version, int):
            metadata["kafka.undecoded"] = True
            if id is None:
                message.error = BodyError("kafka", 4, f"{len(raw) - 4} bytes have no room for a response's header")
            return message
        message.error = describe_response(message, key, version, self.limits.values)
        if key == ENVELOPE and request is not None:
            _open_answer(message, request, self.limits.values)
        self._session.name_topics(metadata)
        return message

    def _token(self, side: Side, raw: bytes) -> Message:
        """A SASL token without a header: what SaslAuthenticate carries since."""
        metadata: Metadata = {"method": "SaslAuthenticate", "kafka.sasl_token": True}
        if side is CLIENT:
            principal_of(raw[4:], metadata)
        return Message("kafka", REQUEST if side is CLIENT else RESPONSE, side, metadata, raw)

    # -- meaning ------------------------------------------------------------------------------------------------

    def pair(self, message: Message, pending: Pending) -> Message | None:
        """By correlation id; SASL tokens, which have none, in order."""
        if message.side is CLIENT:
            self._session.asked(message)
            if message.kind is REQUEST:
                pending.open(message)
            return None
        if message.kind is not RESPONSE:
            return None
        request = pending.settle(message)
        self._session.answered(message, request)
        return request

    def abandon(self, side: Side) -> None:
        """After a gap nobody knows whether a SASL exchange is still under way."""
        self._session.forget_exchange()

    def resync(self, side: Side, data: bytes) -> Resync:
        """Where a request's header stands that can be true. A response has nothing to be known by."""
        if side is not CLIENT:
            return Resync(len(data), False)
        for at in range(len(data)):
            if data[at] > 6:  # no size is that great; most bytes are turned down here
                continue
            likely = looks_like_request(data, at, self.limits.message)
            if likely is None:
                return Resync(at, False)
            if likely:
                return Resync(at, True)
        return Resync(len(data), False)

    @property
    def pinned(self) -> frozenset[str]:
        """`sasl`: tokens without headers are being exchanged."""
        return frozenset({"sasl"}) if self._session.mechanism is not None else frozenset()

    # -- one message --------------------------------------------------------------------------------------------

    @classmethod
    def body(cls, message: Message) -> Any:
        """A dict of the fields, by their names in Kafka's own schema; the bytes alone of what cannot be read."""
        return read_body(message)

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        """See `edit`."""
        from .edit import rewrite

        return rewrite(message, edits)

    @classmethod
    def reply(
        cls, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        """The error response that the API itself defines; None where it defines none, or none is due."""
        from .reply import reply as answer

        return answer(request, reason, text)

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """A client by a request's header, the better if it has a client id; a server's size and id prove little."""
        if side is CLIENT:
            likely = looks_like_request(data, 0, _DEFAULT_LIMITS.message)
            if likely is None:
                return Verdict(Answer.MORE)
            if not likely:
                return NO
            named = len(data) > 14 and data[12] == 0 and data[13] > 0
            return Verdict(Answer.YES, Confidence.TEXT if named else Confidence.LENGTH)
        if data[:1] > b"\6":
            return NO
        if len(data) < 8:
            return Verdict(Answer.MORE)
        size, id = _ID(data)
        return Verdict(Answer.YES, Confidence.HINT) if 4 <= size <= _DEFAULT_LIMITS.message and id >= 0 else NO


def describe_request(message: Message, values: int) -> tuple[BodyError | None, _Plan | None]:
    """Fill a request's metadata and id from its bytes; what is wrong with it, and its plan."""
    raw, metadata = message.raw, message.metadata
    key, version, message.id = struct.unpack_from(">hhi", raw, 4)
    if key in API_NAMES:
        metadata["method"] = API_NAMES[key]
    metadata["kafka.api_key"] = key
    metadata["kafka.api_version"] = version
    plan = _PLANS.get(key, version)
    if plan is None and key != API_VERSIONS:
        return no_such_version(key, version), None
    at = 12
    if plan is None or api(key).request_header(version) > 0:
        length = int.from_bytes(raw[12:14], "big", signed=True)
        at = 14 + max(length, 0)
        if len(raw) < 14 or length < -1 or at > len(raw):
            return BodyError("kafka", 12, f"a client id of {length} bytes, {len(raw) - 14} are left"), plan
        if length > 0:
            metadata["client_id"] = str(raw[14:at], "utf-8", "surrogateescape")
    if plan is None:
        return no_such_version(key, version), None
    try:
        excess = plan.skim(raw, at, metadata, values)
    except FAULTS:
        return wrong_body(raw, key, version, False, at), plan
    if key == ENVELOPE:
        _open_envelope(message, values)
    return (BodyError("kafka", 0, excess) if excess else None), plan


def _open_envelope(message: Message, values: int) -> None:
    """Of a request that a broker passes on to the controller (KIP-590): it is the one inside that is obeyed."""
    metadata = message.metadata
    try:
        body = message.body
        data = body["request_data"]
    except BodyError:  # the body says so when it is read
        return
    if len(data) < 8 or data[:2] == _ENVELOPE:  # an envelope in an envelope: no broker writes one
        return
    inner = Message("kafka", REQUEST, CLIENT, {}, len(data).to_bytes(4, "big") + data)
    describe_request(inner, values)
    if "method" in inner.metadata:
        metadata["kafka.envelope.method"] = inner.metadata["method"]
    for name, value in inner.metadata.items():
        metadata.setdefault(name, value)
    try:
        _, principal = read_data("DefaultPrincipalData", body["request_principal"] or b"")
    except BodyError:  # a principal of an application's own making
        return
    metadata["kafka.principal"] = f"{principal['type']}:{principal['name']}"


def _open_answer(message: Message, request: Message, values: int) -> None:
    """Of a response to an Envelope: the one inside is what the client gets."""
    metadata = message.metadata
    try:
        asked, data = request.body["request_data"], message.body["response_data"]
    except BodyError:
        return
    if data is None or len(data) < 4 or len(asked) < 4 or asked[:2] == _ENVELOPE:
        return
    inner = Message("kafka", RESPONSE, Side.SERVER, {}, len(data).to_bytes(4, "big") + data)
    key, version = struct.unpack_from(">hh", asked)
    describe_response(inner, key, version, values)
    found = inner.metadata
    if "kafka.undecoded" in found:
        return
    metadata["kafka.envelope.method"] = found["method"]
    if metadata.get("status") == "ok":
        del metadata["status"]
    for name, value in found.items():
        metadata.setdefault(name, value)


def describe_response(message: Message, key: int, version: int, values: int) -> BodyError | None:
    """Fill a response's metadata from its bytes and from what was asked; what is wrong with it."""
    raw, metadata = message.raw, message.metadata
    metadata["method"] = API_NAMES.get(key, "")
    metadata["kafka.api_key"] = key
    if key == API_VERSIONS and version != 0 and _is_fallback(raw):
        version = 0
    metadata["kafka.api_version"] = version
    plan = _PLANS.get(key, version)
    if plan is None:
        if key not in API_NAMES:
            del metadata["method"]
        metadata["kafka.undecoded"] = True
        _note_unsupported(key, raw, metadata)
        return None
    error: BodyError | None = None
    try:
        excess = plan.skim_response()(raw, 8, metadata, values)
        if excess:
            error = BodyError("kafka", 0, excess)
    except FAULTS:
        error = wrong_body(raw, key, version, True, 8)
    _note_unsupported(key, raw, metadata)
    return error


def _note_unsupported(key: int, raw: bytes, metadata: Metadata) -> None:
    """An answer to ApiVersions that begins with error 35, as those of all versions do, and goes on in another version.

    Brokers answer so in version 0, librdkafka's mock in none that there is: what stands behind the error is not read.
    """
    if key == API_VERSIONS and raw[8:10] == b"\0#":
        metadata.update({"status": "error", "kafka.error_code": UNSUPPORTED_VERSION})
        metadata["error.type"] = "UNSUPPORTED_VERSION"
        metadata.pop("kafka.throttle_time_ms", None)


def _is_fallback(raw: bytes) -> bool:
    """A broker that does not know the version asked for answers in version 0, with an error (KIP-511)."""
    if raw[8:10] != b"\0#" or len(raw) < 14:
        return False
    return len(raw) == 14 + 6 * int.from_bytes(raw[10:14], "big")


@lru_cache(maxsize=256)
def _no_such(key: int, version: int) -> str:
    if key not in API_NAMES:
        return f"there is no API {key}: they go from 0 to {max(API_NAMES)}"
    versions = api(key).versions
    return f"{name_of(key, False, version)} does not exist: versions {versions.first} to {versions.last} do"


def no_such_version(key: int, version: int) -> BodyError:
    """The error of a request that no release of Kafka knows."""
    return BodyError("kafka", 4 if key not in API_NAMES else 6, _no_such(key, version))


def looks_like_request(data: bytes, at: int, limit: int) -> bool | None:
    """Whether a request's header can stand at `at`; None if that takes more bytes.

    The key and the version must exist, the size must have room for the header, and the client id must be printable
    ASCII, as all clients' are.
    """
    have = len(data) - at
    size = int.from_bytes(data[at : at + 4], "big") << 8 * max(4 - have, 0)
    if size + 4 > limit:
        return False
    if have < 4:
        return None
    if size < 8:
        return False
    if have >= 6:
        key = int.from_bytes(data[at + 4 : at + 6], "big")
        if key not in API_NAMES:
            return False
    elif have == 5 and data[at + 4]:
        return False
    if have < 8:
        return None
    version = int.from_bytes(data[at + 6 : at + 8], "big")
    if version not in api(key).versions and key != API_VERSIONS:
        return False
    if version > 127:
        return False
    if not api(key).request_header(version):
        return size == 12
    if have < 14:
        return None
    length = int.from_bytes(data[at + 12 : at + 14], "big", signed=True)
    if length < -1 or 10 + max(length, 0) > size or length > 1024:
        return False
    name = data[at + 14 : at + 14 + max(length, 0)]
    if not all(32 <= byte < 127 for byte in name):
        return False
    if len(name) < length:
        return None
    return True
