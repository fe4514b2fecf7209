"""The curves: any number of tasks, gaps, and the sparsity of actors."""

import matplotlib.image
import pandas as pd
import pytest

from analysis.data import runs, scores
from analysis.data.sources import runfolder
from analysis.figures import style

METHODS = {"dense": "dense", "gmp": "gmp"}
PANELS = {"return": "my return", "sparsity": "sparsity"}


def test_five_tasks_with_holes_take_a_pages_width(tmp_path, run):
    tasks = [f"atari/{game}" for game in ("Pong", "Boxing", "Breakout", "Qbert", "Enduro")]
    rows = [("dense", runfolder.read(run(task=task, returns=(None, 1.0, 2.0)))) for task in tasks[:4]]
    figure = style.curves(runs.tidy(rows), METHODS, tasks, PANELS, 0, 50)
    style.save(figure, [tmp_path / "c.png"])
    image = matplotlib.image.imread(tmp_path / "c.png")
    assert image.shape[1] == 2100
    assert image[..., :3].min() < 0.5  # something is drawn


def test_references_of_a_file_are_drawn(run, tmp_path):
    (tmp_path / "own.csv").write_text("task,random,reference\natari/Maze,-7,1\n")
    references = scores.from_file(tmp_path / "own.csv")
    frame = runs.tidy([("dense", runfolder.read(run(returns=(1.0, 2.0, 3.0))))]).assign(task="atari/Maze")
    axis = style.curves(frame, METHODS, ["atari/Maze"], PANELS, 0, 50, references=references).axes[0]
    assert axis.get_title() == "Maze" and [-7, -7] in [list(line.get_ydata()) for line in axis.lines]


def test_tasks_that_share_an_environment_have_their_whole_names():
    tasks = ["atari/Breakout", "minatar/Breakout", "mujoco/Hopper", "own/CartPole-v1"]
    assert list(scores.short_names(tasks).values()) == [*tasks[:2], "Hopper", "CartPole-v1"]


def drawn(frame, tasks):
    """The axes of the curves, and their legend."""
    figure = style.curves(frame, METHODS, tasks, PANELS, 0, 50)
    return figure.axes, [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_actors_sparsity_is_a_line_of_its_own(run):
    read = runfolder.read(run(task="mujoco/Ant", returns=(7.0, 8.0, 9.0), sparsity=0.9, actor_sparsity=0.6))
    (above, below), legend = drawn(runs.tidy([("dense", read)]), ["mujoco/Ant"])
    critics, actor = (line for line in below.lines if len(line.get_ydata()))
    assert critics.get_ydata().tolist() == pytest.approx([0.3, 0.6, 0.9])
    assert actor.get_ydata().tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert actor.get_color() == critics.get_color() and actor.get_linestyle() != critics.get_linestyle()
    assert above.lines[0].get_ydata().tolist() == [7.0, 8.0, 9.0]
    assert (above.get_title(), above.get_ylabel()) == ("Ant", "my return")
    assert legend == ["dense", "gmp", "random policy", "actor"]


def test_without_an_actor_there_is_no_line_of_one(run):
    (_, below), legend = drawn(runs.tidy([("dense", runfolder.read(run()))]), ["atari/Pong"])
    assert sum(len(line.get_ydata()) > 0 for line in below.lines) == 1
    assert legend == ["dense", "gmp", "random policy"]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-20, "\N{MINUS SIGN}20"), (9000, "9000"), (12000, "12k"), (2.5e6, "2.5M")]
)
def test_short_numbers(value, text):
    assert style.short(value) == text


def test_runs_without_a_sparsity_have_no_empty_panel(run):
    """Of all runs: one panel. Of one task: that panel is not drawn, and its curve is not cut."""
    pruned = runs.tidy([("dense", runfolder.read(run()))])
    unknown = pruned.assign(sparsity=float("nan"))
    (axis,) = drawn(unknown, ["atari/Pong"])[0]
    assert axis.get_xlim()[1] == pytest.approx(1.02 * 3000) and axis.get_xlabel() == "agent steps"
    both = pd.concat([pruned, unknown.assign(task="atari/Boxing")])
    axes, _ = drawn(both, ["atari/Pong", "atari/Boxing"])
    assert [axis.axison for axis in axes] == [True, True, True, False]  # returns, then sparsities
    assert axes[1].get_xlim()[1] == pytest.approx(1.02 * 3000) and axes[1].get_xlabel() == "agent steps"


def test_an_x_axis_says_what_it_counts(run):
    """Offline an agent step is a batch."""
    online, offline = ["atari/Pong", "own/Maze"], ["offline/Pong", "offline/Qbert"]
    assert [style.x_label("frame", online), style.x_label("agent_step", online)] == ["frames", "agent steps"]
    assert style.x_label("agent_step", offline) == "batches"
    assert style.x_label("agent_step", [*online, *offline]) == "agent steps"
    both = [*online[:1], *offline[:1]]
    frame = pd.concat(runs.tidy([("dense", runfolder.read(run(task=task)))]) for task in both)
    assert [axis.get_xlabel() for axis in drawn(frame, both)[0]] == ["", "", "agent steps", "batches"]


def test_a_longer_baseline_is_shown_to_its_end(run):
    """Also where its sparsity is unknown."""
    long = runs.tidy([("dense", runfolder.read(run(returns=(1.0,) * 9, options={"trainer.epochs": 9})))]).assign(
        sparsity=float("nan")
    )
    short = runs.tidy([("gmp", runfolder.read(run(method="gmp", sparsity=0.4)))])
    above, below = drawn(pd.concat([long, short]), ["atari/Pong"])[0]
    assert above.get_xlim() == below.get_xlim() == pytest.approx((0, 1.02 * 9000))
    assert 0.4 < below.get_ylim()[1] < 0.5


def test_a_name_with_dollar_signs_is_no_formula(run):
    names = {r"a$\foo$b": "dense", "$5 or $6": "gmp"}
    rows = [(row, runfolder.read(run(method=method))) for row, method in names.items()]
    figure = style.curves(runs.tidy(rows), names, ["atari/Pong"], PANELS, 0, 50)
    drawing = style.markup(figure)
    assert all(f">{row}<" in drawing for row in names)
