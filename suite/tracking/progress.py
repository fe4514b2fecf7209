"""Shows on stderr how far a run is: a bar on a terminal, otherwise a line a minute."""

import sys
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from suite.program import terminal
from suite.program.terminal import duration, pace

LINE = 60.0  # seconds between two lines where there is no terminal


class ProgressDisplay:
    """The progress of one run of `total` agent steps."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.line_at = time.monotonic()
        self.bar = _bar(total) if terminal.capable(sys.stderr) else None

    def update(self, agent_step: int, rate: float, score: float | None, sparsity: float | None) -> None:
        """Show how far the run is. `rate` is in agent steps a second; score and sparsity are the last epoch's."""
        texts = "-" if score is None else f"{score:.1f}", "-" if sparsity is None else f"{sparsity:.2f}"
        if self.bar:
            task = self.bar.task_ids[0]
            self.bar.update(task, completed=agent_step, rate=pace(rate), score=texts[0], sparsity=texts[1])
        elif time.monotonic() - self.line_at >= LINE:
            self.line_at = time.monotonic()
            left = f"{duration(max(self.total - agent_step, 0) / rate)} left" if rate else "evaluating"
            print(
                f"{agent_step:,} of {self.total:,} agent steps, {pace(rate)} a second, {left},"
                f" return {texts[0]}, sparsity {texts[1]}",
                file=sys.stderr,
                flush=True,
            )

    def stop(self) -> None:
        """Give the terminal back."""
        if self.bar:
            self.bar.stop()


def _bar(total: int) -> Progress:
    bar = Progress(
        TextColumn("agent steps"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} a second"),
        TimeRemainingColumn(),
        TextColumn("return {task.fields[score]}, sparsity {task.fields[sparsity]}"),
        console=terminal.console(stderr=True),
        redirect_stdout=terminal.capable(sys.stdout),  # output that goes to a file must not appear on the terminal
    )
    bar.add_task("run", total=total, rate="-", score="-", sparsity="-")
    bar.start()
    return bar
