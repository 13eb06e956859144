"""What Envoy's route documents have in common: matchers, fractions, weighted clusters, and writing them back.

Semantics are those recorded from Envoy 1.40. A header matcher asks whether *any* value of the header fits, then
inverts; on a missing header every value matcher is false, inverted or not; only presence inverts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..conditions import ALWAYS, ANY, DEFAULT, NEVER, All, AnyOf, Attribute, Condition, Not, Present
from ..errors import Problems
from ..loading import RuleReader
from ..predicates import Contains, Exact, Predicate, Prefix, Range, Regex, Suffix
from ..reading import kind_of
from ..regex import LATIN1, program_size
from ..rules import MILLION, Destination, Mirror, Route, Share, freeze_labels
from ..text import INT64_MAX, INT64_MIN, read_integer

__all__ = ["EnvoyReader", "EnvoyWriter", "join", "paired", "spread"]

STRINGS: Final = ("exact", "prefix", "suffix", "contains", "safe_regex")
_LEGACY: Final = {
    "exact_match": "exact",
    "prefix_match": "prefix",
    "suffix_match": "suffix",
    "contains_match": "contains",
    "safe_regex_match": "safe_regex",
}
_HEADER: Final = (
    "name",
    "string_match",
    "range_match",
    "present_match",
    "invert_match",
    "treat_missing_header_as_empty",
    *_LEGACY,
)
_DENOMINATORS: Final = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": MILLION}
_PROGRAM_LIMIT: Final = 100  # Envoy's re2.max_program_size.error_level


def spread(condition: Condition) -> list[Condition]:
    """The conjuncts of a condition, nested ones included."""
    if not isinstance(condition, All):
        return [condition]
    return [leaf for part in condition.parts for leaf in spread(part)]


def join(parts: list[Condition]) -> Condition:
    """One condition of several."""
    parts = [part for part in parts if part != ALWAYS]
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def paired(parts: list[Condition]) -> list[Condition]:
    """Put presence and negation of one header back together: importing flattens an inverted matcher into both."""
    found: list[Condition] = []
    for part in parts:
        match found[-1:], part:
            case [Present(key, True)], Not(Attribute() | Present() as leaf) if leaf.key == key:
                found[-1] = All((found[-1], part))
            case _:
                found.append(part)
    return found


class EnvoyReader(RuleReader):
    """Reads the messages Envoy's filters share."""

    def refuse(self, fields: Mapping[str, Any], path: str, **reasons: str) -> None:
        """Note fields Envoy knows and a rule table cannot answer."""
        for name, reason in reasons.items():
            if fields.get(name):
                self.wrong(f"{path}.{name}", "is not supported", reason)

    def one_of(self, fields: Mapping[str, Any], path: str, names: tuple[str, ...]) -> str | None:
        """The one name of these that is given."""
        given = [name for name in names if name in fields]
        if len(given) != 1:
            self.wrong(
                path, "has " + (" and ".join(given) or "none of its variants"), "write one of " + ", ".join(names)
            )
            return None
        return given[0]

    def string_matcher(self, value: Any, path: str, *, limited: bool = True) -> Predicate | None:
        """A StringMatcher; `limited`: Envoy's limit on the size of regular expressions holds here."""
        fields = self.mapping(value, path, (*STRINGS, "ignore_case"))
        fold = self.boolean(fields["ignore_case"], f"{path}.ignore_case") if "ignore_case" in fields else False
        name = self.one_of(fields, path, STRINGS)
        if name is None:
            return None
        if name == "safe_regex":
            if fold:
                self.wrong(f"{path}.ignore_case", "does not go with a regex", "write (?i) at its start")
            return self.safe_regex(fields[name], f"{path}.{name}", limited=limited)
        return self.plain(name, fields[name], f"{path}.{name}", fold)

    def plain(self, name: str, value: Any, path: str, fold: bool) -> Predicate:
        """One of exact, prefix, suffix, contains."""
        text = self.text(value, path, empty=name == "exact")
        kinds: dict[str, Callable[[str, bool], Predicate]] = {
            "exact": Exact,
            "prefix": Prefix,
            "suffix": Suffix,
            "contains": Contains,
        }
        return kinds[name](text, fold)

    def safe_regex(self, value: Any, path: str, *, limited: bool = True) -> Predicate | None:
        """A RegexMatcher: RE2 on bytes taken for Latin-1."""
        fields = self.mapping(value, path, ("regex", "google_re2"))
        pattern = self.text(fields.get("regex"), f"{path}.regex", empty=not limited)
        found = self.regex(pattern, f"{path}.regex", LATIN1) if isinstance(fields.get("regex"), str) else None
        if found is not None and limited and program_size(pattern, LATIN1) > _PROGRAM_LIMIT:
            self.wrong(f"{path}.regex", f"is larger than the {_PROGRAM_LIMIT} instructions Envoy allows", "simplify it")
        return found

    def header_matcher(self, value: Any, path: str, key: Callable[[str], str]) -> Condition:
        """A HeaderMatcher on the metadata key `key` gives for the header's name."""
        fields = self.mapping(value, path, _HEADER)
        name = key(self.text(fields.get("name"), f"{path}.name"))
        flags = {
            flag: self.boolean(fields[flag], f"{path}.{flag}") if flag in fields else False
            for flag in ("invert_match", "treat_missing_header_as_empty")
        }
        invert, empty = flags["invert_match"], flags["treat_missing_header_as_empty"]
        given = [one for one in fields if one in ("string_match", "range_match", "present_match", *_LEGACY)]
        if len(given) > 1:
            self.wrong(path, "has " + " and ".join(given), "write one of them")
        if not given or given[0] == "present_match":
            wanted = self.boolean(fields["present_match"], f"{path}.present_match") if given else True
            if empty:  # the header counts as there
                return ALWAYS if wanted is not invert else NEVER
            return Present(name, wanted is not invert, True)
        kind, at = given[0], f"{path}.{given[0]}"
        if kind == "exact_match" and fields[kind] == "":
            return self._valued(name, None, invert, empty)  # the legacy form of "any value"
        predicate: Predicate | None
        if kind == "string_match":
            predicate = self.string_matcher(fields[kind], at)
        elif kind == "range_match":
            predicate = self.int64_range(fields[kind], at)
        elif kind == "safe_regex_match":
            predicate = self.safe_regex(fields[kind], at)
        else:
            predicate = self.plain(_LEGACY[kind], fields[kind], at, False)
        return ALWAYS if predicate is None else self._valued(name, predicate, invert, empty)

    @staticmethod
    def _valued(name: str, predicate: Predicate | None, invert: bool, empty: bool) -> Condition:
        fits: Condition = Present(name, True, True) if predicate is None else Attribute(name, predicate, ANY, True)
        fits_empty = predicate is None or predicate.holds("")
        if invert:
            if empty and not fits_empty:
                return Not(fits)
            return All((Present(name, True, True), Not(fits)))
        return AnyOf((Present(name, False, True), fits)) if empty and fits_empty else fits

    def int64(self, value: Any, path: str) -> int:
        """A 64-bit integer, which JSON writes as a string."""
        if isinstance(value, str):
            number = read_integer(value)
            if number is not None:
                return number
        return self.integer(value, path, INT64_MIN, INT64_MAX)

    def int64_range(self, value: Any, path: str) -> Predicate:
        """An Int64Range: absent bounds are 0, as in every protobuf message."""
        fields = self.mapping(value, path, ("start", "end"))
        return Range(
            self.int64(fields.get("start", 0), f"{path}.start"), self.int64(fields.get("end", 0), f"{path}.end")
        )

    def runtime_fraction(self, value: Any, path: str) -> tuple[Share, str | None]:
        """A RuntimeFractionalPercent: the default, and the runtime key that may override it."""
        fields = self.mapping(value, path, ("default_value", "runtime_key"))
        inner = self.mapping(fields.get("default_value", {}), f"{path}.default_value", ("numerator", "denominator"))
        unit = inner.get("denominator", "HUNDRED")
        if unit not in _DENOMINATORS:
            self.wrong(f"{path}.default_value.denominator", "is not known", "one of " + ", ".join(_DENOMINATORS))
            unit = "HUNDRED"
        top = (1 << 32) - 1
        share = Share(
            self.integer(inner.get("numerator", 0), f"{path}.default_value.numerator", 0, top), _DENOMINATORS[unit]
        )
        return share, self.text(fields["runtime_key"], f"{path}.runtime_key") if fields.get("runtime_key") else None

    def duration(self, value: Any, path: str) -> float:
        """A protobuf duration such as ``1.5s``, in seconds."""
        if isinstance(value, str) and value.endswith("s"):
            body = value[:-1]
            if body.replace(".", "", 1).isdigit() and body.isascii() and len(body) < 32:
                return self.seconds(float(body), path)
        self.wrong(path, f"is {kind_of(value)}", "write a duration such as 1.5s")
        return 1.0

    def labels(self, value: Any, path: str) -> tuple[tuple[str, Any], ...]:
        """`metadata_match`: what load balancing reads of it, under ``envoy.lb``."""
        fields = self.mapping(value, path, ("filter_metadata",))
        inner = self.mapping(fields.get("filter_metadata", {}), f"{path}.filter_metadata", ("envoy.lb",))
        return freeze_labels(self.mapping(inner.get("envoy.lb", {}), f"{path}.filter_metadata.envoy.lb"))

    def weighted_clusters(
        self, value: Any, path: str, labels: tuple[tuple[str, Any], ...], *, zero: bool
    ) -> tuple[Destination, ...]:
        """`weighted_clusters`; labels of a cluster are joined over those of the route. `zero`: weight 0 is allowed."""
        fields = self.mapping(value, path, ("clusters", "total_weight", "runtime_key_prefix"))
        self.refuse(fields, path, runtime_key_prefix="runtime values are not part of a table; write the weights")
        found: list[Destination] = []
        for number, inner in enumerate(self.sequence(fields.get("clusters", []), f"{path}.clusters")):
            at = f"{path}.clusters[{number}]"
            one = self.mapping(inner, at, ("name", "weight", "metadata_match"))
            own = self.labels(one["metadata_match"], f"{at}.metadata_match") if "metadata_match" in one else ()
            found.append(
                Destination(
                    self.text(one.get("name"), f"{at}.name"),
                    weight=self.integer(one.get("weight"), f"{at}.weight", 0 if zero else 1, (1 << 32) - 1),
                    labels=freeze_labels({**dict(labels), **dict(own)}),
                )
            )
        if not found:
            self.wrong(f"{path}.clusters", "is empty", "write at least one cluster")
        self.check_weights(tuple(found), path)
        return tuple(found)


class EnvoyWriter:
    """Writes rules back as Envoy says them; what it cannot say is noted as a problem.

    A predicate without `any` or `every` is written as Envoy's `any`, and names as any case: a rule that leaves both
    open leaves them to the system it is written for. An explicit `every` is refused.
    """

    def __init__(self) -> None:
        self.problems = Problems()

    def wrong(self, path: str, reason: str, remedy: str = "") -> None:
        """Note a problem."""
        self.problems.add(path, reason, remedy)

    def string_matcher(self, predicate: Predicate, path: str) -> dict[str, Any] | None:
        """A StringMatcher."""
        match predicate:
            case Exact(str(text), fold):
                spelled: dict[str, Any] = {"exact": text}
            case Prefix(text, fold):
                spelled = {"prefix": text}
            case Suffix(text, fold):
                spelled = {"suffix": text}
            case Contains(text, fold):
                spelled = {"contains": text}
            case Regex(pattern, encoding):
                if encoding != LATIN1 and not pattern.isascii():
                    self.wrong(path, "is a regex on code points, which Envoy would read as Latin-1", "use ASCII")
                spelled, fold = {"safe_regex": {"regex": pattern}}, False
            case _:
                self.wrong(
                    path, f"Envoy has no matcher for {predicate.spell()}", "use exact, prefix, suffix, contains, regex"
                )
                return None
        return {**spelled, "ignore_case": True} if fold else spelled

    def header_matcher(self, condition: Condition, path: str) -> dict[str, Any] | None:
        """A HeaderMatcher, for conditions on one header."""
        match condition:
            case Present(key, expected):
                return self._named(key, {"present_match": expected}, path)
            case Attribute(key):
                return self._valued(condition, {}, path)
            case All((Present(key, True), Not(Attribute() as leaf))) if leaf.key == key:
                return self._valued(leaf, {"invert_match": True}, path)
            case All((Present(key, True), Not(Present(other, True)))) if other == key:
                return self._named(key, {"exact_match": "", "invert_match": True}, path)
            case Not(Attribute() as leaf):
                if leaf.predicate.holds(""):
                    self.wrong(
                        path, "also matches a message without the header, which Envoy cannot say", "ask for presence"
                    )
                return self._valued(leaf, {"invert_match": True, "treat_missing_header_as_empty": True}, path)
            case AnyOf((Present(key, False), Attribute() as leaf)) if leaf.key == key and leaf.predicate.holds(""):
                return self._valued(leaf, {"treat_missing_header_as_empty": True}, path)
        self.wrong(path, "is more than one header matcher can say", "split the rule")
        return None

    def _named(self, key: str, fields: dict[str, Any], path: str) -> dict[str, Any] | None:
        if not key.startswith("header."):
            self.wrong(path, f"matches '{key}', which is no header here", "only header.* can be matched like this")
            return None
        return {"name": key.removeprefix("header."), **fields}

    def _valued(self, leaf: Attribute, flags: dict[str, Any], path: str) -> dict[str, Any] | None:
        if leaf.quantifier not in (ANY, DEFAULT):
            self.wrong(path, f"asks for {leaf.quantifier}, where Envoy asks for any value", "write any")
        if isinstance(leaf.predicate, Range):
            low, high = leaf.predicate.start, leaf.predicate.end
            if high is None:
                self.wrong(path, "has no end, and Envoy's ranges cannot reach the last integer", "give it an end")
            bounds = {"start": str(INT64_MIN if low is None else low), "end": str(high)}
            return self._named(leaf.key, {"range_match": bounds, **flags}, path)
        matcher = self.string_matcher(leaf.predicate, path)
        return None if matcher is None else self._named(leaf.key, {"string_match": matcher, **flags}, path)

    def fraction(self, share: Share, path: str) -> dict[str, Any]:
        """A FractionalPercent."""
        for unit, size in _DENOMINATORS.items():
            if size == share.denominator:
                return {"numerator": share.numerator, "denominator": unit}
        self.wrong(path, f"is a share of {share.denominator}", "use a percentage")
        return {}

    def labels(self, destination: Destination) -> dict[str, Any]:
        """`metadata_match` as fields of the message that holds it."""
        if not destination.labels:
            return {}
        return {"metadata_match": {"filter_metadata": {"envoy.lb": dict(destination.labels)}}}

    def clusters(self, route: Route, path: str) -> dict[str, Any]:
        """`cluster` or `weighted_clusters`."""
        for number, destination in enumerate(route.destinations):
            if destination.subset is not None or destination.port is not None:
                self.wrong(
                    f"{path}.destinations[{number}]",
                    "has a subset or port, where Envoy has a cluster's name",
                    "put them into the name",
                )
        if len(route.destinations) == 1:
            return {"cluster": route.destinations[0].host, **self.labels(route.destinations[0])}
        if not route.destinations:
            return {}
        return {
            "weighted_clusters": {
                "clusters": [{"name": one.host, "weight": one.weight, **self.labels(one)} for one in route.destinations]
            }
        }

    def mirrors(self, route: Route, path: str) -> list[dict[str, Any]]:
        """`request_mirror_policies`."""
        return [self.mirror(mirror, f"{path}.mirrors[{number}]") for number, mirror in enumerate(route.mirrors)]

    def mirror(self, mirror: Mirror, path: str) -> dict[str, Any]:
        """One mirror policy."""
        if mirror.match != ALWAYS:
            self.wrong(f"{path}.match", "is not something Envoy can say here", "mirror every message")
        fields: dict[str, Any] = {"cluster": mirror.destination.host}
        if mirror.share != Share():
            fields["runtime_fraction"] = {"default_value": self.fraction(mirror.share, f"{path}.share")}
        return fields

    def only(self, route: Route, path: str, *allowed: str) -> None:
        """Note everything the rule does beyond these fields (destinations and match are always allowed)."""
        defaults = Route(name="")
        for name in (
            "destination_from",
            "respond",
            "mirrors",
            "request_edits",
            "response_edits",
            "hash_policy",
            "timeout",
            "retry",
            "fault",
            "rate_limit",
        ):
            if name not in allowed and getattr(route, name) != getattr(defaults, name):
                self.wrong(f"{path}.{name}", "cannot be said in this dialect", "remove it")
