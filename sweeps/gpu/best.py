"""How many runs at once a GPU was measured to serve best, from the files of `make gpu-check`. No JAX."""

from collections.abc import Iterable

from pydantic import Field

from suite.record.models import File, read
from sweeps.gpu import report


class Together(File):
    """A row of the part `sharing`."""

    runs: int = Field(alias="runs at once", ge=1)
    mps: bool = Field(alias="MPS")
    rate: float | None = Field(None, alias="agent steps per second")  # of all together; None: they failed


class Sharing(File):
    """The part `sharing`, of which only the rows are read here."""

    rows: list[Together] = Field([])


class Parts(File):
    """The parts of a check, of which only `sharing` is read here."""

    sharing: Sharing = Sharing()


class Check(File):
    """results/gpu/<card>.json."""

    parts: Parts


def fastest(rows: Iterable[Together]) -> Together | None:
    """Return the row with the most agent steps per second; None if nothing was measured."""
    return max((row for row in rows if row.rate is not None), key=lambda row: row.rate or 0.0, default=None)


def best_number(card: str, mps: bool) -> int | None:
    """Return the best number of runs at once on a card, with or without MPS; None if the card was not measured.

    Raises UserError if its file is damaged.
    """
    path = report.FOLDER / f"{report.slug(card)}.json"
    if not path.exists():
        return None
    best = fastest(row for row in read(Check, path).parts.sharing.rows if row.mps == mps)
    return best.runs if best else None
