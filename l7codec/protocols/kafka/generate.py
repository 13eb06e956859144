"""Readers and writers of messages, generated: one Python function for each version of a message, at its first use.

What is generated for a struct of an int16, an int32, a compact string and the tags behind it, to be read:

    a,b,n=S0(d,p);p+=7                  # runs of fixed fields, and the length byte that follows them, in one unpack
    if n<1:raise E                      # null is not allowed here
    if n>127:n,p=VS(d,p,n)              # a longer length is rare, and read by a function
    e=p+n-1;c=d[p:e].decode();p=e
    t=d[p];p+=1
    o={"error_code":a,"leader_id":b,"host":c}
    if t:…                              # tagged fields

The position is not checked at every step: reading a number beyond the end raises, a slice beyond it is short, and at
the end one comparison tells. Something wrong raises one of FAULTS, no more; `plain` then says what, and where.

The generator has three outputs: `reader` (bodies, whole or with arrays of structs left for later), `walker` (what
stands where: metadata and edits are read off it), and `writer`. Everything it puts into source text comes from our own
table, nothing from the wire.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from operator import itemgetter
from typing import Any, Final, Protocol

from .layout import FORMATS, SIZES, TAGGED_FIELDS, Item, Struct
from .lazy import Array, Shapes
from .lazy import Records as Framed
from .plain import MAX_STRING, varint, write_tags
from .records import Records

__all__ = ["FAULTS", "Fault", "Visitor", "make_reader", "make_walker", "make_writer"]

Reader = Callable[[bytes, int], tuple[Any, int]]


class Fault(ValueError):
    """Generated code met something wrong.

    The class is raised, a new exception each time: one and the same would collect the frames of all that it was raised
    in, and their data with them.
    """


FAULTS: Final = (struct.error, IndexError, ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What generated code raises. UnicodeError is a ValueError."""


# -- what generated code calls --------------------------------------------------------------------------------------


def _varint(data: bytes, at: int, value: int) -> tuple[int, int]:
    """The rest of an unsigned varint whose first byte is `value`."""
    value &= 127
    shift = 7
    while shift < 35:
        byte = data[at]
        at += 1
        if byte < 128:
            if shift == 28 and byte > 15:  # more than 32 bits
                raise Fault
            return value | byte << shift, at
        value |= (byte & 127) << shift
        shift += 7
    raise Fault


def _string_varint(data: bytes, at: int, value: int) -> tuple[int, int]:
    value, at = _varint(data, at, value)
    if value > MAX_STRING + 1:
        raise Fault
    return value, at


class _Unpackers(dict[int, Callable[[bytes, int], tuple[Any, ...]]]):
    """`unpack_from` of so many numbers of a kind."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code

    def __missing__(self, count: int) -> Callable[[bytes, int], tuple[Any, ...]]:
        made = struct.Struct(f">{count}{self.code}").unpack_from
        if count <= 64:
            self[count] = made
        return made


class _ShapePackers(dict[tuple[int, ...], Callable[..., bytes]]):
    """`pack` of a struct of numbers and arrays of numbers, by the arrays' lengths."""

    def __init__(self, fields: Struct) -> None:
        super().__init__()
        self.fields = fields

    def __missing__(self, lengths: tuple[int, ...]) -> Callable[..., bytes]:
        if max(lengths) > 126:
            raise Fault
        several = iter(lengths)
        codes = ""
        for item in self.fields.fields:
            if item.array:
                codes += ("B" if item.compact else "i") + FORMATS[item.type] * next(several)
            else:
                codes += FORMATS[item.type]
        made = struct.Struct(">" + codes + "x" * self.fields.flexible).pack
        if len(self) < 256:
            self[lengths] = made
        return made


class _Packers(dict[int, Callable[..., bytes]]):
    """`pack` of so many numbers of a kind."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code

    def __missing__(self, count: int) -> Callable[..., bytes]:
        made = struct.Struct(f">{count}{self.code}").pack
        if count <= 64:
            self[count] = made
        return made


def _keep_tags(data: bytes, at: int, count: int, value: dict[str, Any]) -> int:
    """Put the tagged fields of a struct that knows none into it, and say where they end."""
    found: dict[int, bytes] = {}
    at = _skip_tags(data, at, count, found)
    if found:
        value[TAGGED_FIELDS] = found
    return at


def _skip_tags(data: bytes, at: int, count: int, found: dict[int, bytes] | None = None) -> int:
    """Where they end; `count` is the first byte of how many there are. Only who wants them pays for a dict."""
    if count > 127:
        count, at = _varint(data, at, count)
    last = -1
    for _ in range(count):
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = _varint(data, at, tag)
        size = data[at]
        at += 1
        if size > 127:
            size, at = _varint(data, at, size)
        if tag <= last or size > len(data) - at:
            raise Fault
        last = tag
        if found is not None:
            found[tag] = data[at : at + size]
        at += size
    return at


def _uuids(data: bytes, at: int, count: int) -> list[bytes]:
    if count * 16 > len(data) - at:
        raise Fault
    return [data[start : start + 16] for start in range(at, at + 16 * count, 16)]


_new: Final = object.__new__

_UNPACKERS: Final = {code: _Unpackers(code) for code in "bhHiIqd"}
_PACKERS: Final = {code: _Packers(code) for code in "bhHiIqd"}


class Visitor(Protocol):
    """What a walker does at the fields it is asked to look at."""

    def wants(self, item: Item, path: tuple[str, ...]) -> str | None:
        """None to skip the field; else what to do with it: a line of code, for the walker's `visit`."""


# -- source text ----------------------------------------------------------------------------------------------------


class Source:
    """Lines of a function being written, the names it needs, and the run of fixed bytes not yet read."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.indent = 1
        self.names: dict[str, Any] = {
            "E": Fault,
            "V": _varint,
            "VS": _string_varint,
            "len": len,
            "range": range,
            "list": list,
        }
        self.count = 0
        self.run: list[tuple[str, str | None]] = []  # formats, and the variables that they are read into
        self.later: list[str] = []  # what to do once the run is read
        self.ahead = 0  # how many bytes before the next field `p` stands

    def line(self, text: str) -> None:
        self.lines.append(" " * self.indent + text)

    @contextmanager
    def block(self) -> Iterator[None]:
        """What is written inside stands one step in, and leaves `p` where the next field begins."""
        self.indent += 1
        yield
        self.settle()
        self.indent -= 1

    def new(self, letter: str = "v") -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def bind(self, letter: str, value: Any) -> str:
        """A name for a value of ours."""
        for name, known in self.names.items():
            if known is value:
                return name
        name = self.new(letter)
        self.names[name] = value
        return name

    def fixed(self, code: str, variable: str | None = None) -> None:
        """So many bytes come next; `variable`: read them."""
        self.run.append((code, variable))

    def flush(self) -> None:
        """Write the unpacking of the run, if anything of it is wanted."""
        run, self.run = self.run, []
        wanted = [variable for _, variable in run if variable]
        size = sum(struct.calcsize(">" + code) for code, _ in run)
        if not run:
            return
        if wanted:
            at = _plus("p", self.ahead)
            while run and run[0][1] is None:
                self.ahead += struct.calcsize(">" + run[0][0])
                size -= struct.calcsize(">" + run[0][0])
                run = run[1:]
            at = _plus("p", self.ahead)
            if [code for code, _ in run] == ["B"]:
                self.line(f"{wanted[0]}=d[{at}]")
            else:
                codes = "".join(code if variable else f"{struct.calcsize('>' + code)}x" for code, variable in run)
                name = self.bind("S", _unpacker(codes))
                self.line(f"{','.join(wanted)}{',' if len(wanted) == 1 else ''}={name}(d,{at})")
        self.ahead += size
        for text in self.later:
            self.line(text)
        self.later = []

    def settle(self) -> None:
        """Bring `p` to where it belongs."""
        self.flush()
        if self.ahead:
            self.line(f"p{'+' if self.ahead > 0 else '-'}={abs(self.ahead)}")
            self.ahead = 0

    def compile(self, head: str) -> Any:
        text = f"def f({head}):\n" + "\n".join(self.lines)
        exec(compile(text, "<kafka>", "exec"), self.names)
        made = self.names["f"]
        made.source = text
        return made


@cache
def _unpacker(codes: str) -> Callable[[bytes, int], tuple[Any, ...]]:
    return struct.Struct(">" + codes).unpack_from


@cache
def _packer(codes: str) -> Callable[..., bytes]:
    return struct.Struct(">" + codes).pack


def _plus(name: str, count: int) -> str:
    return f"{name}{count:+d}" if count else name


# -- reading --------------------------------------------------------------------------------------------------------

SKIP: Final = "skip"
READ: Final = "read"
LAZY: Final = "lazy"


class _Walk:
    """Writes the code that goes through a struct."""

    def __init__(self, source: Source, visitor: Visitor | None = None) -> None:
        self.source = source
        self.visitor = visitor
        self.read: list[str] = []
        """Variables of the fields that come next, where they have been read already."""

    # One struct. Reading gives the expression of a dict; skipping gives nothing.

    def struct(self, fields: Struct, mode: str, path: tuple[str, ...] = ()) -> str:
        if mode == SKIP:
            self.skip_struct(fields, path)
            return ""
        source = self.source
        whole = source.new("o") if fields.flexible else ""
        if fields.tags:  # a copy of a dict with their defaults costs less than to put them into a new one
            source.line(f"{whole}={source.bind('T', fields.fresh().copy)}()")
        values: dict[str, str] = {}
        for index, item in enumerate(fields.fields):
            target = f'{whole}["{item.name}"]' if fields.tags else None
            behind = self.behind(fields.fields[index + 1 :]) if item.array and item.nullable else []
            value = self.absent_array(item, mode, path, behind) if behind else self.item(item, mode, path, target)
            assert value is not None
            values[item.name] = value
        if not fields.flexible:
            source.flush()
            return _display(values)
        count = self.tag_count()
        if fields.tags:
            for name, value in values.items():
                if value != f'{whole}["{name}"]':
                    source.line(f'{whole}["{name}"]={value}')
            for item in fields.tags:
                if item.array and item.default is not None:
                    source.line(f'{whole}["{item.name}"]=[]')  # one of its own
            self.tags(fields, mode, path, count, whole)
        else:
            source.line(f"{whole}={_display(values)}")
            source.line(f"if {count}:p={source.bind('K', _keep_tags)}(d,p,{count},{whole})")
        return whole

    def skip_struct(self, fields: Struct, path: tuple[str, ...]) -> None:
        for item in fields.fields:
            action = self.action(item, path)
            if action is not None:
                self.visited(item, action, path)
            else:
                self.item(item, SKIP, path)
        if fields.tags:
            self.tags(fields, SKIP, path, self.tag_count(), "")
        elif fields.flexible:
            self.skip_tags()

    def action(self, item: Item, path: tuple[str, ...]) -> str | None:
        return None if self.visitor is None else self.visitor.wants(item, (*path, item.name))

    def looks_into(self, item: Item, path: tuple[str, ...]) -> bool:
        """Whether anything inside is to be looked at."""
        if self.visitor is None or item.inner is None:
            return False
        inside = (*path, item.name)
        return any(
            self.visitor.wants(one, (*inside, one.name)) is not None or self.looks_into(one, inside)
            for one in (*item.inner.fields, *item.inner.tags)
        )

    def visited(self, item: Item, action: str, path: tuple[str, ...]) -> None:
        """Read a field and do with it what the visitor says: {x} is its value, {s} where it starts; it ends at p."""
        source = self.source
        if item.fixed and "{s}" not in action:
            variable = self.item(item, READ, path)
            source.later += action.format(x=variable).split("\n")
            return
        start = source.new("s")
        if "{s}" in action:
            source.settle()
            source.line(f"{start}=p")
        value = self.item(item, READ, path)
        source.settle()
        for line in action.format(x=value, s=start).split("\n"):
            source.line(line)

    # One field.

    def item(self, item: Item, mode: str, path: tuple[str, ...], target: str | None = None) -> str | None:
        """The expression of the field's value, None if it is skipped; `target`: where to put a number."""
        if item.array:
            return self.array(item, mode, path)
        if item.inner is not None:
            return self.inner(item, mode, path)
        return self.one(item, mode, target=target)

    def inner(self, item: Item, mode: str, path: tuple[str, ...]) -> str | None:
        source = self.source
        assert item.inner is not None
        inside = (*path, item.name)
        if not item.nullable:
            return self.struct(item.inner, mode, inside) or None
        mark, value = source.new("k"), source.new()
        source.fixed("b", mark)
        source.settle()
        if mode != SKIP:
            source.line(f"{value}=None")
        source.line(f"if {mark}>=0:")
        source.indent += 1
        text = self.struct(item.inner, mode, inside)
        source.settle()
        source.line(f"{value}={text}" if mode != SKIP else "pass")
        source.indent -= 1
        return value if mode != SKIP else None

    def one(self, item: Item, mode: str, nullable: bool | None = None, target: str | None = None) -> str | None:
        """A number, a UUID, a string, bytes, records."""
        source = self.source
        if item.type in SIZES and self.read:
            return self.read.pop(0)
        if item.type in SIZES:
            value = (target or source.new()) if mode != SKIP else None
            source.fixed(FORMATS[item.type], value)
            return value
        may_be_null = item.nullable if nullable is None else nullable
        length = self.length(item, "h" if item.type == "string" else "i", may_be_null)
        if mode == SKIP:
            if item.compact:
                source.line(f"p+={length}" + (" or 1" if may_be_null else ""))
                source.ahead -= 1
            else:
                source.line(f"if {length}>0:p+={length}" if may_be_null else f"p+={length}")
            return None
        value = source.new()
        end = source.new("e")
        framed = source.bind("R", Framed)
        made = f"{source.bind('N', _new)}({framed})"
        body = {
            "string": f"d[p:{end}].decode(" + (")" if self.visitor is None else '"utf-8","surrogateescape")'),
            "bytes": f"d[p:{end}]",
            "records": f"{made};{value}._message=d;{value}._from=p;{value}._to={end}",
        }[item.type]
        text = f"{end}=p+{length}{'-1' if item.compact else ''};{value}={body};p={end}"
        if may_be_null:
            source.line(f"if {length}{'>0' if item.compact else '>=0'}:{text}")
            source.line(f"else:{value}=None")
        else:
            source.line(text)
        return value

    def length(self, item: Item, form: str, may_be_null: bool) -> str:
        """Read a length into a variable: in compact form one more than it is, 0 for null."""
        source = self.source
        if self.read:
            length = self.read.pop(0)
        else:
            length = source.new("n")
            source.fixed("B" if item.compact else form, length)
            source.settle()
        if item.compact:
            if form == "h":
                source.line(f"if {length}>127:{length},p=VS(d,p,{length})")
            elif item.array:
                source.line(f"if {length}>127:{length},p=V(d,p,{length})")
            else:  # payloads are long: two and three bytes are read here
                more, most = source.new("x"), source.new("x")
                source.line(f"if {length}>127:")
                source.line(f" {more}=d[p]")
                source.line(f" if {more}<128:{length}+=({more}<<7)-128;p+=1")
                source.line(" else:")
                source.line(f"  {most}=d[p+1]")
                source.line(f"  if {most}<128:{length}+=({more}<<7)+({most}<<14)-16512;p+=2")
                source.line(f"  else:{length},p=V(d,p,{length})")
            if not may_be_null:  # behind it: 0 may be written in two bytes
                source.line(f"if {length}<1:raise E")
        else:
            source.line(f"if {length}<{-1 if may_be_null else 0}:raise E")
        return length

    def array(self, item: Item, mode: str, path: tuple[str, ...]) -> str | None:
        source = self.source
        length = self.length(item, "i", item.nullable)
        count = f"{length}-1" if item.compact else length
        looks = mode == SKIP and self.looks_into(item, path)
        if mode != SKIP:
            value = source.new()
            self.list_of(item, mode, path, length, value)
            return value
        if item.inner is None and item.type in SIZES:
            size = SIZES[item.type]
            times = "" if size == 1 else f"*{size}"
            if item.compact:
                source.line(f"if {length}:p+={length}{times}" if item.nullable else f"p+={length}{times}")
                if item.nullable:
                    source.line(f"else:p+={size}")
                source.ahead -= size
            else:
                source.line(f"if {length}>0:p+={length}{times}" if item.nullable else f"p+={length}{times}")
            return None
        if looks or item.inner is None:
            self.loop(item, SKIP, path, count, None)
            return None
        source.line(f"if {length}>{1 if item.compact else 0}:")
        with source.block():
            self.skip_structs(item, path, count)
        return None

    def behind(self, items: list[Item]) -> list[tuple[str, str]]:
        """Formats, and variables, of the numbers that come first among these fields, and of the length behind them."""
        found: list[tuple[str, str]] = []
        for item in items:
            if not item.fixed:
                if found and not item.array and item.inner is None:
                    form = "h" if item.type == "string" else "i"
                    found.append(("B" if item.compact else form, self.source.new("n")))
                break
            found.append((FORMATS[item.type], self.source.new()))
        return found

    def absent_array(self, item: Item, mode: str, path: tuple[str, ...], behind: list[tuple[str, str]]) -> str:
        """Read an array that may be null. Most often it is, or empty: so what stands behind it is read with its length.

        That many bytes are there in any case, since an element takes one at least.
        """
        source = self.source
        length, value = source.new("n"), source.new()
        none = 1 if item.compact else 0
        source.fixed("B" if item.compact else "i", length)
        for code, variable in behind:
            source.fixed(code, variable)
        source.settle()
        if not item.compact:
            source.line(f"if {length}<-1:raise E")
        source.line(f"if {length}<={none}:{value}=None if {length}<{none} else []")
        source.line("else:")
        with source.block():
            source.ahead = -sum(struct.calcsize(">" + code) for code, _ in behind)
            source.settle()
            if item.compact:  # behind it: 0 and 1 may be written in two bytes
                source.line(f"if {length}>127:{length},p=V(d,p,{length})")
            self.list_of(item, mode, path, length, value)
            for code, variable in behind:
                source.fixed(code, variable)
        self.read = [variable for _, variable in behind]
        return value

    def list_of(self, item: Item, mode: str, path: tuple[str, ...], length: str, value: str) -> None:
        """Read an array whose length has been read: null, a list without elements, or one with some."""
        source = self.source
        none = 1 if item.compact else 0
        if item.nullable:
            source.line(f"if {length}<{none}:{value}=None")
        source.line(f"{'el' * item.nullable}if {length}=={none}:{value}=[]")
        source.line("else:")
        with source.block():
            self.elements(item, mode, path, f"{length}-1" if item.compact else length, value)

    def elements(self, item: Item, mode: str, path: tuple[str, ...], count: str, value: str) -> None:
        """Read the elements of an array into a list, or leave them for later."""
        source = self.source
        if item.inner is None:
            if item.type == "uuid":
                source.line(f"{value}={source.bind('U', _uuids)}(d,p,{count});p+=16*({count})")
            elif item.type in SIZES:
                reader = source.bind("U", _UNPACKERS[FORMATS[item.type]])
                source.line(f"{value}=list({reader}[{count}](d,p));p+={SIZES[item.type]}*({count})")
            else:
                self.loop(item, READ, path, count, value)
        elif mode == LAZY:
            source.settle()
            start, number = source.new("s"), source.new("c")
            source.line(f"{start}=p;{number}={count}")
            self.skip_structs(item, path, number)
            source.settle()
            reader = source.bind("L", LazyReader(item.inner))
            source.line(f"{value}={source.bind('A', Array)}(d,{start},{number},{reader})")
        else:
            self.read_structs(item, path, count, value)

    def read_structs(self, item: Item, path: tuple[str, ...], count: str, value: str) -> None:
        source = self.source
        assert item.inner is not None
        row = _row(item.inner)
        if row is not None:
            size, codes = row
            end, number = source.new("e"), source.new("c")
            source.line(f"{number}={count};{end}=p+{number}*{size}")
            names = [one.name for one in item.inner.fields]
            variables = [source.new() for _ in names]
            unpack = source.bind("I", struct.Struct(">" + codes).iter_unpack)
            made = "{" + ",".join(f'"{name}":{one}' for name, one in zip(names, variables, strict=True)) + "}"
            test = f"d[p+{size - 1}:{end}:{size}].count(0)=={number}" if item.inner.flexible else f"{end}<=len(d)"
            source.line(f"if {test}:")
            heads = ",".join(variables) + ("," if len(variables) == 1 else "")
            source.line(f" {value}=[{made} for {heads} in {unpack}(d[p:{end}])];p={end}")
            source.line("else:")
            with source.block():
                self.loop(item, READ, path, number, value)
            return
        shapes = Shapes.of(item.inner)
        if shapes is not None:
            name, number = source.bind("H", shapes), source.new("c")
            source.line(f"{number}={count}")
            source.line(f"{value},p={name}.read(d,p,{number}) if {number}>1 else (None,p)")
            source.line(f"if {value} is None:")
            with source.block():
                self.loop(item, READ, path, number, value)
            return
        self.loop(item, READ, path, count, value)

    def skip_structs(self, item: Item, path: tuple[str, ...], count: str) -> None:
        source = self.source
        assert item.inner is not None
        row = _row(item.inner)
        if row is not None:
            size, _ = row
            if not item.inner.flexible:
                source.line(f"p+=({count})*{size}")
                return
            end, number = source.new("e"), source.new("c")
            source.line(f"{number}={count};{end}=p+{number}*{size}")
            source.line(f"if d[p+{size - 1}:{end}:{size}].count(0)=={number}:p={end}")
            source.line("else:")
            with source.block():
                self.loop(item, SKIP, path, number, None)
            return
        shapes = Shapes.of(item.inner)
        if shapes is not None:
            name, number, end = source.bind("H", shapes), source.new("c"), source.new("e")
            source.line(f"{number}={count}")
            source.line(f"{end}={name}.skip(d,p,{number}) if {number}>2 else 0")
            source.line(f"if {end}:p={end}")
            source.line("else:")
            with source.block():
                self.loop(item, SKIP, path, number, None)
            return
        self.loop(item, SKIP, path, count, None)

    def loop(self, item: Item, mode: str, path: tuple[str, ...], count: str, value: str | None) -> None:
        """Element by element. Most arrays have one: making a `range` takes longer than counting so far."""
        source = self.source
        source.settle()
        if value is not None:
            source.line(f"{value}=[]")
        left = source.new("i")
        source.line(f"{left}={count}")
        source.line(f"while {left}>0:")
        source.indent += 1
        source.line(f"{left}-=1")
        if item.inner is not None:
            text: str | None = self.struct(item.inner, mode, (*path, item.name))
        else:
            text = self.one(item, mode, nullable=False)
        source.settle()
        if value is not None:
            source.line(f"{value}.append({text})")
        source.indent -= 1

    # Tagged fields.

    def tag_count(self) -> str:
        """Read the first byte of how many there are."""
        count = self.source.new("t")
        self.source.fixed("B", count)
        self.source.settle()
        return count

    def skip_tags(self) -> None:
        """Those of a struct that knows none."""
        source = self.source
        source.flush()
        at, behind = _plus("p", source.ahead), source.ahead + 1
        skip = source.bind("G", _skip_tags)
        source.line(f"if d[{at}]:p={skip}(d,{_plus('p', behind)},d[{at}])" + (f"-{behind}" if behind else ""))
        source.ahead += 1

    def tags(self, fields: Struct, mode: str, path: tuple[str, ...], count: str, whole: str) -> None:
        """Those of a struct that knows some, `count` of them; reading puts them into the dict `whole`."""
        source = self.source
        source.line(f"if {count}:")
        source.indent += 1
        source.line(f"if {count}>127:{count},p=V(d,p,{count})")
        last, tag, size, end = (source.new(letter) for letter in "lgze")
        source.line(f"{last}=-1")
        source.line(f"for _ in range({count}):")
        source.indent += 1
        source.line(f"{tag}=d[p];p+=1")
        source.line(f"if {tag}>127:{tag},p=V(d,p,{tag})")
        source.line(f"if {tag}<={last}:raise E")
        source.line(f"{last}={tag}")
        mark = source.new("m")
        source.line(f"{mark}=p")
        source.line(f"{size}=d[p];p+=1")
        source.line(f"if {size}>127:{size},p=V(d,p,{size})")
        source.line(f"{end}=p+{size}")
        for index, item in enumerate(fields.tags):
            source.line(f"{'el' * (index > 0)}if {tag}=={item.tag}:")
            source.indent += 1
            self.tag(item, mode, path, (mark, end), f'{whole}["{item.name}"]')
            source.line(f"if p!={end}:raise E")
            source.indent -= 1
        if mode != SKIP:
            source.line("else:")
            source.line(f' {whole}.setdefault("{TAGGED_FIELDS}",{{}})[{tag}]=d[p:{end}]')
        source.line(f"p={end}")
        source.indent -= 2

    def tag(self, item: Item, mode: str, path: tuple[str, ...], around: tuple[str, str], target: str) -> None:
        """The content of one of them; `around`: where its size stands, and where it ends."""
        source = self.source
        action = self.action(item, path)
        enter = getattr(self.visitor, "enter_tag", None)
        if mode == SKIP and enter is not None and self.looks_into(item, path):
            source.line(enter.format(m=around[0], p="p", e=around[1]))
        if action is not None:
            self.visited(item, action, path)
            return
        found = self.item(item, SKIP if mode == SKIP else READ, path)
        source.settle()
        if mode != SKIP:
            source.line(f"{target}={found}")


def _display(values: dict[str, str]) -> str:
    """A dict as source text."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}"


def _row(fields: Struct) -> tuple[int, str] | None:
    """The size and format of a struct of fixed fields alone, its tag count included; None for any other."""
    if not fields.fields or fields.tags or not all(item.fixed for item in fields.fields):
        return None
    codes = "".join(FORMATS[item.type] for item in fields.fields) + "x" * fields.flexible
    return struct.calcsize(">" + codes), codes


def _literal(item: Item) -> str:
    """What stands for a tagged field that was not sent, as source text."""
    if item.array:
        return "None" if item.default is None else "[]"
    return "None" if item.inner is not None else repr(item.default)


class LazyReader:
    """Reads the elements of one array; its function is generated when somebody looks at one."""

    __slots__ = ("fields", "function")

    def __init__(self, fields: Struct) -> None:
        self.fields = fields
        self.function: Callable[[bytes, int, int], list[Any]] | None = None

    def __call__(self, data: bytes, at: int, count: int) -> list[Any]:
        if self.function is None:
            self.function = self._make()
        try:
            return self.function(data, at, count)
        except UnicodeDecodeError:  # the one fault that skipping does not find
            from .plain import read

            values = []
            for _ in range(count):
                value, at = read(self.fields, data, at)
                values.append(value)
            return values

    def _make(self) -> Callable[[bytes, int, int], list[Any]]:
        source = Source()
        walk = _Walk(source)
        row = _row(self.fields)
        shapes = Shapes.of(self.fields)
        item = _Element(self.fields)
        if row is not None or shapes is not None:
            walk.read_structs(item, (), "c", "r")  # type: ignore[arg-type]
        else:
            walk.loop(item, LAZY, (), "c", "r")  # type: ignore[arg-type]
        source.line("return r")
        made: Callable[[bytes, int, int], list[Any]] = source.compile("d,p,c")
        return made


class _Element:
    """Stands for the field whose elements a LazyReader reads."""

    array = True
    name = ""
    type = "struct"

    def __init__(self, inner: Struct) -> None:
        self.inner = inner


def make_reader(fields: Struct, lazy: bool) -> Reader:
    """A function `(data, at) -> (dict, end)`; raises one of FAULTS."""
    source = Source()
    mode = LAZY if lazy else READ
    text = _Walk(source).struct(fields, mode)
    source.settle()
    source.line("if p>len(d):raise E")
    source.line(f"return {text},p")
    made: Reader = source.compile("d,p")
    return made


def make_walker(
    fields: Struct,
    visitor: Visitor,
    head: str,
    before: str,
    after: str,
    header_tags: bool = False,
    names: dict[str, Any] | None = None,
) -> Callable[..., Any]:
    """A function of `head` that goes through a struct to its end: what is wrong behind the last visit is wrong, too.

    `before` and `after` are lines of code around it; `names` what they and the visitor's lines call. With
    `header_tags` the tagged fields of a header come first.
    """
    source = Source()
    walk = _Walk(source, visitor)
    for line in before.splitlines():
        source.line(line)
    if header_tags:
        walk.skip_tags()
    walk.struct(fields, SKIP)
    source.settle()
    source.line("if p>len(d):raise E")
    for line in after.splitlines():
        source.line(line)
    source.names.update(names or {})  # the visitor has added to them meanwhile
    made: Callable[..., Any] = source.compile(head)
    return made


# -- writing --------------------------------------------------------------------------------------------------------


class _Write:
    """Writes the code that puts a struct's bytes together: `w(part)` for each part."""

    def __init__(self) -> None:
        self.source = Source()
        self.source.names.update({"VB": varint, "type": type, "isinstance": isinstance, "R": Records})
        self.run: list[tuple[str, str]] = []

    def put(self, code: str, value: str) -> None:
        """A number, or with no value a zero byte, comes next."""
        self.run.append((code, value))

    def flush(self) -> None:
        run, self.run = self.run, []
        if not run:
            return
        values = [value for _, value in run if value]
        if not values:
            self.source.line(f"w({bytes(len(run))!r})")
            return
        pack = self.source.bind("P", _packer("".join(code for code, _ in run)))
        self.source.line(f"w({pack}({','.join(values)}))")

    def struct(self, fields: Struct, value: str) -> None:
        """All names must be there, and no others: what is less plain is left to `plain`."""
        source = self.source
        names = fields.names
        variables = [source.new() for _ in names]
        if not names:
            source.line(f"if {value}:raise E")
        elif len(names) == 1:
            source.line(f'{variables[0]}={value}["{names[0]}"]')
        else:
            source.line(f"{','.join(variables)}={source.bind('G', itemgetter(*names))}({value})")
        if names:
            source.line(f"if len({value})!={len(names)}:raise E")
        if Shapes.of(fields) is not None:
            self.shape(fields, variables)
            return
        for item, variable in zip(fields.fields, variables, strict=False):
            self.item(item, variable)
        if not fields.flexible:
            return
        if not fields.tags:
            self.put("x", "")
            return
        self.flush()
        tagged = variables[len(fields.fields) :]
        plain = " and ".join(
            f"{one} is None" if item.default is None else f"{one}=={_literal(item)}"
            for item, one in zip(fields.tags, tagged, strict=True)
        )
        source.line(f"w(b'\\0' if {plain} else {source.bind('WT', write_tags)}({source.bind('F', fields)},{value}))")

    def shape(self, fields: Struct, variables: list[str]) -> None:
        self.flush()
        lengths, values = [], []
        for item, variable in zip(fields.fields, variables, strict=True):
            if item.array:
                lengths.append(f"len({variable})")
                values += [f"len({variable})" + ("+1" if item.compact else ""), f"*{variable}"]
            else:
                self.check(item, variable)
                values.append(variable)
        pack = self.source.bind("H", _ShapePackers(fields))
        self.source.line(f"w({pack}[{','.join(lengths)},]({','.join(values)}))")

    def check(self, item: Item, value: str) -> None:
        """What `struct` would take though it is wrong."""
        if item.type == "bool":
            self.source.line(f"if {value} is not True and {value} is not False:raise E")
        elif item.type == "uuid":
            self.source.line(f"if len({value})!=16:raise E")

    def item(self, item: Item, value: str) -> None:
        source = self.source
        if item.array:
            self.array(item, value)
        elif item.inner is not None and item.nullable:
            self.flush()
            source.line(f"if {value} is None:w(b'\\xff')")
            source.line("else:")
            source.indent += 1
            source.line("w(b'\\1')")
            self.struct(item.inner, value)
            self.flush()
            source.indent -= 1
        elif item.inner is not None:
            self.struct(item.inner, value)
        else:
            self.one(item, value, item.nullable)

    def one(self, item: Item, value: str, nullable: bool) -> None:
        source = self.source
        if item.type in SIZES:
            self.check(item, value)
            self.put(FORMATS[item.type], value)
            return
        data, length = source.new("b"), source.new("n")
        content = {
            "string": f"{value}.encode()",
            "bytes": value,
            "records": f"{value}.data if isinstance({value},R) else {value}",
        }[item.type]
        one_more = "+1" if item.compact else ""
        if nullable:
            source.line(f"if {value} is None:{data}=b'';{length}={0 if item.compact else -1}")
            source.line(f"else:{data}={content};{length}=len({data}){one_more}")
        else:
            source.line(f"{data}={content};{length}=len({data}){one_more}")
        self.length(item, length, "h" if item.type == "string" else "i")
        source.line(f"w({data})")

    def length(self, item: Item, length: str, form: str) -> None:
        """A length, packed together with the numbers before it."""
        source = self.source
        if not item.compact:
            self.put(form, length)
            self.flush()
            return
        run = list(self.run)
        source.line(f"if {length}<128:")
        source.indent += 1
        self.put("B", length)
        self.flush()
        source.indent -= 1
        source.line("else:")
        source.indent += 1
        if form == "h":
            source.line(f"if {length}>{MAX_STRING + 1}:raise E")
        self.run = run
        self.flush()
        source.line(f"w(VB({length}))")
        source.indent -= 1

    def array(self, item: Item, value: str) -> None:
        source = self.source
        length = source.new("n")
        one_more = "+1" if item.compact else ""
        if item.nullable:
            source.line(f"if {value} is None:{value}=();{length}={0 if item.compact else -1}")
            source.line(f"else:{length}=len({value}){one_more}")
        else:
            source.line(f"{length}=len({value}){one_more}")
        if item.type in ("string", "bytes", "uuid", "struct"):
            source.line(f"if type({value}) is str or type({value}) is dict:raise E")
        self.length(item, length, "i")
        if item.inner is None and item.type in SIZES and item.type not in ("uuid", "bool"):
            pack = source.bind("K", _PACKERS[FORMATS[item.type]])
            source.line(f"w({pack}[len({value})](*{value}))")
            return
        element = source.new("o")
        source.line(f"for {element} in {value}:")
        source.indent += 1
        if item.inner is not None:
            self.struct(item.inner, element)
        else:
            self.one(item, element, False)
        self.flush()
        source.indent -= 1


def make_writer(fields: Struct) -> Callable[[Any, Callable[[bytes], None]], None]:
    """A function `(value, append)`; raises one of FAULTS where the value is wrong, or not as plain as it could be."""
    write = _Write()
    write.struct(fields, "o")
    write.flush()
    write.source.line("return")
    made: Callable[[Any, Callable[[bytes], None]], None] = write.source.compile("o,w")
    return made
