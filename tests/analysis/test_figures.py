"""The curves: one style a row of the table, any number of tasks."""

import matplotlib.image
import pytest

from analysis import figures, runs


@pytest.mark.parametrize("count", [1, 3, 10, 23])
def test_methods_are_told_apart(count):
    styles = figures._styles({f"m{i}": f"m{i}" for i in range(count)}).values()
    assert len({(style["color"], str(style["linestyle"])) for style in styles}) == count
    if count > 1:
        assert len({str(style["linestyle"]) for style in styles}) > 1  # also without colours


def test_variants_share_their_methods_colour():
    styles = figures._styles({f"{m}, width={w}": m for m in ("dense", "gmp") for w in (32, 512)})
    assert styles["gmp, width=32"]["color"] == styles["gmp, width=512"]["color"] != styles["dense, width=32"]["color"]
    assert styles["gmp, width=32"]["linestyle"] != styles["gmp, width=512"]["linestyle"]


def test_five_tasks_with_holes_take_a_pages_width(tmp_path, run):
    tasks = [f"atari/{game}" for game in ("Pong", "Boxing", "Breakout", "Qbert", "Enduro")]
    rows = [("dense", runs.read(run(task=task, returns=(None, 1.0, 2.0)))) for task in tasks[:4]]
    figures.curves(runs.tidy(rows), {"dense": "dense", "gmp": "gmp"}, tasks, [tmp_path / "c.png"], 0, 50)
    image = matplotlib.image.imread(tmp_path / "c.png")
    assert image.shape[1] == 2100
    assert image[..., :3].min() < 0.5  # something is drawn


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-20, "\N{MINUS SIGN}20"), (9000, "9000"), (12000, "12k"), (2.5e6, "2.5M")]
)
def test_short_numbers(value, text):
    assert figures._short(value, None) == text
