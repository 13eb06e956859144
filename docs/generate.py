"""Pages made from the source, so that they cannot differ from it: reference, vocabulary, limits.

Docstrings are Markdown: names in backticks, examples and drawings indented. Only the syntax trees are read; attributes
count as documented when a string stands behind them.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import l7codec.vocabulary

PACKAGE = Path(l7codec.__file__).parent

PAGES = {
    "message": ("message.py", ("Message", "Side", "Kind", "to_dict")),
    "stream": ("stream.py", ("Stream", "decode")),
    "conversation": ("conversation.py", ("Conversation", "Datagrams")),
    "pending": ("pending.py", ("Pending",)),
    "registry": ("registry.py", ("register", "protocol_names", "encode")),
    "detection": ("detection.py", ("detect", "Detector")),
    "codec": ("codec.py", ("Codec", "DatagramCodec", "Verdict", "Answer", "Confidence", "Resync", "Reason")),
    "buffer": ("buffer.py", ("ReceiveBuffer",)),
    "declarative": ("declarative.py", ("HeaderCodec",)),
    "errors": ("errors.py", ()),
    "redis": ("protocols/redis/__init__.py", ("command", "inline", "reply")),
    "redis_values": ("protocols/redis/values.py", ()),
    "redis_pack": ("protocols/redis/pack.py", ("pack", "pack_pipeline")),
    "redis_session": ("protocols/redis/session.py", ()),
    "thrift": ("protocols/thrift/__init__.py", ("call", "oneway", "reply", "exception", "translate")),
    "thrift_idl": ("protocols/thrift/idl.py", ("Idl",)),
    "proxy": ("protocols/proxy_protocol/__init__.py", ()),
    "proxy_build": ("protocols/proxy_protocol/build.py", ("header",)),
    "proxy_codec": ("protocols/proxy_protocol/codec.py", ("split_datagram",)),
    "proxy_tlv": ("protocols/proxy_protocol/tlv.py", ("ssl_tlv",)),
    "quic": ("protocols/quic/__init__.py", ()),
    "quic_codec": ("protocols/quic/codec.py", ("QuicCodec",)),
    "quic_build": (
        "protocols/quic/build.py",
        ("initial", "long_packet", "short_packet", "retry", "version_negotiation", "client_hello", "server_hello"),
    ),
    "quic_peek": ("protocols/quic/peek.py", ("peek",)),
    "quic_load_balancing": ("protocols/quic/load_balancing.py", ("ServerIds",)),
    "strategies": ("strategies/__init__.py", ()),
}
"""Page: the module, and which names of it are shown behind its docstring; without any, the docstring alone."""

FUNCTIONS = {"strategies": True}
"""Pages that show every public function."""


def write(folder: Path) -> None:
    """Write every generated page into `folder`."""
    folder.mkdir(exist_ok=True)
    for name in PAGES:
        (folder / f"{name}.md").write_text(reference(name), encoding="utf-8")
    (folder / "vocabulary.md").write_text(vocabulary(), encoding="utf-8")
    (folder / "limits.md").write_text(limits(), encoding="utf-8")


def vocabulary() -> str:
    """One table of the metadata keys."""
    rows = ["| key | type | emitted by | meaning |", "| --- | --- | --- | --- |"]
    for key, term in l7codec.vocabulary.VOCABULARY.items():
        kind = "str or tuple" if term.type is object else term.type.__name__
        rows.append(f"| `{key}` | {kind} | {', '.join(term.protocols) or '–'} | {term.meaning} |")
    return "\n".join(rows) + "\n"


def limits() -> str:
    """One table of the limits and their defaults."""
    rows = ["| limit | default | what it bounds, who sets it so, what it stops |", "| --- | --- | --- |"]
    for name, text in documented(class_named(tree("limits.py"), "Limits")):
        default = getattr(l7codec.Limits(), name)
        rows.append(f"| `{name}` | {default:,} | {' '.join(text.split())} |")
    return "\n".join(rows) + "\n"


def reference(page: str) -> str:
    """A page: the module's docstring, or the names chosen."""
    path, names = PAGES[page]
    module = tree(path)
    if not names:
        parts = [markdown(ast.get_docstring(module) or "")]
        if page in FUNCTIONS:
            parts += [function(node, "##") for node in module.body if public(node)]
        return "\n\n".join(parts) + "\n"
    known = {node.name: node for node in module.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    return "\n\n".join(described(known[name]) for name in names) + "\n"


def described(node: ast.ClassDef | ast.FunctionDef) -> str:
    """A class with its public members, or a function."""
    if isinstance(node, ast.FunctionDef):
        return function(node, "##")
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    init = next(
        (member for member in node.body if isinstance(member, ast.FunctionDef) and member.name == "__init__"), None
    )
    head = f"class {node.name}({bases})" if init is None else f"{node.name}({arguments(init)})"
    parts = [f"## {node.name}", f"```text\n{head}\n```", markdown(ast.get_docstring(node) or "")]
    attributes = [f"- `{name}`: {' '.join(text.split())}" for name, text in documented(node)]
    if init is not None:
        attributes += [f"- `{name}`: {' '.join(text.split())}" for name, text in documented(init)]
    if attributes:
        parts.append("\n".join(attributes))
    parts += [function(member, "###") for member in node.body if public(member)]
    return "\n\n".join(part for part in parts if part)


def function(node: ast.stmt, level: str) -> str:
    """A function or a property: its signature and docstring."""
    assert isinstance(node, ast.FunctionDef)
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if "property" in marks:
        head = f"{node.name}{returns.replace(' ->', ':')}"
    else:
        kind = "@classmethod\n" if "classmethod" in marks else ""
        head = f"{kind}{node.name}({arguments(node)}){returns}"
    return f"{level} {node.name}\n\n```text\n{head}\n```\n\n{markdown(ast.get_docstring(node) or '')}"


def arguments(node: ast.FunctionDef) -> str:
    """A signature's inside, without self or cls."""
    return re.sub(r"^(?:self|cls)(?:, |$)", "", ast.unparse(node.args))


def public(node: ast.stmt) -> bool:
    """A function for users: not private, not a setter, documented."""
    return (
        isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is not None
        and not any("setter" in ast.unparse(mark) for mark in node.decorator_list)
    )


def documented(node: ast.ClassDef | ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Attributes with a string behind them, and that string."""
    for statement, after in zip(node.body, node.body[1:], strict=False):
        text = after.value if isinstance(after, ast.Expr) else None
        if not (isinstance(text, ast.Constant) and isinstance(text.value, str)):
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if target is not None:
            yield ast.unparse(target).removeprefix("self."), inspect.cleandoc(text.value)


def class_named(module: ast.Module, name: str) -> ast.ClassDef:
    """A class of a module."""
    return next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name)


def tree(path: str) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse((PACKAGE / path).read_text(encoding="utf-8"))


def markdown(docstring: str) -> str:
    """A docstring as Markdown: lines that begin with a name and two blanks are a list."""
    return re.sub(r"^(`[^\n]+?`|\"\w+\"[^\n]*?)  +", r"- \1 ", docstring, flags=re.MULTILINE)


if __name__ == "__main__":
    write(Path(__file__).parent / "_generated")
