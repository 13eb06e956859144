"""What a request asks for: its head, what of it the provider will obey, and its body.

    dubbo version · path · service version · method · [argument count] · descriptor · arguments … · attachments

`org.apache.dubbo.rpc.protocol.dubbo.DecodeableRpcInvocation` puts path and version among the attachments and then adds
those that were sent: so what stands there under `path` and `version` wins, and `group` stands nowhere else. A provider
takes no version, "", "0.0.0" and "*" to be the same (`GroupServiceKeyCache`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError
from ...hessian2 import JavaList, JavaMap
from ...limits import Limits
from ...message import Edits, Metadata
from .descriptor import parse
from .forms import Values, open_values, texts, write_values, writer_after

__all__ = [
    "GENERIC",
    "GENERIC_DESCRIPTOR",
    "add_attachments",
    "body_of",
    "describe",
    "edit",
    "entries",
    "write",
]

GENERIC: Final = frozenset(("$invoke", "$invokeAsync"))
"""Methods whose first argument is the name of the one that is called (`GenericFilter`)."""

GENERIC_DESCRIPTOR: Final = "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;"

_NO_VERSION: Final = frozenset((None, "", "0.0.0", "*"))
_BLANKS: Final = "".join(map(chr, range(33)))  # what Java's String.trim takes away
_MISSING: Final = "\0missing"  # told by identity; text, as what is there should be
_TEXT: Final = (str, type(None))


class Head:
    """The strings before the arguments, and where each begins. Raises BodyError."""

    __slots__ = (
        "argument_count",
        "descriptor",
        "descriptor_at",
        "method",
        "method_at",
        "path",
        "path_at",
        "protocol_version",
        "types",
        "version",
        "version_at",
    )

    def __init__(self, values: Values, metadata: Metadata) -> None:
        """Read it, and put what is there into `metadata` even if the rest is wrong."""
        self.protocol_version = values.string()
        if self.protocol_version:
            metadata["dubbo.protocol_version"] = self.protocol_version
        self.path_at = values.offset
        self.path = values.string()
        if self.path:
            metadata["service"] = self.path
        self.version_at = values.offset
        self.version = values.string()
        if self.version not in _NO_VERSION:
            metadata["version"] = self.version  # type: ignore[assignment]  # None is no version
        self.method_at = values.offset
        self.method = values.string()
        if self.method:
            metadata["method"] = self.method
        # dubbox: a count, or -1 before the descriptor
        self.argument_count = values.integer()
        self.descriptor_at = values.offset
        self.descriptor: str | None = None
        self.types: tuple[str, ...] | None = ()
        if self.argument_count is None or self.argument_count < 0:
            self.descriptor = values.string()
            self.types = parse(self.descriptor or "")
            if self.types is None:
                raise BodyError("dubbo", self.descriptor_at, f"no descriptor of parameters: {self.descriptor!r}")
        elif self.argument_count > 255:  # what a Java method has at most
            raise BodyError("dubbo", self.descriptor_at, f"{self.argument_count} arguments")

    @property
    def arguments(self) -> int:
        """How many arguments follow."""
        return (self.argument_count or 0) if self.descriptor is None and self.argument_count else len(self.types or ())


def describe(metadata: Metadata, values: Values, limits: Limits) -> None:
    """Put into `metadata` what the provider will obey, and what was sent with it. Raises BodyError."""
    head = Head(values, metadata)
    count = head.arguments
    types = head.types
    if types and len(types) > limits.values:
        raise BodyError("dubbo", head.descriptor_at, f"{len(types)} parameters are over the limit of {limits.values}")
    if head.descriptor is not None and types is not None:
        metadata["dubbo.parameter_types"] = types
    method = head.method
    if method is not None and method in GENERIC and count:
        metadata["dubbo.generic"] = method
        count -= _describe_generic(metadata, values, count, limits)
    elif method == "$echo":
        metadata["dubbo.generic"] = method
    for _ in range(count):
        values.skip()
    if values.at_end:
        return
    at = values.offset
    attachments = texts(values)
    if attachments is None:
        attachments = entries(values.value(), at)
    if not attachments:
        return
    sent = add_attachments(metadata, attachments, limits, at)
    _obey(metadata, head, sent, at)


def _describe_generic(metadata: Metadata, values: Values, count: int, limits: Limits) -> int:
    """The method and the types that a generic call names in its arguments; how many of those were read."""
    del metadata["method"]
    metadata.pop("dubbo.parameter_types", None)
    at = values.offset
    name = values.string()
    if not name or not name.strip(_BLANKS):
        raise BodyError("dubbo", at, "a generic call without the name of a method")
    metadata["method"] = name.strip(_BLANKS)
    if count < 2:
        return 1
    types = values.value()
    if isinstance(types, list) and len(types) <= limits.values and all(type(one) is str for one in types):
        metadata["dubbo.parameter_types"] = tuple(types)
    return 2


def _obey(metadata: Metadata, head: Head, sent: Mapping[Any, Any], at: int) -> None:
    """What the attachments say of service, version and group over what the head says."""
    conflict = []
    path = sent.get("path", _MISSING)
    if path is not _MISSING and path != head.path:
        conflict.append("path")
        if isinstance(path, str) and path:
            metadata["service"] = path
    version = sent.get("version", _MISSING)
    if version is not _MISSING:
        if _plain_version(version) != _plain_version(head.version):
            conflict.append("version")
        metadata.pop("version", None)
        if isinstance(version, str) and version not in _NO_VERSION:
            metadata["version"] = version
    group = sent.get("group")
    if isinstance(group, str) and group:
        metadata["group"] = group
    if conflict:
        metadata["dubbo.conflict"] = tuple(conflict)
    if not (isinstance(sent.get("path", ""), _TEXT) and isinstance(version, _TEXT) and isinstance(group, _TEXT)):
        raise BodyError("dubbo", at, "the attachment path, version or group is no text")


def _plain_version(version: Any) -> Any:
    return None if version is None or (isinstance(version, str) and version in _NO_VERSION) else version


def entries(value: Any, at: int) -> list[tuple[Any, Any]]:
    """The entries of the attachments, a map or null."""
    if value is None:
        return []
    if isinstance(value, dict | JavaMap):
        return list(value.items())
    raise BodyError("dubbo", at, "the attachments are no map")


def add_attachments(metadata: Metadata, attachments: list[tuple[Any, Any]], limits: Limits, at: int) -> dict[str, Any]:
    """Put attachments into `metadata` as headers; what Java's map has in the end, where a name was sent twice.

    Numbers and truth values are text there; what has parts is in the body alone. Raises BodyError.
    """
    last: dict[str, Any] = {}
    repeated: dict[str, list[str]] = {}
    for name, value in attachments:
        if type(name) is not str:
            continue
        text = value if type(value) is str else _text(value)
        if name in last:
            first = repeated.get(name)
            if first is None:
                before = metadata.get(f"header.{name}")
                first = repeated[name] = [before] if isinstance(before, str) else []
            if text is not None:
                first.append(text)
        elif text is not None:
            metadata[f"header.{name}"] = text
        last[name] = value
    error = None
    for name, several in repeated.items():
        metadata.pop(f"header.{name}", None)
        if len(several) > limits.values:
            error = BodyError("dubbo", at, f"{len(several)} attachments of one name; the limit is {limits.values}")
        elif several:
            metadata[f"header.{name}"] = several[0] if len(several) == 1 else tuple(several)
    if error is not None:
        raise error
    return last


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() <= 64:
        return str(value)
    return repr(value) if isinstance(value, float) else None


# -- the whole body -------------------------------------------------------------------------------------------------


def body_of(values: Values) -> dict[str, Any]:
    """All of it. What comes behind the attachments, as from dubbo-go, is not looked at: Java skips it, too."""
    head = Head(values, {})
    arguments: list[Any] = [values.value() for _ in range(head.arguments)]
    attachments: Any = None
    if not values.at_end:
        at = values.offset
        attachments = values.value()
        entries(attachments, at)
    if values.references:  # arguments that share something are walked once, not once for each
        arguments = JavaList(arguments)
    body: dict[str, Any] = {
        "dubbo_version": head.protocol_version,
        "path": head.path,
        "version": head.version,
        "method": head.method,
    }
    if head.argument_count is not None:
        body["argument_count"] = head.argument_count
    if head.descriptor is not None or head.argument_count is None:
        body["descriptor"] = head.descriptor
    return {**body, "arguments": arguments, "attachments": attachments}


def write(serialization: str, body: Mapping[str, Any]) -> bytes:
    """A request's body from what `body_of` gives. Raises LocalProtocolError."""
    try:
        values: list[Any] = [body[name] for name in ("dubbo_version", "path", "version", "method")]
        arguments = list(body["arguments"])
        attachments = body["attachments"]
    except (KeyError, TypeError) as error:
        raise LocalProtocolError("dubbo", 0, f"a request's body lacks {error}") from None
    if any(not isinstance(value, str | None) for value in values):
        raise LocalProtocolError("dubbo", 0, "dubbo_version, path, version and method are text or None")
    count = body.get("argument_count")
    if count is not None:
        values.append(int(count))
    if count is None or count < 0:
        descriptor = body.get("descriptor")
        types = parse(descriptor or "") if isinstance(descriptor, str | None) else None
        if types is None or len(types) != len(arguments):
            raise LocalProtocolError("dubbo", 0, f"{len(arguments)} arguments do not fit {descriptor!r}")
        values.append(descriptor)
    elif count != len(arguments):
        raise LocalProtocolError("dubbo", 0, f"{len(arguments)} arguments are not {count}")
    if attachments is not None and not isinstance(attachments, dict | JavaMap):
        raise LocalProtocolError("dubbo", 0, "attachments are a map or None")
    return write_values(serialization, [*values, *arguments, attachments])


# -- edits ----------------------------------------------------------------------------------------------------------


def edit(serialization: str, raw: bytes, start: int, limits: Limits, edits: Edits) -> bytes:
    """The body that begins at `start` with edits; what they do not concern keeps its bytes. Raises BodyError."""
    values = open_values(serialization, raw, start, len(raw), limits)
    head = Head(values, {})
    cuts: list[tuple[int, int, bytes]] = []

    def replace(begin: int, end: int, value: str | None) -> None:
        cuts.append((begin, end, write_values(serialization, [value])))

    if "service" in edits:
        replace(head.path_at, head.version_at, _name(edits, "service"))
    if "version" in edits:
        version = edits["version"]
        replace(head.version_at, head.method_at, "0.0.0" if version is None else _name(edits, "version"))
    count = head.arguments
    generic = head.method in GENERIC and count > 0
    if "method" in edits and not generic:
        end = head.descriptor_at
        if head.argument_count is not None:  # the count stands between: keep it
            end -= len(write_values(serialization, [head.argument_count]))
            if raw[end : head.descriptor_at] != write_values(serialization, [head.argument_count]):
                raise LocalProtocolError("dubbo", 0, "the argument count is written in an unusual form")
        replace(head.method_at, end, _name(edits, "method"))
    for number in range(count):
        at = values.offset
        values.skip()
        if number == 0 and generic and "method" in edits:
            replace(at, values.offset, _name(edits, "method"))
    concerned = {name: edits[name] for name in edits if name in _IN_ATTACHMENTS or name.startswith("header.")}
    if concerned:
        at = values.offset
        tail = _edited_tail(serialization, values, head, concerned)
        if tail is not None:
            cuts.append((at, len(raw), tail))
    parts = []
    position = start
    for begin, end, new in sorted(cuts):
        parts += [raw[position:begin], new]
        position = end
    return b"".join([*parts, raw[position:]])


_IN_ATTACHMENTS: Final = frozenset(("service", "version", "group"))


def _edited_tail(serialization: str, values: Values, head: Head, edits: Edits) -> bytes | None:
    """Attachments with edits, and what came behind them; None where nothing changes."""
    at = values.offset
    write = writer_after(serialization, values)
    before = None if values.at_end else values.value()
    behind = []
    while not values.at_end:
        behind.append(values.value())
    pairs = entries(before, at)
    names = {name for name, _ in pairs if isinstance(name, str)}
    changes = header_changes(edits)
    if "service" in edits:
        if "path" in names:
            changes["path"] = edits["service"]
        if any(name == "interface" and value == head.path for name, value in pairs):
            changes["interface"] = edits["service"]
    if "version" in edits and "version" in names:
        changes["version"] = edits["version"]
    if "group" in edits:
        changes["group"] = None if edits["group"] is None else _name(edits, "group")
    if not changes:
        return None
    return write([changed(before, pairs, changes), *behind])


def header_changes(edits: Edits) -> dict[str, str | None]:
    """The attachments that edits name. Raises LocalProtocolError for what is no text."""
    changes = {}
    for name, value in edits.items():
        if name.startswith("header."):
            if value is not None and not isinstance(value, str):
                raise LocalProtocolError("dubbo", 0, f"{name} is text, or None to remove it")
            changes[name[len("header.") :]] = value
    return changes


def changed(before: Any, pairs: Iterable[tuple[Any, Any]], changes: Mapping[str, str | None]) -> Any:
    """The attachments with changes, each in the place of what it replaces; of the same type as before."""
    left = {name: value for name, value in changes.items() if value is not None}
    result: list[tuple[Any, Any]] = []
    for name, value in pairs:
        if not (isinstance(name, str) and name in changes):
            result.append((name, value))
        elif name in left:
            result.append((name, left.pop(name)))
    result.extend(left.items())
    return JavaMap(result, before.type) if isinstance(before, JavaMap) else dict(result)


def _name(edits: Edits, edit: str) -> str:
    value = edits[edit]
    if not isinstance(value, str) or not value:
        raise LocalProtocolError("dubbo", 0, f"{edit} is a text that is not empty")
    return value
