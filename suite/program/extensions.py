"""Modules of a user's own, which register methods: `--import my_module`. No JAX."""

import importlib
import os

from suite.errors import UserError

VARIABLE = "EAUDEQN_IMPORT"  # names them for the processes that this one starts


def load(names: str = "") -> None:
    """Import modules, whose names are separated by commas, here and in each process that this one starts.

    Nothing else names a module to import: no record and no sweep file. Raises UserError for one that cannot be found.
    """
    known = [name for name in os.environ.get(VARIABLE, "").split(",") if name]
    wanted = dict.fromkeys([*known, *(name.strip() for name in names.split(",") if name.strip())])
    for name in wanted:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise UserError(f"--import={name}: {error}; it should be in this folder or be installed") from None
    if wanted:
        os.environ[VARIABLE] = ",".join(wanted)
