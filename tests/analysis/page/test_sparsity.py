"""The section on sparsity and score."""

import pytest

from analysis.page.page import SortableTable
from analysis.page.sparsity import two_axes
from tests.support.tables import comparison_of


def tables_of(comparison):
    return [part.table for part in two_axes(comparison, 0.95).parts if isinstance(part, SortableTable)]


@pytest.mark.parametrize(("unpruned", "shown"), [("dense", [["gmp", "0.250 [0.250, 0.250]"]]), ("ours", None)])
def test_what_a_sweep_keeps_is_shown_without_a_method_beside_it(tmp_path, run, unpruned, shown):
    """By hand: the score falls by a tenth up to 0.5. Without a reference there is no table."""
    for method, sparsity, score in ((unpruned, 0.0, 1.0), ("gmp:final_sparsity=0.5", 0.5, 0.9), ("gmp", 0.95, 0.1)):
        for seed in (0, 1):
            run(method=method, seed=seed, sparsity=sparsity, returns=(-20.7, -20.7, 35.3 * score - 20.7))
    found = [table.body for table in tables_of(comparison_of(tmp_path / "runs")) if "up to which" in table.title]
    assert found == ([shown] if shown else [])
