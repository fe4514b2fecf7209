"""Modules of a user's own, which register methods: `--import my_module`. No JAX."""

import importlib
import os
import sys
from pathlib import Path

from suite.errors import UserError

VARIABLE = "EAUDEQN_IMPORT"  # names them for the processes that this one starts


def load(names: str = "") -> None:
    """Import modules, whose names are separated by commas, here and in each process that this one starts.

    Modules are found in the current folder, too. Nothing else names a module to import: no record and no sweep file.
    Raises UserError for one that cannot be imported.
    """
    known = [name for name in os.environ.get(VARIABLE, "").split(",") if name]
    wanted = dict.fromkeys([*known, *(name.strip() for name in names.split(",") if name.strip())])
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
    """Find modules in the current folder, last of all; also in workers, which run in another folder."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    if here not in places:
        os.environ["PYTHONPATH"] = os.pathsep.join([*places, here])
