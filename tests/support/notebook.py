"""Runs the code cells of a notebook as Jupyter does, in one namespace: `python -m tests.support.notebook FILE [CELLS]`.

Jupyter itself is not needed. What a cell ends with is shown: its picture if it has one, otherwise its text.
"""

import ast
import json
import sys
from pathlib import Path
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n"  # how every PNG file begins


def code_cells(path: Path) -> dict[str, str]:
    """The code of a notebook: cell id -> source, in order."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}


def execute(name: str, source: str, namespace: dict[str, Any]) -> None:
    """Run one cell, and print what it shows."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    if last is None:
        return
    value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    if hasattr(value, "_repr_png_"):
        picture = value._repr_png_()
        assert picture.startswith(PNG), f"{name}: not a picture"
        print(f"{name}: a picture of {len(picture)} bytes")
    elif value is not None:
        print(value)


def main(path: Path, most: int | None) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for name, source in list(code_cells(path).items())[:most]:
        execute(name, source, namespace)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
