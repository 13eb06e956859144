"""Rule documents in our own shape: mappings in, rules out, and back.

The shape is described in the documentation page "Rules"; attribute names are metadata keys. `load_table` reports every
problem at once; `dump_table` writes what `load_table` reads as the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .addresses import Network, read_network
from .conditions import (
    ALWAYS,
    ANY,
    DEFAULT,
    EVERY,
    FIRST,
    JOINED,
    NEVER,
    All,
    AnyOf,
    Attribute,
    Condition,
    Fraction,
    HashThreshold,
    Not,
    Present,
)
from .edits import Change, Copy, Edit, Reshape, Set
from .errors import Problems
from .hashing import fast_xxh64
from .predicates import Both, Cidr, Contains, Exact, Glob, OneOf, Predicate, Prefix, Range, Regex, Scalar, Suffix
from .reading import DEEPEST, MOST_CONDITIONS, Reader, kind_of, quoted
from .regex import LATIN1, UTF8, BadRegex, available
from .rules import (
    MILLION,
    Abort,
    Delay,
    Descriptor,
    Destination,
    Fault,
    GlobalRateLimit,
    HashPolicy,
    LimitCondition,
    LocalRateLimit,
    Mirror,
    RateLimit,
    Respond,
    Retry,
    Route,
    Share,
    TokenBucket,
    freeze_labels,
)
from .text import INT64_MAX, INT64_MIN

__all__ = [
    "TABLE_KEYS",
    "RuleReader",
    "dump_condition",
    "dump_destination",
    "dump_route",
    "dump_table_parts",
    "spell_attribute",
    "spell_predicate",
]

REASONS: Final = ("denied", "no_route", "no_healthy_upstream", "over_limit", "timeout", "answer")
TABLE_KEYS: Final = ("routes", "local_rate_limit", "global_rate_limit", "origin")
_MATCH_KEYS: Final = ("attributes", "all_of", "any_of", "not", "fraction", "consistent_hash")
_QUANTIFIERS: Final = (ANY, EVERY, FIRST, JOINED)
_PREDICATES: Final = ("exact", "one_of", "prefix", "suffix", "contains", "glob", "regex", "range", "cidr", "all_of")
_CASED: Final = ("exact", "one_of", "prefix", "suffix", "contains", "glob")
_VALUE_KEYS: Final = (*_PREDICATES, "ignore_case")
_ATTRIBUTE_KEYS: Final = (*_VALUE_KEYS, "present", *_QUANTIFIERS, "ignore_name_case")
_MAX_WEIGHT: Final = (1 << 32) - 1
_FRACTION_USES: Final = 1 << 32  # uses of the random number below this are the Decision's


class RuleReader(Reader):
    """Reads the parts of a rule document."""

    def __init__(self, problems: Problems | None = None) -> None:
        super().__init__(problems)
        self._conditions = 0
        self._fractions = 0
        self._rule = ""

    # -- predicates ---------------------------------------------------------------------------------------------------

    def scalar(self, value: Any, path: str, key: str) -> Scalar:
        """A value to compare with; headers have text only."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int) and not key.startswith("header."):
            return value
        if isinstance(value, bool | int | float) and key.startswith("header."):
            self.wrong(path, f"is {kind_of(value)}, but headers have text", quoted(value))
        else:
            remedy = "{present: false} asks for absence" if value is None else "write a string, integer or boolean"
            self.wrong(path, f"is {kind_of(value)}", remedy)
        return ""

    def predicate(self, value: Any, path: str, key: str, depth: int) -> Predicate | None:
        """The predicates of one mapping, or of a bare scalar."""
        if not isinstance(value, Mapping):
            return Exact(self.scalar(value, path, key))
        return self._predicates(self.mapping(value, path, _VALUE_KEYS), path, key, depth)

    def _predicates(self, fields: Mapping[str, Any], path: str, key: str, depth: int) -> Predicate | None:
        fold = self.boolean(fields["ignore_case"], f"{path}.ignore_case") if "ignore_case" in fields else False
        if fold and "regex" in fields:
            self.wrong(f"{path}.ignore_case", "does not go with a regex", "write (?i) at its start")
        elif "ignore_case" in fields and not any(name in fields for name in _CASED):
            self.wrong(f"{path}.ignore_case", "stands alone", "write it beside one of " + ", ".join(_CASED))
        found: list[Predicate] = []
        for name, value in fields.items():
            if name in _PREDICATES:
                one = self._one(name, value, f"{path}.{name}", key, fold, depth)
                if one is not None:
                    found.append(one)
        if not found:
            return None
        return found[0] if len(found) == 1 else Both(tuple(found))

    def _one(self, name: str, value: Any, path: str, key: str, fold: bool, depth: int) -> Predicate | None:
        self._count(path, depth)
        match name:
            case "exact":
                exact = self.scalar(value, path, key)
                if fold and not isinstance(exact, str):
                    self.wrong(path, f"is {kind_of(value)}, which has no case", "drop ignore_case")
                return Exact(exact, fold and isinstance(exact, str))
            case "one_of":
                values = self.each(value, path, lambda inner, at: self.scalar(inner, at, key))
                if isinstance(value, list | tuple) and not values:
                    self.wrong(path, "is empty", "write at least one value")
                return OneOf(tuple(values), fold)
            case "prefix":
                return Prefix(self._affix(value, path), fold)
            case "suffix":
                return Suffix(self._affix(value, path), fold)
            case "contains":
                return Contains(self._affix(value, path), fold)
            case "glob":
                return Glob(self.text(value, path), fold)
            case "regex":
                return self._regex(value, path)
            case "range":
                return self._range(value, path)
            case "cidr":
                many = value if isinstance(value, list | tuple) else [value]
                if not many:
                    self.wrong(path, "is empty", "write at least one network")
                networks = [self.network(inner, f"{path}[{at}]" if many is value else path)
                            for at, inner in enumerate(many)]  # fmt: skip
                return Cidr(tuple(network for network in networks if network is not None))
            case _:
                if depth > DEEPEST:
                    return None
                parts = self.each(value, path, lambda inner, at: self.predicate(inner, at, key, depth + 1))
                if isinstance(value, list | tuple) and not parts:
                    self.wrong(path, "is empty", "write at least one predicate")
                return Both(tuple(part for part in parts if part is not None))

    def _affix(self, value: Any, path: str) -> str:
        if value == "":
            self.wrong(path, "is empty, which every text has", "write {present: true} if that is meant")
            return ""
        return self.text(value, path)

    def _regex(self, value: Any, path: str) -> Predicate | None:
        encoding = UTF8
        if isinstance(value, Mapping):
            fields = self.mapping(value, path, ("pattern", "encoding"))
            encoding = fields.get("encoding", UTF8)
            if encoding not in (UTF8, LATIN1):
                self.wrong(f"{path}.encoding", "is not known", f"write {UTF8} or {LATIN1}")
                encoding = UTF8
            value, path = fields.get("pattern"), f"{path}.pattern"
        pattern = self.text(value, path, empty=True)
        return self.regex(pattern, path, encoding) if isinstance(value, str) else None

    def regex(self, pattern: str, path: str, encoding: str) -> Regex | None:
        """A compiled pattern, or None with the reason noted."""
        if not available():
            self.problems.add_missing(
                path, "regex rules need google-re2, which is not installed", "pip install 'l7codec[re2]'"
            )
            return None
        try:
            return Regex(pattern, encoding)
        except BadRegex as error:
            self.wrong(path, f"is not an RE2 regular expression: {error}", "write RE2 syntax, without lookaround")
            return None

    def _range(self, value: Any, path: str) -> Predicate:
        fields = self.mapping(value, path, ("start", "end"))
        bounds = {
            name: self.integer(fields[name], f"{path}.{name}", INT64_MIN, INT64_MAX)
            for name in ("start", "end")
            if name in fields
        }
        if isinstance(value, Mapping) and not bounds:
            self.wrong(path, "has no bound", "write {start: 3, end: 10}, meaning 3 <= x < 10")
        return Range(bounds.get("start"), bounds.get("end"))

    def network(self, value: Any, path: str) -> Network | None:
        """One network."""
        text = self.text(value, path)
        if not text:
            return None
        try:
            return read_network(text)
        except ValueError as error:
            self.wrong(path, "is not a network", str(error))
            return None

    # -- conditions ---------------------------------------------------------------------------------------------------

    def _count(self, path: str, depth: int) -> None:
        self._conditions += 1
        if depth > DEEPEST:
            self.wrong(path, f"is nested more than {DEEPEST} deep", "write it flatter")
        if self._conditions == MOST_CONDITIONS + 1:
            self.wrong(path, f"is past the {MOST_CONDITIONS} conditions a rule may have", "split the rule")

    def _full(self, depth: int) -> bool:
        return depth > DEEPEST or self._conditions > MOST_CONDITIONS

    def begin_rule(self, name: str) -> None:
        """Start counting conditions and random draws for a rule of this name."""
        self._rule, self._conditions, self._fractions = name, 0, 0

    def attribute(self, key: str, value: Any, path: str, depth: int = 0) -> list[Condition]:
        """The conditions one entry of `attributes` stands for."""
        self._count(path, depth)
        if self._full(depth):
            return []
        if not isinstance(value, Mapping):
            return [Attribute(key, Exact(self.scalar(value, path, key)))]
        fields = self.mapping(value, path, _ATTRIBUTE_KEYS)
        fold = False
        if "ignore_name_case" in fields:
            fold = self.boolean(fields["ignore_name_case"], f"{path}.ignore_name_case")
        found: list[Condition] = []
        plain = {name: inner for name, inner in fields.items() if name in _VALUE_KEYS}
        predicate = self._predicates(plain, path, key, depth)
        if predicate is not None:
            found.append(Attribute(key, predicate, DEFAULT, fold))
        for quantifier in _QUANTIFIERS:
            if quantifier in fields:
                inside = self.predicate(fields[quantifier], f"{path}.{quantifier}", key, depth + 1)
                if inside is not None:
                    found.append(Attribute(key, inside, quantifier, fold))
                elif isinstance(fields[quantifier], Mapping) and not fields[quantifier]:
                    self.wrong(f"{path}.{quantifier}", "asks nothing", "write a predicate")
        if "present" in fields:
            found.append(Present(key, self.boolean(fields["present"], f"{path}.present"), fold))
        if not any(name in fields for name in (*_PREDICATES, *_QUANTIFIERS, "present")) and not plain:
            self.wrong(path, "asks nothing", "write {present: true} if any value will do")
        return found

    def condition(self, value: Any, path: str, depth: int = 0) -> Condition:
        """A `match` mapping, or one inside `all_of`, `any_of`, `not`."""
        self._count(path, depth)
        if self._full(depth):
            return ALWAYS
        fields = self.mapping(value, path, _MATCH_KEYS)
        parts: list[Condition] = []
        if "attributes" in fields:
            attributes = self.mapping(fields["attributes"], f"{path}.attributes")
            for key, inner in attributes.items():
                if not key or key.startswith("\0"):
                    self.wrong(f"{path}.attributes", f"{key!r} is no attribute name", "write a metadata key")
                    continue
                parts.extend(self.attribute(key, inner, f"{path}.attributes.{key}", depth))
        for name in ("all_of", "any_of"):
            if name not in fields:
                continue
            inside = self.each(fields[name], f"{path}.{name}", lambda inner, at: self.condition(inner, at, depth + 1))
            if isinstance(fields[name], list | tuple) and not inside:
                self.wrong(f"{path}.{name}", "is empty", "write at least one condition")
            if name == "all_of":
                parts.extend(inside)
            else:
                parts.append(AnyOf(tuple(inside)))
        if "not" in fields:
            parts.append(Not(self.condition(fields["not"], f"{path}.not", depth + 1)))
        if "fraction" in fields:
            parts.append(self._fraction(fields["fraction"], f"{path}.fraction"))
        if "consistent_hash" in fields:
            parts.append(self._threshold(fields["consistent_hash"], f"{path}.consistent_hash"))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _fraction(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, ("percent", "numerator", "denominator", "use", "random"))
        if "percent" in fields:
            if "numerator" in fields or "denominator" in fields:
                self.wrong(path, "has both a percentage and a fraction", "write one of them")
            share = self.percent(fields["percent"], f"{path}.percent")
        else:
            share = self.share({name: fields[name] for name in ("numerator", "denominator") if name in fields}, path)
        use: int | None = self.fraction_use(self._fractions)
        self._fractions += 1
        if "use" in fields:
            use = self.integer(fields["use"], f"{path}.use", 0, (1 << 64) - 1)
        if "random" in fields:
            if fields["random"] not in ("derived", "plain"):
                self.wrong(f"{path}.random", "is not known", "write derived or plain")
            elif fields["random"] == "plain":
                use = None
        return Fraction(share.numerator, share.denominator, use)

    def fraction_use(self, number: int) -> int:
        """The draw of the rule's fraction number `number`: by the rule's name, so that reordering moves nothing."""
        return _FRACTION_USES + fast_xxh64(self._rule.encode("utf-8", "surrogatepass"), number) % _FRACTION_USES

    def _threshold(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, ("key", "modulo", "threshold", "seed", "ignore_name_case"))
        for name in ("key", "modulo", "threshold"):
            if name not in fields:
                self.wrong(path, f"has no {name}", "write {key: header.user, modulo: 100, threshold: 90}")
        top = (1 << 64) - 1
        return HashThreshold(
            self.text(fields.get("key", "?"), f"{path}.key"),
            self.integer(fields.get("modulo", 1), f"{path}.modulo", 1, top),
            self.integer(fields.get("threshold", 0), f"{path}.threshold", 0, top),
            self.integer(fields.get("seed", 0), f"{path}.seed", 0, top),
            self.boolean(fields.get("ignore_name_case", False), f"{path}.ignore_name_case"),
        )

    # -- what happens -------------------------------------------------------------------------------------------------

    def destination(self, value: Any, path: str) -> Destination:
        """One destination."""
        fields = self.mapping(value, path, ("host", "subset", "port", "weight", "labels"))
        if "host" not in fields and isinstance(value, Mapping):
            self.wrong(path, "has no host", "write {host: name}")
        return Destination(
            self.text(fields["host"], f"{path}.host") if "host" in fields else "",
            self.text(fields["subset"], f"{path}.subset") if "subset" in fields else None,
            self.integer(fields["port"], f"{path}.port", 1, 65535) if "port" in fields else None,
            self.integer(fields.get("weight", 1), f"{path}.weight", 0, _MAX_WEIGHT),
            freeze_labels(self.mapping(fields["labels"], f"{path}.labels")) if "labels" in fields else (),
        )

    def destinations(self, value: Any, path: str) -> tuple[Destination, ...]:
        """Destinations whose weights some number can choose."""
        found = tuple(self.each(value, path, self.destination))
        self.check_weights(found, path)
        if isinstance(value, list | tuple) and not found:
            self.wrong(path, "is empty", "write at least one destination, or respond")
        return found

    def check_weights(self, found: tuple[Destination, ...], path: str) -> None:
        """Refuse a sum nothing can be drawn from."""
        total = sum(destination.weight for destination in found)
        if found and total == 0:
            self.wrong(path, "the weights add up to 0, so none can be chosen", "give one of them a weight")
        elif total > _MAX_WEIGHT:
            self.wrong(path, "the weights add up to more than 32 bits hold", "divide them all by the same number")

    def _part(self, fields: Mapping[str, Any], path: str) -> Share:
        if "percent" in fields and "share" in fields:
            self.wrong(path, "has both percent and share", "write one of them")
        if "share" in fields:
            return self.share(fields["share"], f"{path}.share")
        return self.percent(fields["percent"], f"{path}.percent") if "percent" in fields else Share()

    def mirror(self, value: Any, path: str) -> Mirror:
        """One mirror."""
        fields = self.mapping(value, path, ("destination", "percent", "share", "match"))
        if "destination" not in fields and isinstance(value, Mapping):
            self.wrong(path, "has no destination", "write {destination: {host: name}, percent: 5}")
        return Mirror(
            self.destination(fields["destination"], f"{path}.destination")
            if "destination" in fields
            else Destination(""),
            self._part(fields, path),
            self.condition(fields["match"], f"{path}.match") if "match" in fields else ALWAYS,
        )

    def edits(self, value: Any, path: str) -> tuple[Edit, ...]:
        """Edits by key."""
        return tuple(
            Edit(key, self._change(key, inner, f"{path}.{key}")) for key, inner in self.mapping(value, path).items()
        )

    def _change(self, key: str, value: Any, path: str) -> Change:
        if isinstance(value, Mapping):
            if "copy" in value:
                fields = self.mapping(value, path, ("copy",))
                return Copy(self.text(fields["copy"], f"{path}.copy"))
            fields = self.mapping(value, path, ("cut", "remove_prefix", "add_prefix", "add_suffix", "copy"))
            if not value:
                self.wrong(path, "changes nothing", "write a value, null, or {remove_prefix: …}")
            return Reshape(
                self.integer(fields["cut"], f"{path}.cut", 1, 1 << 32) if "cut" in fields else 0,
                *(self.text(fields[name], f"{path}.{name}") if name in fields else ""
                  for name in ("remove_prefix", "add_prefix", "add_suffix")),
            )  # fmt: skip
        if isinstance(value, list | tuple):
            return Set(tuple(self.each(value, path, lambda inner, at: self.text(inner, at, empty=True))))
        return Set(None) if value is None else Set(self.scalar(value, path, key))

    def _hash_policy(self, value: Any, path: str) -> HashPolicy:
        combine = "rotate"
        if isinstance(value, Mapping):
            fields = self.mapping(value, path, ("keys", "combine"))
            combine = fields.get("combine", "rotate")
            if combine not in ("rotate", "sorted"):
                self.wrong(f"{path}.combine", "is not known", "write rotate or sorted")
                combine = "rotate"
            value, path = fields.get("keys"), f"{path}.keys"
        keys: list[str] = []
        terminal: set[str] = set()
        for number, inner in enumerate(self.sequence(value, path)):
            at = f"{path}[{number}]"
            if isinstance(inner, Mapping):
                one = self.mapping(inner, at, ("key", "terminal"))
                key = self.text(one.get("key"), f"{at}.key")
                if self.boolean(one.get("terminal", False), f"{at}.terminal"):
                    terminal.add(key)
            else:
                key = self.text(inner, at)
            if key in keys:
                self.wrong(at, f"'{key}' stands there already", "name each key once")
            keys.append(key)
        if isinstance(value, list | tuple) and not keys:
            self.wrong(path, "is empty", "name at least one key")
        return HashPolicy(tuple(keys), combine, frozenset(terminal))

    def _respond(self, value: Any, path: str) -> Respond:
        if value == "deny":
            return Respond("denied")
        if isinstance(value, str):
            value = {"reason": value}
        fields = self.mapping(value, path, ("reason", "text", "status"))
        reason = fields.get("reason", "answer" if "text" in fields else None)
        if reason not in REASONS:
            self.wrong(f"{path}.reason", "is not known", "write one of " + ", ".join(REASONS))
            reason = "denied"
        return Respond(
            reason,
            self.text(fields["text"], f"{path}.text", empty=True) if "text" in fields else None,
            self.integer(fields["status"], f"{path}.status", 0, (1 << 31) - 1) if "status" in fields else None,
        )

    def _retry(self, value: Any, path: str) -> Retry:
        fields = self.mapping(value, path, ("attempts", "per_try_timeout", "on"))
        return Retry(
            self.integer(fields["attempts"], f"{path}.attempts", 0, 1000) if "attempts" in fields else None,
            self.seconds(fields["per_try_timeout"], f"{path}.per_try_timeout") if "per_try_timeout" in fields else None,
            tuple(self.each(fields.get("on", []), f"{path}.on", self.text)),
        )

    def _fault(self, value: Any, path: str) -> Fault:
        fields = self.mapping(value, path, ("delay", "abort"))
        delay = abort = None
        if "delay" in fields:
            at = f"{path}.delay"
            inner = self.mapping(fields["delay"], at, ("seconds", "percent", "share"))
            delay = Delay(self.seconds(inner.get("seconds"), f"{at}.seconds"), self._part(inner, at))
        if "abort" in fields:
            at = f"{path}.abort"
            inner = self.mapping(fields["abort"], at, ("status", "percent", "share"))
            status = inner.get("status")
            if isinstance(status, bool) or not isinstance(status, int | str):
                self.wrong(f"{at}.status", f"is {kind_of(status)}", "write the protocol's status or a reason")
                status = ""
            abort = Abort(status, self._part(inner, at))
        if not fields and isinstance(value, Mapping):
            self.wrong(path, "injects nothing", "write delay or abort")
        return Fault(delay, abort)

    def rate_limit(self, value: Any, path: str) -> RateLimit:
        """Descriptors."""
        fields = self.mapping(value, path, ("descriptors", "domain"))
        found = self.each(fields.get("descriptors", []), f"{path}.descriptors", self._descriptor)
        if not found:
            self.wrong(path, "has no descriptors", "write {descriptors: [{key: user, source: header.user}]}")
        return RateLimit(tuple(found), self.text(fields["domain"], f"{path}.domain") if "domain" in fields else None)

    def _descriptor(self, value: Any, path: str) -> Descriptor:
        fields = self.mapping(value, path, ("key", "value", "source"))
        if ("value" in fields) == ("source" in fields):
            self.wrong(path, "needs one of value and source", "write {key: user, source: header.user}")
        return Descriptor(
            self.text(fields.get("key"), f"{path}.key"),
            self.text(fields["value"], f"{path}.value", empty=True) if "value" in fields else None,
            self.text(fields["source"], f"{path}.source") if "source" in fields else None,
        )

    def route(self, value: Any, path: str, number: int) -> Route:
        """One rule."""
        fields = self.mapping(value, path, ROUTE_KEYS)
        name = self.text(fields["name"], f"{path}.name") if "name" in fields else f"routes[{number}]"
        self.begin_rule(name)
        match = self.condition(fields["match"], f"{path}.match") if "match" in fields else ALWAYS
        ways = [key for key in ("destinations", "destination_from", "respond") if key in fields]
        if len(ways) != 1 and isinstance(value, Mapping):
            said = "says nothing of what to do" if not ways else "says " + " and ".join(ways)
            self.wrong(path, said, "write exactly one of destinations, destination_from, respond")
        weighting = fields.get("weighting", "derived")
        if weighting not in ("derived", "modulo"):
            self.wrong(f"{path}.weighting", "is not known", "write derived or modulo")

        def get(key: str, read: Any) -> Any:
            return read(fields[key], f"{path}.{key}") if key in fields else None

        return Route(
            name=name,
            match=match,
            destinations=get("destinations", self.destinations) or (),
            destination_from=get("destination_from", self.text),
            respond=get("respond", self._respond),
            mirrors=tuple(self.each(fields.get("mirrors", []), f"{path}.mirrors", self.mirror)),
            request_edits=get("request_edits", self.edits) or (),
            response_edits=get("response_edits", self.edits) or (),
            hash_policy=get("hash_policy", self._hash_policy),
            timeout=get("timeout", self.seconds),
            retry=get("retry", self._retry),
            fault=get("fault", self._fault),
            rate_limit=get("rate_limit", self.rate_limit),
            modulo=weighting == "modulo",
        )

    def routes(self, value: Any, path: str) -> tuple[Route, ...]:
        """All rules; names must differ."""
        found: list[Route] = []
        seen: dict[str, int] = {}
        for number, inner in enumerate(self.sequence(value, path)):
            at = f"{path}[{number}]"
            route = self.route(inner, at, number)
            if route.name in seen:
                self.wrong(f"{at}.name", f"'{route.name}' is also the name of {path}[{seen[route.name]}]",
                           "give each rule its own")  # fmt: skip
            seen.setdefault(route.name, number)
            found.append(route)
        return tuple(found)

    def bucket(self, value: Any, path: str) -> TokenBucket:
        """A token bucket."""
        fields = self.mapping(value, path, ("max_tokens", "tokens_per_fill", "fill_interval"))
        top = (1 << 32) - 1
        return TokenBucket(
            self.integer(fields.get("max_tokens"), f"{path}.max_tokens", 1, top),
            self.seconds(fields.get("fill_interval"), f"{path}.fill_interval"),
            self.integer(fields.get("tokens_per_fill", 1), f"{path}.tokens_per_fill", 1, top),
        )

    def local_rate_limit(self, value: Any, path: str) -> LocalRateLimit:
        """Token buckets by condition."""
        fields = self.mapping(value, path, ("bucket", "conditions"))

        def limited(inner: Any, at: str) -> LimitCondition:
            parts = self.mapping(inner, at, ("match", "bucket"))
            self.begin_rule(at)
            return LimitCondition(self.condition(parts.get("match", {}), f"{at}.match"),
                                  self.bucket(parts.get("bucket"), f"{at}.bucket"))  # fmt: skip

        conditions = self.each(fields.get("conditions", []), f"{path}.conditions", limited)
        bucket = self.bucket(fields["bucket"], f"{path}.bucket") if "bucket" in fields else None
        if bucket is None and not conditions:
            self.wrong(path, "limits nothing", "write bucket or conditions")
        return LocalRateLimit(bucket, tuple(conditions))

    def global_rate_limit(self, value: Any, path: str) -> GlobalRateLimit:
        """What a rate-limit service is asked."""
        fields = self.mapping(value, path, ("match", "domain", "descriptors", "service", "timeout", "deny_on_fail"))
        self.begin_rule(path)
        inner = {key: fields[key] for key in ("descriptors", "domain") if key in fields}
        return GlobalRateLimit(
            self.condition(fields.get("match", {}), f"{path}.match"),
            self.rate_limit(inner, path),
            self.text(fields.get("service"), f"{path}.service"),
            self.seconds(fields["timeout"], f"{path}.timeout") if "timeout" in fields else None,
            self.boolean(fields.get("deny_on_fail", False), f"{path}.deny_on_fail"),
        )


ROUTE_KEYS: Final = (
    "name", "match", "destinations", "destination_from", "respond", "mirrors", "request_edits", "response_edits",
    "hash_policy", "timeout", "retry", "fault", "rate_limit", "weighting",
)  # fmt: skip


# -- writing ----------------------------------------------------------------------------------------------------------


def _parts(predicate: Predicate) -> list[Predicate]:
    if isinstance(predicate, Both):
        return [leaf for part in predicate.parts for leaf in _parts(part)]
    return [predicate]


def spell_predicate(predicate: Predicate) -> Any:
    """A predicate as written in a rule."""
    if not isinstance(predicate, Both):
        return predicate.spell()
    parts = _parts(predicate)
    merged: dict[str, Any] = {}
    cases: set[bool] = set()
    for part in parts:
        spelled = spell_predicate(part)
        folded = bool(spelled.pop("ignore_case", False))
        if any(name in _CASED for name in spelled):
            cases.add(folded)
        if len(cases) > 1 or set(spelled) & set(merged):
            return {"all_of": [spell_predicate(one) for one in parts]}
        merged.update(spelled)
    if not merged:
        return {"all_of": []}
    # one_of and exact keep their case beside a regex only when they are folded by themselves
    if True in cases and "regex" in merged:
        return {"all_of": [spell_predicate(one) for one in parts]}
    return {**merged, "ignore_case": True} if True in cases else merged


def spell_attribute(condition: Attribute | Present) -> dict[str, Any]:
    """One attribute condition as the value of an entry of `attributes`."""
    if isinstance(condition, Present):
        spelled: dict[str, Any] = {"present": condition.expected}
    else:
        inner = spell_predicate(condition.predicate)
        spelled = {condition.quantifier: inner} if condition.quantifier else inner
    return {**spelled, "ignore_name_case": True} if condition.fold else spelled


def _bare(spelled: dict[str, Any]) -> Any:
    """``{exact: v}`` is written as v."""
    return spelled["exact"] if len(spelled) == 1 and "exact" in spelled else spelled


def _flat(condition: Condition) -> list[Condition]:
    if isinstance(condition, All):
        return [leaf for part in condition.parts for leaf in _flat(part)]
    return [NEVER if condition == AnyOf(()) else condition]


def dump_condition(condition: Condition) -> dict[str, Any]:
    """A condition as a `match` mapping; ``{}`` matches everything, ``{not: {}}`` nothing.

    What a mapping can hold once (an attribute, `any_of`, `not`, …) and a condition has several times goes to `all_of`,
    so that reading the mapping gives the conditions in an order that is written in the same way again.
    """
    parts = _flat(condition)
    kinds = [None if isinstance(part, Attribute | Present) else type(part) for part in parts]
    attributes: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    more: list[dict[str, Any]] = []
    for number, part in enumerate(parts):
        if isinstance(part, Attribute | Present):
            spelled = _bare(spell_attribute(part))
            if part.key in attributes:
                more.append({"attributes": {part.key: spelled}})
            else:
                attributes[part.key] = spelled
            continue
        one = _dump_other(part)
        if type(part) in kinds[number + 1 :]:
            more.append(one)
        else:
            fields.update(one)
    found: dict[str, Any] = {"attributes": attributes} if attributes else {}
    if more:
        found["all_of"] = more
    return {**found, **fields}


def _dump_other(part: Condition) -> dict[str, Any]:
    match part:
        case AnyOf(parts):
            return {"any_of": [dump_condition(inner) for inner in parts]}
        case Not(inner):
            return {"not": dump_condition(inner)}
        case Fraction():
            return {"fraction": _dump_fraction(part)}
        case HashThreshold(key, modulo, threshold, seed, fold):
            spelled: dict[str, Any] = {"key": key, "modulo": modulo, "threshold": threshold}
            if seed:
                spelled["seed"] = seed
            if fold:
                spelled["ignore_name_case"] = True
            return {"consistent_hash": spelled}
    raise TypeError(f"{type(part).__name__} is no condition a document can say")


def _dump_fraction(fraction: Fraction) -> dict[str, Any]:
    spelled: dict[str, Any] = {"numerator": fraction.numerator, "denominator": fraction.denominator}
    if fraction.use is None:
        spelled["random"] = "plain"
    else:
        spelled["use"] = fraction.use
    return spelled


def _dump_share(share: Share) -> dict[str, Any]:
    if share == Share():
        return {}
    if share.denominator == MILLION:
        return {"percent": share.numerator / 10_000}
    return {"share": {"numerator": share.numerator, "denominator": share.denominator}}


def dump_destination(destination: Destination) -> dict[str, Any]:
    """A destination as a mapping."""
    fields = {
        "host": destination.host,
        "subset": destination.subset,
        "port": destination.port,
        "weight": destination.weight if destination.weight != 1 else None,
        "labels": dict(destination.labels) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _dump_mirror(mirror: Mirror) -> dict[str, Any]:
    fields = {"destination": dump_destination(mirror.destination), **_dump_share(mirror.share)}
    return fields if mirror.match == ALWAYS else {**fields, "match": dump_condition(mirror.match)}


def _dump_edits(edits: tuple[Edit, ...]) -> dict[str, Any]:
    return {edit.key: edit.change.spell() for edit in edits}


def _dump_hash_policy(policy: HashPolicy) -> Any:
    keys = [{"key": key, "terminal": True} if key in policy.terminal else key for key in policy.keys]
    return keys if policy.combine == "rotate" else {"keys": keys, "combine": policy.combine}


def _dump_respond(respond: Respond) -> Any:
    if respond == Respond("denied"):
        return "deny"
    fields = {"reason": respond.reason, "text": respond.text, "status": respond.status}
    return {name: value for name, value in fields.items() if value is not None}


def _dump_retry(retry: Retry) -> dict[str, Any]:
    fields = {"attempts": retry.attempts, "per_try_timeout": retry.per_try_timeout, "on": list(retry.on) or None}
    return {name: value for name, value in fields.items() if value is not None}


def _dump_fault(fault: Fault) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if fault.delay is not None:
        fields["delay"] = {"seconds": fault.delay.seconds, **_dump_share(fault.delay.share)}
    if fault.abort is not None:
        fields["abort"] = {"status": fault.abort.status, **_dump_share(fault.abort.share)}
    return fields


def _dump_rate_limit(limit: RateLimit) -> dict[str, Any]:
    descriptors = []
    for one in limit.descriptors:
        value = {"value": one.value} if one.source is None else {"source": one.source}
        descriptors.append({"key": one.key, **value})
    return {"descriptors": descriptors, **({"domain": limit.domain} if limit.domain is not None else {})}


def dump_route(route: Route) -> dict[str, Any]:
    """A rule as a mapping, with the keys in the order people write them."""
    match = dump_condition(route.match)
    fields: dict[str, Any] = {"name": route.name}
    if match:
        fields["match"] = match
    if route.destinations:
        fields["destinations"] = [dump_destination(destination) for destination in route.destinations]
    optional = {
        "destination_from": route.destination_from,
        "respond": None if route.respond is None else _dump_respond(route.respond),
        "mirrors": [_dump_mirror(mirror) for mirror in route.mirrors] or None,
        "request_edits": _dump_edits(route.request_edits) or None,
        "response_edits": _dump_edits(route.response_edits) or None,
        "hash_policy": None if route.hash_policy is None else _dump_hash_policy(route.hash_policy),
        "timeout": route.timeout,
        "retry": None if route.retry is None else _dump_retry(route.retry),
        "fault": None if route.fault is None else _dump_fault(route.fault),
        "rate_limit": None if route.rate_limit is None else _dump_rate_limit(route.rate_limit),
        "weighting": "modulo" if route.modulo else None,
    }
    fields.update({name: value for name, value in optional.items() if value is not None})
    return fields


def _dump_bucket(bucket: TokenBucket) -> dict[str, Any]:
    return {
        "max_tokens": bucket.max_tokens,
        "tokens_per_fill": bucket.tokens_per_fill,
        "fill_interval": bucket.fill_interval,
    }


def dump_table_parts(
    routes: tuple[Route, ...], local: LocalRateLimit | None, remote: GlobalRateLimit | None
) -> dict[str, Any]:
    """A table as a mapping."""
    fields: dict[str, Any] = {"routes": [dump_route(route) for route in routes]}
    if local is not None:
        limits: dict[str, Any] = {}
        if local.bucket is not None:
            limits["bucket"] = _dump_bucket(local.bucket)
        if local.conditions:
            limits["conditions"] = [
                {"match": dump_condition(one.match), "bucket": _dump_bucket(one.bucket)} for one in local.conditions
            ]
        fields["local_rate_limit"] = limits
    if remote is not None:
        asked = {
            "match": dump_condition(remote.match),
            **_dump_rate_limit(remote.limit),
            "service": remote.service,
            "timeout": remote.timeout,
            "deny_on_fail": remote.deny_on_fail,
        }
        fields["global_rate_limit"] = {name: value for name, value in asked.items() if value is not None}
    return fields
