"""Reads the files of a run's folder as typed objects, and tells whether its record is complete."""

from collections.abc import Collection
from pathlib import Path

from suite.errors import UserError
from suite.record import files, models, schema


def config(folder: Path) -> models.Config:
    """Return what was run. Raises UserError for a file that is missing or damaged."""
    return models.read(models.Config, folder / schema.CONFIG)


def progress(folder: Path) -> models.Progress | None:
    """Return where a run is; None before its first report. Raises UserError for a damaged file."""
    return _optional(models.Progress, folder / schema.PROGRESS)


def status(folder: Path) -> models.Status | None:
    """Return how a run ended; None if it has not. Raises UserError for a damaged file."""
    return _optional(models.Status, folder / schema.STATUS)


def costs(folder: Path) -> models.Costs | None:
    """Return the costs of a finished run; None if there are none. Raises UserError for a damaged file."""
    return _optional(models.Costs, folder / schema.COSTS)


def policy_card(folder: Path) -> models.PolicyCard:
    """Return the card of a run's policy. Raises UserError for a file that is missing or damaged."""
    return models.read(models.PolicyCard, folder / schema.POLICY_CARD)


def _optional(model: type[models.Model], path: Path) -> models.Model | None:
    try:
        if not path.exists():
            return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return models.read(model, path)


def fingerprints(folder: Path) -> dict[str, files.Fingerprint]:
    """Return the fingerprints of the files that do not change once the run has ended. Raises OSError."""
    return {name: files.fingerprint(folder / name) for name in schema.FIXED if (folder / name).exists()}


def is_finished(folder: Path) -> bool:
    """Return whether the run in a folder ended well, and each file of its record is the one that it wrote.

    Raises UserError when the status cannot be read.
    """
    ended = status(folder)
    return ended is not None and ended.status == "finished" and not changed(folder, ended)


def changed(folder: Path, ended: models.Status, names: Collection[str] = schema.FIXED) -> list[str]:
    """Return the files of `names` that differ from those that the run left, by its status."""
    return [name for name in names if name in ended.files and not files.unchanged(folder / name, ended.files[name])]
