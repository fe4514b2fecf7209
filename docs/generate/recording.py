"""Record the live table of a small sweep as an animated SVG: `python -m docs.generate.recording FILE`.

The sweep runs in a pseudo-terminal. Each picture that it draws becomes a frame. It takes some minutes.
"""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.style import Style

SWEEP = """
program: sweeps/run.py
command: ["${env}", python, "-m", sweeps.run, "--folder=runs/recording", "${args}"]
name: recording
project: eaudeqn
method: grid
parameters:
  task: {values: [mujoco/InvertedDoublePendulum, mujoco/Reacher]}
  method: {values: [dense, gmp, eaudeqn]}
  seed: {value: 0}
  agent.critic_width: {value: 64}
  agent.actor_width: {value: 64}
  learner.target_update_period: {value: 50}
  trainer.epochs: {value: 8}
  trainer.epoch_agent_steps: {value: 750}
  trainer.initial_samples: {value: 500}
"""
COLUMNS, LINES = 108, 24  # of the terminal
LIVE = 9  # lines of the live table: its head, a line a run, the totals and the bar
FRAMES = 14  # at most
SECONDS = 0.9  # a frame
WIDTH, HEIGHT = 8.4, 18  # pixels of a character
BACKGROUND, FOREGROUND = "#1e1e2e", "#cdd6f4"
COLOURS = {
    "color(2)": "#a6e3a1",
    "color(1)": "#f38ba8",
    "color(197)": "#89b4fa",
    "color(237)": "#45475a",
}  # as rich names them
CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-ln-z])|\r|\n")  # all but colours, which end in m

Screen = list[str]  # lines with their colour sequences


def drawn(folder: Path) -> Iterator[Screen]:
    """Run the sweep; yield each screen that the live table shows, until the sweep prints its results."""
    file = folder / "recording.yaml"
    file.write_text(SWEEP, encoding="utf-8")
    command = [sys.executable, "-m", "sweeps.launch", str(file), "--folder", str(folder / "runs"), "--jobs", "2"]
    size = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES), "WANDB_MODE": "disabled"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **size})
    os.close(theirs)
    screen: Screen = [""]
    row = 0
    for text in pieces(ours):
        row = write(text, screen, row)
        shown = [line for line in screen if line.strip()]
        if shown and "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in shown[-1]:  # the bar below the live table
            yield shown[-LIVE:]
    if process.wait():
        raise SystemExit(f"the sweep ended with exit code {process.returncode}")


def pieces(terminal: int) -> Iterator[str]:
    """Yield what is written to a terminal, a piece for each pause of 50 ms, until its programs end or print a table."""
    buffer = b""
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.05)
        try:
            more = os.read(terminal, 65_536) if ready else b""
        except OSError:  # the other side is closed
            return
        buffer += more
        if buffer and not more:
            yield buffer.decode(errors="replace")
            buffer = b""


def write(text: str, screen: Screen, row: int) -> int:
    """Write text to a screen; return the cursor's row. The cursor may move up, and a line may be cleared."""
    begin = 0
    for control in CONTROL.finditer(text):
        screen[row] += text[begin : control.start()]
        begin = control.end()
        if control[0] == "\n":
            row += 1
            screen += [""] * (row + 1 - len(screen))
        elif control[2] == "A":
            row -= int(control[1] or 1)
        elif control[2] == "K":
            screen[row] = ""
    screen[row] += text[begin:]
    return row


def svg(frames: list[Screen]) -> str:
    """Return an animation of these screens. A viewer without animation shows the last one."""
    lines = max(map(len, frames))
    width, height = round(COLUMNS * WIDTH + 32), lines * HEIGHT + 56
    total = SECONDS * (len(frames) + 2)  # the last frame stays longer
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
        '<g fill="#f38ba8"><circle cx="20" cy="18" r="6"/><circle cx="40" cy="18" r="6" fill="#f9e2af"/>'
        '<circle cx="60" cy="18" r="6" fill="#a6e3a1"/></g>',
    ]
    for number, frame in enumerate(frames):
        last = number == len(frames) - 1
        begin, end = number * SECONDS / total, 1 if last else (number + 1) * SECONDS / total
        times = f"0;{begin:.4f};{end:.4f}" if number else f"0;0;{end:.4f}"
        parts.append(f'<g visibility="{"visible" if last else "hidden"}" fill="{FOREGROUND}">')
        parts.append(
            f'<animate attributeName="visibility" values="hidden;visible;hidden" keyTimes="{times}" '
            f'calcMode="discrete" dur="{total:.1f}s" repeatCount="indefinite"/>'
        )
        parts += [line(text, 52 + place * HEIGHT) for place, text in enumerate(frame)]
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def line(text: str, y: int) -> str:
    """Return a line of a terminal as a <text> element."""
    console = Console(width=COLUMNS, color_system="truecolor", force_terminal=True)
    (decoded,) = list(AnsiDecoder().decode(text)) or [console.render_str("")]
    spans = []
    for looks, segments in groupby(console.render(decoded), key=lambda segment: attributes(segment.style)):
        shown = escape("".join(segment.text for segment in segments).rstrip("\n"))
        spans.append(f"<tspan{looks}>{shown}</tspan>" if looks else shown)
    return f'<text x="16" y="{y}" xml:space="preserve">{"".join(spans)}</text>'


def attributes(style: Style | None) -> str:
    """Return the SVG attributes of a style."""
    if style is None:
        return ""
    colour = f' fill="{COLOURS.get(style.color.name, FOREGROUND)}"' if style.color else ""
    return colour + ' font-weight="bold"' * bool(style.bold) + ' opacity="0.55"' * bool(style.dim)


def chosen(screens: list[Screen]) -> list[Screen]:
    """Return at most FRAMES different screens, evenly over time, with the last one."""
    different = [screen for before, screen in zip([[], *screens], screens, strict=False) if screen != before]
    places = {round(number * (len(different) - 1) / (FRAMES - 1)) for number in range(FRAMES)}
    return [different[place] for place in sorted(places)]


if __name__ == "__main__":
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        picture = svg(chosen(list(drawn(Path(folder)))))
    Path(sys.argv[1]).write_text(picture, encoding="utf-8")
    print(f"written: {sys.argv[1]} ({len(picture) / 1000:.0f} kB) after {time.monotonic() - began:.0f} s")
