"""The election log against elections that are worked out by hand, and what it says of them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats import election_log
from suite.errors import UserError


def update(step, sparsities, losses, elected, reset=()):
    """A row of a record. The networks' order is that before the election."""
    row = {"kind": "target_update", **dict.fromkeys(("agent_step", "frame", "gradient_step"), step)}
    row |= {"losses": losses, "sparsities_before": sparsities, "elected": elected, "sparsities": sparsities}
    return row | {"reset": list(reset) or [False] * len(losses), "actor_sparsity": None}


ROWS = [
    update(100, [0.0, 0.0, 0.0], [5.0, 5.0, 5.0], 0, [False, True, True]),  # a tie: nothing sparser stood
    update(200, [0.0, 0.3, 0.1], [4.0, 6.0, 2.0], 2, [False, True, True]),  # the less sparse copy wins
    update(300, [0.1, 0.2, 0.4], [2.0, 3.0, 5.0], 0, [False, True, True]),  # the kept copy wins
    update(400, [0.1, 0.5, 0.3], [None, 1.0, 4.0], 1, [False, True, True]),  # the kept copy diverged
    update(500, [0.5, 0.5, 0.9], [8.0, 7.0, None], 1, [False, True, True]),  # an equal copy wins: no step
]


def test_the_election_log_by_hand():
    book = election_log.elections(ROWS)
    assert list(book.columns) == list(election_log.COLUMNS)
    assert book["agent_step"].tolist() == [100, 200, 300, 400, 500]
    assert book["outcome"].tolist() == ["idle", "taken", "refused", "taken", "refused"]
    assert book["rank"].tolist() == [0, 1, 0, 2, 0]
    assert book["level"].tolist() == [0.0, 0.1, 0.1, 0.5, 0.5]
    assert book["step"].tolist() == pytest.approx([0, 0.1, 0, 0.4, 0])
    assert book["smallest_offer"].tolist() == pytest.approx([math.nan, 0.1, 0.1, 0.2, 0.4], nan_ok=True)
    assert book["challenge"].tolist() == pytest.approx([math.nan, 0.5, 1.5, math.nan, math.nan], nan_ok=True)
    assert book["kept_loss"].tolist() == pytest.approx([5, 4, 2, math.nan, 8], nan_ok=True)
    assert book["diverged"].tolist() == [0, 0, 0, 1, 1]
    assert election_log.summary(book) == (5, 2, 2, 1, 0.5, pytest.approx(0.25), 400)


def test_a_run_that_diverged_has_a_log_up_to_there(tmp_path):
    rows = [*ROWS, update(600, [0.5, 0.6, 0.9], [None] * 3, -1)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    book = election_log.read(tmp_path)
    assert book.equals(election_log.elections(ROWS)) and len(book) == 5


def test_without_a_kept_copy_every_step_is_taken():
    rows = [
        update(1, [0.0, 0.0], [1.0, 1.0], 0),
        update(2, [0.2, 0.1], [3.0, 1.0], 1),
        update(3, [0.3, 0.2], [1.0, 2.0], 0),
    ]
    book = election_log.elections(rows)
    assert book["outcome"].tolist() == ["idle", "taken", "taken"]
    assert book["step"].tolist() == pytest.approx([0, 0.1, 0.2])
    assert book["kept_loss"].isna().tolist() == [False, True, True] and book["challenge"].isna().all()


@st.composite
def histories(draw):
    """Runs of elections in which the elected network is kept, with sparser copies."""
    networks, level, rows = draw(st.integers(2, 5)), 0.0, []
    offered = [0.0] * networks
    for step in range(draw(st.integers(1, 12))):
        losses = draw(st.lists(st.floats(0.1, 10), min_size=networks, max_size=networks))
        elected = losses.index(min(losses))
        rows.append(update(step, offered, losses, elected))
        level = offered[elected]
        offered = [level, *(min(level + draw(st.floats(0, 0.2)), 1.0) for _ in range(networks - 1))]
    return rows


@given(histories())
def test_steps_add_up_and_outcomes_are_all_there_are(rows):
    book = election_log.elections(rows)
    count = election_log.summary(book)
    assert count.held == len(rows) == count.taken + count.refused + count.idle
    assert book["step"].cumsum().tolist() == pytest.approx(book["level"].tolist())
    assert (book["outcome"] == "taken").tolist() == (book["step"] > election_log.SAME).tolist()
    compared = book["challenge"].notna() & (book["outcome"] != "idle")
    assert ((book["challenge"] < 1) | (book["outcome"] == "refused"))[compared].all()
    assert election_log.why(book)


def outcomes(text):
    """ "tr." -> the log of a step taken, one refused, and an idle election."""
    level, rows = 0.0, [update(0, [0.0, 0.0], [1.0, 1.0], 0)]
    for i, outcome in enumerate(text, start=1):
        offer = level if outcome == "." else level + 0.01
        rows.append(update(10 * i, [level, offer], [2.0, 1.0 if outcome == "t" else 3.0], int(outcome == "t")))
        level = offer if outcome == "t" else level
    return election_log.elections(rows)


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("tttt", None),
        ("trtrtrrrr", 5),  # 3 of 5 until the last step, then 4 refused: 0.4^4 = 0.026 < 0.05
        ("trrtrrtrr", None),  # 3 of 7, then 2 refused: (4/7)^2 = 0.33
        ("ttttrr", 4),  # never refused until then: a rate of 5/6
        ("tttttr", None),  # one refusal is no stop
        ("ttt..", 3),
        ("rrr", -1),
        ("", -1),
    ],
)
def test_where_pruning_stopped(text, stop):
    assert election_log.stopped(outcomes(text)) == stop


def test_the_reason_is_in_numbers():
    said = election_log.why(outcomes("ttttrrr"))
    assert "Pruning stopped at agent step 40, at a sparsity of 0.040." in said
    assert "Of the 3 elections since, the sparser networks lost 3" in said
    assert "1.50 times the kept copy's loss (median), for a step of 0.0100 or more" in said
    assert "steps taken had been 0.0100" in said
    assert "in 2 no sparser network stood" in election_log.why(outcomes("ttt.."))
    assert "Pruning never began" in election_log.why(outcomes("rr"))
    assert "did not stop: it reached a sparsity of 0.020" in election_log.why(outcomes("tt"))
    assert "1 election before the end" in election_log.why(outcomes("trtr"))
    assert election_log.why(election_log.elections([])) == "No election was held."
    assert "3 losses were not finite" in election_log.why(
        election_log.elections([*ROWS[:2], *(update(300 + i, [0.1, 0.2], [1.0, None], 0) for i in range(3))])
    )


def write(folder, *lines, end="\n"):
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + end)
    return folder


def test_only_populations_have_elections(tmp_path):
    assert election_log.read(write(tmp_path / "one", update(1, [0.0], [1.0], 0), {"kind": "epoch"})).empty
    assert election_log.read(tmp_path / "nothing").empty
    assert election_log.read(write(tmp_path / "epochs", {"kind": "epoch"})).empty
    assert len(election_log.read(write(tmp_path / "five", *ROWS))) == 5
    assert len(election_log.read(write(tmp_path / "cut", *ROWS, end=""))) == 4  # the last line was being written


@pytest.mark.parametrize(
    "change", [{"elected": 7}, {"elected": None}, {"reset": [True]}, {"sparsities_before": [None, 1, 1]}, {"losses": 3}]
)
def test_a_damaged_election_is_named(tmp_path, change):
    folder = write(tmp_path / "run", ROWS[0], {**ROWS[1], **change})
    with pytest.raises(UserError, match=r"metrics\.jsonl:.*2.*damaged"):
        election_log.read(folder)


def test_the_layers_are_the_last_epochs(tmp_path):
    clocks = dict.fromkeys(("agent_step", "frame", "gradient_step", "epoch"), 1)
    row = {"kind": "epoch", **clocks, "return": None, "sparsity": 0.5, "actor_sparsity": None}
    epochs = [{**row, "layer_sparsity": {"Dense_0/kernel": level}} for level in (0.1, 0.7)]
    assert election_log.final_layers(write(tmp_path / "short", *epochs)) == {"Dense_0": 0.7}
    assert election_log.final_layers(write(tmp_path / "long", *epochs, *ROWS * 200)) == {"Dense_0": 0.7}
    assert election_log.final_layers(write(tmp_path / "none", *ROWS)) == {}
    both = {**row, "layer_sparsity": {"q/kernel": 0.5}, "actor_layer_sparsity": {"pi/kernel": 0.2}}
    assert list(election_log.final_layers(write(tmp_path / "actor", both)).items()) == [("q", 0.5), ("pi", 0.2)]
