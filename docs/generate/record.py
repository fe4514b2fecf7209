"""The reference of a run's record: the columns of metrics.jsonl and the fields of the JSON files."""

import ast

from docs.generate import code
from suite.record import schema

FILES = ("Config", "Status", "Progress", "Identity", "Holder")  # classes of suite.record.models


def rows() -> str:
    """Return a table of columns for each kind of row in metrics.jsonl."""
    source = code.Source("suite.record.schema")
    (kinds,) = [
        node.value
        for node in source.tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "ROWS"
    ]
    assert isinstance(kinds, ast.Dict)
    parts = []
    for kind, columns in zip(kinds.keys, kinds.values, strict=True):
        name = ast.literal_eval(kind)
        parts.append(f"### {name}\n\n| column | value | meaning |\n|---|---|---|")
        for key, value in zip(columns.keys, columns.values, strict=True):
            column = ast.literal_eval(key)
            about = source.comment(ast.copy_location(ast.Expr(value, end_lineno=value.end_lineno), key))
            words = schema.ROWS[name][column].words + (" (may be absent)" if column in schema.OPTIONAL else "")
            parts[-1] += f"\n| `{column}` | {words} | {code.escaped(about)} |"
    return "\n\n".join(parts)


def files() -> str:
    """Return a table of fields for each JSON file."""
    source = code.Source("suite.record.models")
    classes = {node.name: node for node in code.public(source.tree.body) if isinstance(node, ast.ClassDef)}
    parts = []
    for name in FILES:
        about = code.docstring(classes[name])
        file, _, rest = about.partition(": ")
        parts.append(f"### {file}\n\n{rest[0].upper()}{rest[1:]}\n\n{code.fields(source, classes[name].body, 'field')}")
    return "\n\n".join(parts)
