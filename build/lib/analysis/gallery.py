"""The figures of a page, drawn by processes of their own: drawing takes longer than all numbers."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from analysis import figures
from analysis.report_page import Picture, drawing
from suite.errors import UserError

PROCESSES = 2  # each takes some 300 MB
#: Forked from a process that has loaded the library of figures, and has no threads.
PROCESS = multiprocessing.get_context("forkserver")
PROCESS.set_forkserver_preload(["analysis.figures"])


@contextlib.contextmanager
def drawn(pictures: Iterable[Picture], folder: Path) -> Iterator[Callable[[Picture], str]]:
    """Starts to draw all of them; what it gives waits for one of them, and raises UserError when its process ended."""
    pool = ProcessPoolExecutor(PROCESSES, PROCESS)
    begun = {picture.name: pool.submit(draw, picture, folder) for picture in pictures}

    def show(picture: Picture) -> str:
        try:
            return begun[picture.name].result()
        except BrokenProcessPool:
            raise UserError(f"figure {picture.name}: its process ended while it drew (too little memory?)") from None

    try:
        yield show
    finally:
        pool.shutdown(cancel_futures=True)


def draw(picture: Picture, folder: Path) -> str:
    """Write a figure into `folder`, as PDF and PNG; its HTML. Raises OSError."""
    figure = picture.draw()
    figures.save(figure, [folder / f"{picture.name}{suffix}" for suffix in (".pdf", ".png")])
    return drawing(figure, picture.name, picture.caption)
