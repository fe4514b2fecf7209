"""The benchmark runs and fills its table; what it measures is for people, and no time is asserted."""

from pathlib import Path

import numpy as np

from sweeps.bench import report


def test_every_cell_of_the_table_is_a_measurement(tmp_path: Path) -> None:
    table = report(1, tmp_path, [("small", 16)])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["K"] == ["1", "5"]
    for name, cells in columns.items():
        assert len(cells) == 2, name
        if name not in ("network", "not learning"):
            numbers = [float(str(cell).split()[0]) for cell in cells]
            assert np.isfinite(numbers).all() and min(numbers) > 0, name
    assert float(columns["GFLOP"][1]) > 3 * float(columns["GFLOP"][0])
    assert "peak" in str(table.caption)
