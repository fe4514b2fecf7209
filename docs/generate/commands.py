"""Tables of the targets of make and of the sweep files."""

import re
from itertools import takewhile
from pathlib import Path

from docs.generate.code import escaped
from sweeps import grid
from sweeps.plan import resolve_all

ROOT = Path(__file__).resolve().parents[2]


def targets() -> str:
    """Return a table of the targets that `make help` lists."""
    found = re.findall(r"^([a-z-]+):.*?## (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    return "\n".join(
        ["| command | what it does |", "|---|---|", *(f"| `make {name}` | {escaped(about)} |" for name, about in found)]
    )


def scales() -> str:
    """Return a table of the sweep files: the command, the size of the grid, and the comment at the top of the file."""
    rows = ["| command | runs | agent steps per run | grid |", "|---|---:|---:|---|"]
    for path in sorted(ROOT.glob("sweeps/*/*.yaml")):
        runs = resolve_all(grid.read(path), str(path))
        lines = path.read_text(encoding="utf-8").splitlines()
        about = " ".join(line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), lines))
        lengths = sorted({run.total_agent_steps for run in runs})
        steps = " to ".join(f"{length:,}" for length in dict.fromkeys((lengths[0], lengths[-1])))
        rows.append(f"| `{command(path)}` | {len(runs):,} | {steps} | {escaped(about)} |")
    return "\n".join(rows)


def command(path: Path) -> str:
    """Return the command that runs a sweep file; the scale that a target has by itself is left out."""
    family = "offline" if path.stem.startswith("offline") else path.parent.name
    default = "offline" if family == "offline" else "laptop"
    return f"make sweep-{family}" + ("" if path.stem == default else f" SCALE={path.stem}")
