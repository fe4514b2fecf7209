"""Draw the figures of a page in other processes, as drawing takes longer than all statistics."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from markupsafe import Markup

from analysis import processes
from analysis.figures import style
from analysis.page.page import Picture, drawing
from suite.errors import UserError

PROCESSES = 2  # each takes some 300 MB
processes.CONTEXT.set_forkserver_preload(["analysis.figures.style"])  # loaded once for all of them


@contextlib.contextmanager
def drawn(pictures: Iterable[Picture], folder: Path) -> Iterator[Callable[[Picture], Markup]]:
    """Start to draw all pictures into `folder`; give a function that waits for one of them and returns its HTML.

    That function raises UserError if the process that drew the picture has ended, and OSError if a file cannot be
    written.
    """
    with processes.pool(PROCESSES) as pool:
        begun = (
            {picture.name: pool.submit(draw, picture._replace(chart=None), folder) for picture in pictures}
            if pool
            else {}
        )

        def show(picture: Picture) -> Markup:
            if picture.name not in begun:
                return draw(picture, folder)
            try:
                return begun[picture.name].result()
            except BrokenProcessPool:
                raise UserError(
                    f"figure {picture.name}: its process ended while drawing (too little memory?)"
                ) from None

        yield show


def draw(picture: Picture, folder: Path) -> Markup:
    """Write a figure into `folder` as PDF and PNG, and return its HTML. Raises OSError."""
    figure = picture.draw()
    style.save(figure, [folder / f"{picture.name}{suffix}" for suffix in (".pdf", ".png")])
    return drawing(figure, picture.name, picture.caption)
