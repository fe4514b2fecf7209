"""The figures of a page, drawn by processes of their own: drawing takes longer than all numbers."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from analysis import processes
from analysis.figures import style
from analysis.page.page import Picture, drawing
from suite.errors import UserError

PROCESSES = 2  # each takes some 300 MB
processes.CONTEXT.set_forkserver_preload(["analysis.figures.style"])  # loaded once for all of them


@contextlib.contextmanager
def drawn(pictures: Iterable[Picture], folder: Path) -> Iterator[Callable[[Picture], str]]:
    """Starts to draw all of them; what it gives waits for one of them, and raises UserError when its process ended."""
    with processes.pool(PROCESSES) as pool:
        begun = {picture.name: pool.submit(draw, picture, folder) for picture in pictures} if pool else {}

        def show(picture: Picture) -> str:
            if picture.name not in begun:
                return draw(picture, folder)
            try:
                return begun[picture.name].result()
            except BrokenProcessPool:
                raise UserError(
                    f"figure {picture.name}: its process ended while it drew (too little memory?)"
                ) from None

        yield show


def draw(picture: Picture, folder: Path) -> str:
    """Write a figure into `folder`, as PDF and PNG; its HTML. Raises OSError."""
    figure = picture.draw()
    style.save(figure, [folder / f"{picture.name}{suffix}" for suffix in (".pdf", ".png")])
    return drawing(figure, picture.name, picture.caption)
