"""Figures drawn by other processes: in any order, each where it belongs, and what goes wrong there is said here."""

import os
from functools import partial

import pytest

from analysis.figures import index, style
from analysis.page.page import Picture
from suite.errors import UserError


def line(height):
    figure = style.blank(1, height)
    figure.subplots().plot([0, height])
    return figure


def picture(name, draw):
    return Picture(name, f"caption of {name}", draw)


def test_each_is_drawn_as_it_would_be_here(tmp_path):
    """Bit for bit; the first is asked for last."""
    pictures = [picture(f"p{height}", partial(line, height)) for height in (1, 2, 3)]
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    with index.drawn(pictures, there) as show:
        shown = [show(one) for one in reversed(pictures)]
    assert shown == [index.draw(one, here) for one in reversed(pictures)]
    names = {f"p{height}.{suffix}" for height in (1, 2, 3) for suffix in ("pdf", "png")}
    assert {path.name for path in there.iterdir()} == names
    assert all((there / name).read_bytes() == (here / name).read_bytes() for name in names)


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OSError) as raised, index.drawn([picture("p", partial(line, 1))], tmp_path / "none") as show:
        show(picture("p", line))
    assert raised.value.filename == str(tmp_path / "none" / "p.pdf")


def test_a_process_that_ends_is_one_line(tmp_path):
    gone = picture("gone", partial(os._exit, 1))
    with pytest.raises(UserError, match="figure gone: its process ended"), index.drawn([gone], tmp_path) as show:
        show(gone)
