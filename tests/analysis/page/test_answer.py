"""The first lines of a report: question and answer with seeds and intervals."""

import pytest

from analysis import plane, results
from analysis.page.answer import answer
from analysis.settings import Settings
from tests.analysis.conftest import write_run


def lines(root, sweep=None, methods=None, **settings):
    selection = results.Selection([str(root)], sweep, methods=methods)
    asked = Settings(repetitions=200, **settings)
    found = results.gather(selection, root, "a command", asked)
    return dict(answer(found.comparison, plane.planes(found.comparison)).lines)


def write(root, levels, seeds=5):
    """{method: (final return, sparsity)} on Pong; returns rise by 0.1 with each seed."""
    for method, (value, sparsity) in levels.items():
        for seed in range(seeds):
            write_run(root, "atari/Pong", method, seed, (-20.0, -20.0, value + 0.1 * seed), sparsity)
    return root


def test_higher_lower_and_undecided_methods_are_told_apart(tmp_path):
    said = lines(write(tmp_path, {"dense": (0.0, 0.0), "gmp": (9.0, 0.9), "set": (-9.0, 0.9), "rigl": (0.0, 0.9)}))
    assert "(4 methods, 1 game, 5 seeds a method and game)" in said["Question"]
    higher, lower, neither = said["Answer"].partition("higher: ")[2].split("; ")
    assert higher.startswith("gmp +0.") and lower.startswith("lower: set -0.") and "shown: rigl +0.000 [" in neither
    assert all("[" in part for part in (higher, lower, neither)) and "hints" not in said["Answer"]
    assert said["Sparsity, Pong"].endswith("(5 seeds).") and "gmp 0.900 [0.900, 0.900]" in said["Sparsity, Pong"]


@pytest.mark.parametrize("value", [-20.5, -12.0, -8.5])
def test_equal_scores_are_no_difference(tmp_path, value):
    """Also where sums of 5 and of 7 equal numbers are rounded."""
    for method, seeds in (("dense", 5), ("gmp", 7), ("set", 6)):
        for seed in range(seeds):
            write_run(tmp_path, "atari/Pong", method, seed, (value,) * 3, 0.9)
    assert "no difference shown: gmp +0.000 [+0.000, +0.000], set +0.000 [" in lines(tmp_path)["Answer"]


def test_a_method_is_compared_with_the_line_of_a_sweep(tmp_path):
    """Halfway between 0.8 and 0.9, where the line has 4.2."""
    sweep = {"gmp:final_sparsity=0.8": (6.0, 0.8), "gmp:final_sparsity=0.9": (2.0, 0.9), "eaudeqn": (8.2, 0.85)}
    root = write(tmp_path, sweep)
    said = lines(root)
    gap = (8.2 - 4.0) / (14.6 + 20.7)  # Pong's human and random returns
    assert (
        f"eaudeqn at 0.850 is {gap:+.3f} [" in said["Sparsity, Pong"]
        and "from the line of gmp" in said["Sparsity, Pong"]
    )

    named = lines(root, methods=[*(f"{method}=GMP {method[-3:]}" for method in list(sweep)[:2]), "eaudeqn=Eau"])
    assert f"Eau at 0.850 is {gap:+.3f} [" in named["Sparsity, Pong"]
    assert "from the line of gmp" in named["Sparsity, Pong"]


def test_the_reference_has_the_name_that_is_shown(tmp_path):
    root = write(tmp_path, {"dense": (0.0, 0.0), "gmp": (9.0, 0.9)})
    assert "than Baseline, " in lines(root, methods=["dense=Baseline", "gmp"])["Question"]


def test_the_plane_is_of_the_references_protocol(tmp_path):
    """Or else of the one with most rows; its title names it."""
    root = write(tmp_path, {"dense": (0.0, 0.0), "gmp": (9.0, 0.9)})
    for seed in range(5):
        write_run(root, method="ablation", seed=seed, sparsity=0.5, options={"environment.sticky_actions": 0.0})
    for reference in ("dense", "rigl"):
        said = lines(root, reference=reference)["Sparsity, Pong (protocol B)"]
        assert "gmp 0.900" in said and "ablation" not in said
    assert "Sparsity, Pong (protocol B)" in lines(root, methods=["gmp", "ablation"], reference="ablation")


def test_few_seeds_are_said_where_the_numbers_are(tmp_path):
    said = lines(write(tmp_path, {"dense": (0.0, 0.0), "gmp": (9.0, 0.9)}, seeds=1))
    assert "gmp +0.255 (no interval)" in said["Answer"] and "fewer than 5 seeds" in said["Answer"]


def test_the_seeds_are_those_that_there_are(tmp_path):
    """Of a sweep of six seeds, two have run."""
    file = tmp_path / "sweep.yaml"
    lists = {"task": "[atari/Pong]", "method": "[dense, gmp]", "seed": "[0, 1, 2, 3, 4, 5]"}
    parameters = "".join(f"  {name}: {{values: {values}}}\n" for name, values in lists.items())
    file.write_text(f"program: sweeps/run.py\nmethod: grid\nparameters:\n{parameters}")
    said = lines(write(tmp_path / "runs", {"dense": (0.0, 0.0), "gmp": (9.0, 0.9)}, seeds=2), file)
    assert "2 seeds a method" in said["Question"] and "fewer than 5 seeds" in said["Answer"]


def test_without_scores_there_is_a_question_too(tmp_path):
    said = lines(write(tmp_path, {"dense": (0.0, 0.0)}), raw=True)
    assert said.keys() == {"Question", "Answer"} and "the returns of each task" in said["Answer"]
