"""Values in words, as `tests/interop/jvm/hessian2/.../Words.java` says them: exact, int and long apart."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from pathlib import Path
from typing import Any

from l7codec.hessian2 import Date, JavaList, JavaLong, JavaMap, JavaObject

VECTORS = Path(__file__).parent.parent / "vectors" / "hessian2"


def vectors(library: str) -> list[dict[str, Any]]:
    """What a library wrote: name, data, values in words."""
    rows: list[dict[str, Any]] = json.loads((VECTORS / f"{library}.json").read_text(encoding="utf-8"))
    for row in rows:
        kind, _, packed = row["data"].partition("zlib:")
        row["data"] = zlib.decompress(base64.b64decode(packed)) if packed else bytes.fromhex(kind)
    return rows


class Differs(AssertionError):
    """A value is not what the words say."""


def check(value: Any, words: dict[str, Any]) -> None:
    """That a value is what the words say. Raises Differs."""
    _Check().value(value, words)


class _Check:
    def __init__(self) -> None:
        self.seen: list[Any] = []
        """Containers by their numbers, in the order in which the words have them."""

    def value(self, value: Any, words: dict[str, Any]) -> None:
        ((kind, said), *_) = words.items()
        if not getattr(self, f"is_{kind}")(value, said, words):
            raise Differs(f"{value!r} is not {words!r:.500}")

    def is_null(self, value: Any, said: Any, words: Any) -> bool:
        return value is None

    def is_bool(self, value: Any, said: Any, words: Any) -> bool:
        return value is said

    def is_int(self, value: Any, said: Any, words: Any) -> bool:
        return type(value) is int and value == said

    def is_long(self, value: Any, said: Any, words: Any) -> bool:
        return type(value) is JavaLong and value == said

    def is_double(self, value: Any, said: Any, words: Any) -> bool:
        expected = float(said.replace("Infinity", "inf"))
        return type(value) is float and (value == expected or (math.isnan(value) and math.isnan(expected)))

    def is_str(self, value: Any, said: Any, words: Any) -> bool:
        return type(value) is str and value == said

    def is_str_units(self, value: Any, said: Any, words: Any) -> bool:
        raw = value.encode("utf-16-be", "surrogatepass")
        return len(raw) == 2 * said and hashlib.sha256(raw).hexdigest() == words["sha256"]

    def is_bytes(self, value: Any, said: Any, words: Any) -> bool:
        return type(value) is bytes and value.hex() == said

    def is_bytes_size(self, value: Any, said: Any, words: Any) -> bool:
        return len(value) == said and hashlib.sha256(value).hexdigest() == words["sha256"]

    def is_date(self, value: Any, said: Any, words: Any) -> bool:
        return type(value) is Date and value.milliseconds == said

    def is_again(self, value: Any, said: Any, words: Any) -> bool:
        return isinstance(value, list | dict | JavaMap | JavaObject)

    def is_ref(self, value: Any, said: Any, words: Any) -> bool:
        return value is self.seen[said]

    def is_list(self, value: Any, said: Any, words: Any) -> bool:
        if not isinstance(value, list) or len(value) != len(said):
            return False
        if (value.type if isinstance(value, JavaList) else None) != words.get("type"):
            return False
        self.seen.append(value)
        for item, one in zip(value, said, strict=True):
            self.value(item, one)
        return True

    def is_map(self, value: Any, said: Any, words: Any) -> bool:
        if not isinstance(value, dict | JavaMap) or len(value) != len(said):
            return False
        if (value.type if isinstance(value, JavaMap) else None) != words.get("type"):
            return False
        self.seen.append(value)
        for (key, item), (key_words, item_words) in zip(value.items(), said, strict=True):
            self.value(key, key_words)
            self.value(item, item_words)
        return True

    def is_object(self, value: Any, said: Any, words: Any) -> bool:
        if not isinstance(value, JavaObject) or value.class_name != said:
            return False
        self.seen.append(value)
        expected = words.get("fields", words.get("unordered"))
        if "unordered" in words:
            fields = sorted(value.fields, key=lambda field: field[0])
            expected = sorted(expected, key=lambda field: field[0])
            if len({name for name, _ in fields}) < len(fields):  # private ones of two classes: any order
                fields.sort(key=lambda field: str(field[1]))
                expected.sort(key=lambda field: str(*field[1].values()))
                fields.sort(key=lambda field: field[0])
                expected.sort(key=lambda field: field[0])
        else:
            fields = value.fields
        if [name for name, _ in fields] != [name for name, _ in expected]:
            return False
        for (_, item), (_, one) in zip(fields, expected, strict=True):
            inner = "unordered" in words and next(iter(one)) in ("list", "map", "object", "other", "again")
            (_Check() if inner else self).value(item, one)
        return True

    def is_other(self, value: Any, said: Any, words: Any) -> bool:
        self.seen.append(value)
        return True  # see test_java_classes
