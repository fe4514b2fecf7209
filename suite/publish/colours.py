"""Colours of the runs in W&B's workspaces: each method has the one that it has in every figure."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from suite.record import reader

METHODS = "baselines.registry:METHODS"  # by name, as the suite imports no baseline; its programs compose all packages


def by_task(folders: Iterable[Path]) -> dict[str, dict[str, str]]:
    """Return {task: {group of runs: colour as #rrggbb}}. Groups of methods that are not registered have no colour.

    Raises UserError if a record cannot be read.
    """
    methods: Mapping[str, Any] = resolve_name(METHODS)
    found: dict[str, dict[str, str]] = {}
    for folder in folders:
        config = reader.config(folder)
        groups = found.setdefault(config.task, {})
        method = methods.get(config.method.partition(":")[0])
        if method is not None and config.group:
            groups[config.group] = method.colour
    return dict(sorted(found.items()))
