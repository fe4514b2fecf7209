"""Reference pages from source code: the public classes, functions and names of modules.

The source is parsed and not imported, so comments beside fields, which give shapes and units, are part of the page.
"""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 100  # characters of a signature on one line
LONGEST_VALUE = 200  # characters of a value or a type, which a table wraps


class Source:
    """A module's syntax tree, and its comments by line."""

    def __init__(self, module: str) -> None:
        path = ROOT.joinpath(*module.split("."))
        file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
        text = file.read_text(encoding="utf-8")
        self.module = module
        self.tree = ast.parse(text)
        self.lines = text.splitlines()
        self.comments = {
            token.start[0]: (token.start[1], token.string.lstrip("#:"))
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT and not token.string.startswith(("# fmt", "# noqa", "# type:"))
        }

    def comment(self, node: ast.AST) -> str:
        """Return the comment above a node, or the one beside it with the lines that continue it."""
        first, last = node.lineno, node.end_lineno or node.lineno
        above = []
        line = first - 1
        while self._alone(line) and not self._continues(line, node):
            above.insert(0, self.comments[line][1])
            line -= 1
        beside = [self.comments[line][1] for line in range(first, last + 1) if line in self.comments]
        line = last + 1
        while beside and self._alone(line) and self._continues(line, node):
            beside.append(self.comments[line][1])
            line += 1
        return " ".join(text.strip() for text in above + beside)

    def _continues(self, line: int, node: ast.AST) -> bool:
        """Tell whether a comment on its own line continues the one beside a node: it is indented further."""
        column, text = self.comments[line]
        return column > node.col_offset or text.startswith("  ")

    def _alone(self, line: int) -> bool:
        """Tell whether a line holds a comment and nothing else."""
        return line in self.comments and self.lines[line - 1].lstrip().startswith("#")


def modules(names: str) -> str:
    """Return the reference of these modules, separated by blanks."""
    return "\n\n".join(module(Source(name)) for name in names.split())


def module(source: Source) -> str:
    """Return a section with the docstring, the commented names, the classes and the functions of a module."""
    parts = [f"## {source.module}", docstring(source.tree)]
    parts.append(fields(source, source.tree.body, "name", with_value=True))
    for node in public(source.tree.body):
        if isinstance(node, ast.ClassDef):
            parts += class_(source, node)
        elif isinstance(node, ast.FunctionDef):
            parts += [f"### {node.name}", signature(node), docstring(node)]
    return "\n\n".join(filter(None, parts))


def class_(source: Source, node: ast.ClassDef) -> Iterator[str]:
    """Yield the parts of a class: its title, docstring and table of fields, and each public method with a docstring."""
    yield f"### {node.name}"
    yield docstring(node)
    yield fields(source, node.body, "field")
    for method in public(node.body):
        if isinstance(method, ast.FunctionDef) and ast.get_docstring(method):
            yield f"#### {node.name}.{method.name}"
            yield signature(method)
            yield docstring(method)


def public(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """Yield the classes and functions of a module or class whose names do not begin with an underscore."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def fields(source: Source, body: list[ast.stmt], head: str, *, with_value: bool = False) -> str:
    """Return a table of annotated fields, or of assigned names that have a comment; "" if there are none."""
    rows = []
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, kind, about = node.target.id, ast.unparse(node.annotation), described(source, node)
        elif with_value and isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, kind, about = node.targets[0].id, ast.unparse(node.value), source.comment(node)
        else:
            continue
        name = alias(node) or name
        if not name.startswith("_") and name != "model_config" and (about or not with_value):
            rows.append(f"| `{name}` | {code(kind)} | {escaped(about)} |")
    return (
        "\n".join([f"| {head} | {'value or type' if with_value else 'type'} | |", "|---|---|---|", *rows])
        if rows
        else ""
    )


def alias(node: ast.AnnAssign | ast.Assign) -> str:
    """Return the name that a pydantic field has in a file, if it differs."""
    words = node.value.keywords if isinstance(node.value, ast.Call) else []
    return next(
        (word.value.value for word in words if word.arg == "alias" and isinstance(word.value, ast.Constant)), ""
    )


def described(source: Source, node: ast.AnnAssign) -> str:
    """Return the comment of a field, or the description of a pydantic field and its default."""
    about = source.comment(node)
    if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Field":
        words = [ast.unparse(word.value) for word in node.value.keywords if word.arg == "description"]
        about = about or "".join(ast.literal_eval(word) for word in words if word[0] in "\"'")
    elif node.value is not None:
        about = f"{about}; default {ast.unparse(node.value)}" if about else f"default {ast.unparse(node.value)}"
    return about


def signature(node: ast.FunctionDef) -> str:
    """Return a code block with the signature, an argument a line if it is long."""
    given = ast.unparse(node.args)
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{node.name}({given}){result}"
    if len(line) > LONGEST:
        arguments = ",\n    ".join(split(given))
        line = f"{node.name}(\n    {arguments},\n){result}"
    return f"```python\n{line}\n```"


def split(arguments: str) -> Iterator[str]:
    """Split arguments at the commas that are in no bracket or text."""
    depth, begin, quoted = 0, 0, ""
    for place, letter in enumerate(arguments):
        if quoted or letter in "\"'":
            quoted = "" if letter == quoted else (quoted or letter)
        elif letter == "," and not depth:
            yield arguments[begin:place].strip()
            begin = place + 1
        else:
            depth += (letter in "([{") - (letter in ")]}")
    yield arguments[begin:].strip()


def docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    """Return the docstring as Markdown: indented parts and doctests are code, all else is text."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(ast.get_docstring(node) or ""))
    return "\n\n".join(map(paragraph, filter(None, parts)))


def paragraph(text: str) -> str:
    """Return a paragraph of a docstring as Markdown: doctests, and lines that are indented, become a code block."""
    if text.startswith((" ", ">>>")):
        return f"```text\n{textwrap.dedent(text)}\n```"
    first, *rest = text.splitlines()
    if rest and all(line.startswith("    ") for line in rest):  # "Args:" and the lines below it
        return escaped(first) + "\n\n```text\n" + textwrap.dedent("\n".join(rest)) + "\n```"
    return escaped(text)


def code(text: str) -> str:
    """Return inline code that fits a cell of a table."""
    shortened = text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 4] + " ..."
    return f"`{shortened}`"  # Python-Markdown takes no | within backticks for the end of a cell


def escaped(text: str) -> str:
    """Return text whose special characters mean nothing to Markdown, but for those within backticks."""
    parts = re.split(r"(`[^`\n]+`)", text)
    return "".join(part if part.startswith("`") else _plain(part) for part in parts)


def _plain(text: str) -> str:
    return re.sub(r"([*|\[\]\\])", r"\\\1", text).replace("<", "&lt;")
