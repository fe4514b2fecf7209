"""Comparisons of run folders, and what their tables hold when they are read again."""

import csv
import io
import re

from analysis.data import cells
from analysis.data.sources import runfolder
from analysis.render import tidy
from analysis.settings import Settings
from analysis.stats.comparison import compare

OVERALL = ("IQM", "median", "mean", "optimality gap", "sparsity")
COMMAND = "python -m analysis.table --runs 'a_b & 50%'"


def comparison_of(root, sweep=None, which="training", **settings):
    found, notes = runfolder.load(root)
    grid = cells.expected(found, sweep, which) if sweep else cells.seen(found, which)
    grid.notes.extend(notes)
    return compare(grid, COMMAND, Settings(repetitions=50, **settings))


def read_markdown(text):
    """{title: [cells of each line]} of the pipe tables."""
    found, title = {}, ""
    for line in text.splitlines():
        if line.startswith("**"):
            title = line.strip("*")
        elif line.startswith("| "):
            found.setdefault(title, []).append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def check_latex(text):
    """Balanced, every row as wide as its table, and no bare special character."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[\\{}_%&#$]", "", body)
    assert bare.count("{") == bare.count("}")
    depth = 0
    for c in bare:
        depth += {"{": 1, "}": -1}.get(c, 0)
        assert depth >= 0
    assert not set("_%#~^<>|") & set(bare)
    assert bare.replace("$-$", "").count("$") == 0
    assert bare.isascii()
    labels = re.findall(r"\\label\{(tab:[a-z0-9-]+)\}", body)
    assert len(labels) == len(set(labels)) == body.count("\\caption{")
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    assert body.rstrip().endswith("\\end{document}")
    for _, columns, inside in re.findall(r"\\begin\{(tabular|longtable)\}\{(\w+)\}(.*?)\\end\{\1\}", body, re.S):
        rows = [line for line in inside.splitlines() if line.endswith("\\\\") and not line.startswith("\\caption")]
        assert len(rows) >= 2
        assert all(len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1 for row in rows)
    assert (
        len(re.findall(r"(?<!\\)&", re.sub(r"\\begin\{(tabular|longtable)\}.*?\\end\{\1\}", "", body, flags=re.S))) == 0
    )


def csv_of(comparison):
    """{(method, task, statistic): line}."""
    lines = csv.DictReader(io.StringIO(tidy.tidy_csv(comparison)))
    return {(line["method"], line["task"], line["statistic"]): line for line in lines}
