"""The looks of the table's rows: fixed for each method, alike for its variants, and never the same for two rows."""

import colorsys

import numpy as np
import pytest
from matplotlib.colors import to_hex

from analysis.figures import costs, looks, plane, scores
from analysis.figures.looks import Look
from analysis.stats.metrics import Estimate
from analysis.stats.pareto import Outcome
from baselines.registry import METHODS


def hue(look: Look) -> float:
    return colorsys.rgb_to_hls(*look.colour)[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_the_registrys_look_whatever_stands_beside_it(method: str) -> None:
    for others in ([], ["aaa", "zzz"], list(METHODS), [f"{method}:sparsity=0.5", f"{method}:sparsity=0.8"]):
        look = looks.looks({row: row for row in [*others, method]})[method]
        assert (to_hex(look.colour), look.marker, look.filled) == (METHODS[method].colour, METHODS[method].marker, True)


def test_methods_of_the_registry_are_told_apart() -> None:
    found = looks.looks({name: name for name in METHODS}).values()
    assert len({look.colour for look in found}) == len({look.marker for look in found}) == len(METHODS)
    assert len({str(look.linestyle) for look in found}) > 1


@pytest.mark.parametrize("count", [1, 3, 10, 23, 60])
def test_other_methods_are_told_apart(count: int) -> None:
    found = looks.looks({f"m{i}": f"m{i}" for i in range(count)}).values()
    assert len({(look.colour, str(look.linestyle), look.marker) for look in found}) == count
    assert not {to_hex(look.colour) for look in found} & {method.colour for method in METHODS.values()}
    if count > 1:
        assert len({str(look.linestyle) for look in found}) > 1  # also without colours
        assert len({look.marker for look in found}) > 1


def test_the_order_of_other_methods_does_not_matter() -> None:
    names = ["SAC (Dopamine)", "mine", "other"]
    assert looks.looks({n: n for n in names})["mine"] == looks.looks({n: n for n in reversed(names)})["mine"]


@pytest.mark.parametrize(
    "methods",
    [
        {f"{m}, width={w}": m for m in ("dense", "gmp") for w in (32, 512)},
        {m: m for m in ("gmp:final_sparsity=0.9", "gmp", "gmp:final_sparsity=0.98", "eaudeqn", "eaudeqn:law=linear")},
        {f"mine, width={w}": f"mine, width={w}" for w in range(9)},
    ],
)
def test_variants_share_hue_and_marker_and_differ_in_the_rest(methods: dict[str, str]) -> None:
    found = looks.looks(methods)
    assert list(found) == list(methods)
    for name in {looks.base_name(method) for method in methods.values()}:
        own = [look for row, look in found.items() if looks.base_name(methods[row]) == name]
        assert len({look.marker for look in own}) == 1
        if colorsys.rgb_to_hls(*own[0].colour)[2] > 0:  # a grey has no hue
            assert [hue(look) for look in own] == pytest.approx([hue(own[0])] * len(own))
        assert len({(look.colour, str(look.linestyle), look.filled) for look in own}) == len(own)
        assert len({look.colour for look in own}) == len(own)  # all that points of a chart show
        assert len({str(look.linestyle) for look in own}) > 1 and len({look.filled for look in own}) > 1


def test_every_figure_shows_a_method_alike() -> None:
    """Among other rows, and whether or not all of them have a value."""
    methods = {"gmp": "gmp", "mine": "mine", "eaudeqn": "eaudeqn"}
    colours, markers = {m: METHODS[m].colour for m in ("gmp", "eaudeqn")}, {m: METHODS[m].marker for m in METHODS}
    draws = np.random.default_rng(0).normal(size=(20, 2))
    outcomes = {row: Outcome(np.array([i, 1.0]), draws, 3, 1) for i, row in enumerate(("gmp", "eaudeqn"), start=1)}
    x = np.arange(5.0)
    figures = [
        scores.profiles(dict.fromkeys(colours, (x, x, x, x)), methods),
        scores.efficiency(dict.fromkeys(colours, (x, x, x, x)), methods),
        plane.plane({"": outcomes}, methods, "score"),
        costs.tradeoffs({"t": outcomes}, methods, "cost", "reached"),
    ]
    for figure in figures:
        lines = {line.get_label().removeprefix("_"): line for line in figure.axes[0].lines}
        assert {row: to_hex(lines[row].get_color()) for row in colours} == colours
        assert all(lines[row].get_marker() == markers[row] for row in colours)
    bars = scores.intervals({"IQM": {row: Estimate(0.5, 0.0, 1.0, 3) for row in colours}}, methods).axes[0].patches
    assert {to_hex(bar.get_facecolor()) for bar in bars} == set(colours.values())
