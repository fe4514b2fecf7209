"""Modules of a user's own, which register methods and environments: `--import my_module`. No JAX."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from suite.errors import UserError

VARIABLE = "EAUDEQN_IMPORT"  # names them for the processes that this one starts


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add --import, whose values are `modules` in what the parser returns."""
    about = "a module that registers methods or environments of its own; may be repeated"
    parser.add_argument("--import", dest="modules", action="append", default=[], metavar="MODULE", help=about)


def load(names: Sequence[str] = ()) -> None:
    """Import the modules of --import here and in each process that this one starts. One text may hold several names,
    separated by commas.

    Modules are found in the current folder, too. Nothing else names a module to import: no record and no sweep file.
    Raises UserError for one that cannot be imported.
    """
    listed = ",".join([os.environ.get(VARIABLE, ""), *names])
    wanted = dict.fromkeys(name.strip() for name in listed.split(",") if name.strip())
    if not wanted:
        return
    _search_here()
    for name in wanted:
        if not all(part.isidentifier() for part in name.split(".")):
            raise UserError(f"--import={name}: should be the name of a module, such as my_module for my_module.py")
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(f"--import={name}: {error}; it should be in this folder or be installed") from None
    os.environ[VARIABLE] = ",".join(wanted)


def _search_here() -> None:
    """Find modules in the current folder, last of all; also in workers, which run in another folder.

    Raises UserError for a folder that PYTHONPATH cannot name.
    """
    here = str(Path.cwd())
    if os.pathsep in here:
        raise UserError(f"--import: works only in a folder whose path has no {os.pathsep!r}, found {here}")
    if here not in sys.path:
        sys.path.append(here)
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    if here not in places:
        os.environ["PYTHONPATH"] = os.pathsep.join([*places, here])
