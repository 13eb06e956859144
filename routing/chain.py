"""Small tables as one generated function: the chain of `if`s a person would write.

Below some sixteen rules, finding a bucket costs more than asking every rule. The function answers for messages whose
looked-up values are strings or missing, which is nearly all of them; any other makes it say ASK_INDEX. Only literals of
our own (`repr` of strings and numbered tests) become code, nothing of a rule is ever executed as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from .conditions import All, AnyOf, Attribute, Condition, Not, Present, Test, walk
from .predicates import Exact, Prefix, Suffix
from .view import View

__all__ = ["ASK_INDEX", "MOST_RULES", "Chain", "chain"]

Chain = Callable[[View], int]

MOST_RULES: Final = 16
_MOST_CONDITIONS: Final = 100
ASK_INDEX: Final = -1


class _Source:
    """Expressions for conditions, and the names they use."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self.tests: dict[str, Any] = {}

    def variable(self, name: str) -> str:
        return self.variables.setdefault(name, f"v{len(self.variables)}")

    def call(self, test: Callable[..., bool], argument: str) -> str:
        name = f"t{len(self.tests)}"
        self.tests[name] = test
        return f"{name}({argument})"

    def expression(self, condition: Condition) -> str:
        match condition:
            case All(parts):
                return "(" + (" and ".join(map(self.expression, parts)) or "True") + ")"
            case AnyOf(parts):
                return "(" + (" or ".join(map(self.expression, parts)) or "False") + ")"
            case Not(part):
                return f"(not {self.expression(part)})"
            case Present(_, expected, _):
                return f"{self.variable(condition.name)} is {'not None' if expected else 'None'}"
            case Attribute():
                return self.attribute(condition)
        test: Test = condition.test()
        return self.call(test, "view")

    def attribute(self, condition: Attribute) -> str:
        value = self.variable(condition.name)
        match condition.predicate:
            case Exact(str(text), False):
                return f"{value} == {text!r}"
            case Exact(str(), True):
                pass
            case Exact():
                return "False"
            case Prefix(text, False):
                return f"({value} is not None and {value}.startswith({text!r}))"
            case Suffix(text, False):
                return f"({value} is not None and {value}.endswith({text!r}))"
        return f"({value} is not None and {self.call(condition.predicate.text_test(), value)})"


def chain(matches: Iterable[Condition], nothing: int) -> Chain | None:
    """The function for these matches, giving `nothing` where none holds; None where there are too many."""
    matches = list(matches)
    if len(matches) > MOST_RULES or sum(1 for _ in walk(matches)) > _MOST_CONDITIONS:
        return None
    source = _Source()
    lines = [f"    if {source.expression(match)}: return {position}" for position, match in enumerate(matches)]
    values = [f"    {variable} = get({name!r})" for name, variable in source.variables.items()]
    odd = [f"(type({variable}) is not str and {variable} is not None)" for variable in source.variables.values()]
    guard = [f"    if {' or '.join(odd)}: return {ASK_INDEX}"] if odd else []
    code = "\n".join(["def find(view):", "    get = view.get", *values, *guard, *lines, f"    return {nothing}"])
    namespace: dict[str, Any] = dict(source.tests)
    exec(compile(code, "<routing chain>", "exec"), namespace)
    found: Chain = namespace["find"]
    return found
