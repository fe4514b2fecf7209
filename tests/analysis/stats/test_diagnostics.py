"""Diagnostics of records, as tables and as the report's section."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.stats import diagnostics
from suite.record import schema

ROWS = (("gmp", "mujoco/Ant", 0), ("gmp", "mujoco/Hopper", 1), ("dense", "mujoco/Ant", 0))


def line(epoch: int, dormant: float, agreement: float | None = None) -> dict:
    """Two critics of one layer each, an actor, and a second online network that counts nowhere."""
    clocks = dict.fromkeys(schema.CLOCKS, 10 * epoch)
    layers = {"0/critic_0/Dense_0": dormant, "0/critic_1/Dense_0": dormant + 0.2, "1/critic_0/Dense_0": 1.0}
    norms = {"0": 1.0, "1": 9.0, "actor": 2.0}
    measures = {"dormant": {**layers, "actor/policy/Dense_0": 0.5}, "weight_norm": norms, "gradient_norm": norms}
    measures |= {"effective_rank": {"0/critic_0": 3.0, "0/critic_1": None}, "disconnected": {}}
    measures |= {"mask_overlap": {"0": 1.0}, "agreement": agreement}
    return schema.row("diagnostics", clocks, epoch=epoch, transitions=8, **measures)


@pytest.fixture
def folders(tmp_path: Path) -> list[tuple[str, str, int, Path]]:
    made = []
    for number, (row, task, seed) in enumerate(ROWS):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = [line(1, 0.0), line(2, 0.1 * number, agreement=0.5)]
        (folder / schema.METRICS).write_text("".join(json.dumps(r) + "\n" for r in rows))
        made.append((row, task, seed, folder))
    return made


def test_layers_and_twin_critics_are_averaged(folders) -> None:
    found = diagnostics.frame(folders)
    assert list(found.columns) == list(diagnostics.COLUMNS) and len(found) == 3 * 2 * 2
    first = found[(found["part"] == "elected network") & (found["row"] == "dense")]
    assert first["dormant"].tolist() == pytest.approx([0.1, 0.3])  # (x + x + 0.2) / 2
    assert first["agent_step"].tolist() == [10, 20] and first["weight_norm"].tolist() == [1, 1]
    assert first["effective_rank"].isna().all() and first["disconnected"].isna().all()
    assert (found.loc[found["part"] == "actor", "dormant"] == 0.5).all()
    assert found.loc[found["part"] == "actor", "agreement"].isna().all()


def test_tables_hold_the_means_of_the_last_epochs(folders) -> None:
    elected, actor = diagnostics.tables(diagnostics.frame(folders))
    assert [cells[1] for cells in elected.body] == ["gmp", "dense"]  # the order of the table
    assert "disconnected units" not in elected.header and "agreement" not in actor.header
    body = {cells[1]: dict(zip(elected.header, cells, strict=True)) for cells in elected.body}
    means = {row: np.mean([0.1 * n + 0.1 for n in numbers]) for row, numbers in {"gmp": (0, 1), "dense": (2,)}.items()}
    assert {row: float(body[row]["dormant units"]) for row in body} == pytest.approx(means, rel=0.01)
    assert (body["gmp"]["runs"], body["dense"]["runs"], body["gmp"]["agreement"]) == ("2", "1", "0.500")


def test_records_without_diagnostics_give_no_table(tmp_path: Path) -> None:
    (tmp_path / schema.METRICS).write_text("")
    assert diagnostics.tables(diagnostics.frame([("gmp", "atari/Pong", 0, tmp_path)])) == []
