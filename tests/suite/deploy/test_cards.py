"""Any value in any field of a card: the card is refused in one line, or it says what it said before."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

from suite.deploy import compact
from suite.deploy.network import Policy, from_flax
from suite.errors import UserError
from tests.support.damage import places, replaced
from tests.support.policies import make

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 1.0, 1.5, 1e308, 2**63, 10**400, float("nan")),
    *("", "1", "x", [], [1, "x"], [[1], [1, 2]], [1] * 40, [None], {}, {"a": 1}, [{}]),
]
MADE = make("sac", 0.5)
DATA, TEXT = compact.pack(MADE.policy, {"name": "run"})
NETWORK = json.loads(json.dumps(MADE.built.card["network"]))


def read_compact(card: Any) -> Policy:
    return compact.unpack(load(DATA), card, "file")


def read_trained(card: Any) -> Policy:
    return from_flax(MADE.arrays, card, "file")


CARDS = {"compact": (read_compact, json.loads(TEXT)), "trained": (read_trained, NETWORK)}


def refused_or_as_before(which: str, path: tuple, value: Any) -> None:
    read, card = CARDS[which]
    expected = read(card)
    try:
        found = read(replaced(card, path, value))
    except UserError as error:
        assert str(error).startswith("file: ")
        return
    assert found.observation_shape == expected.observation_shape
    assert all(type(layer.stride) is int and type(layer.relu) is bool for layer in found.layers)
    for ours, theirs in zip(found.layers, expected.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight[: len(ours.weight)])  # or fewer actions


@pytest.mark.parametrize("which", CARDS)
def test_no_field_may_hold_anything(which: str) -> None:
    for path in places(CARDS[which][1])[1:]:
        for value in VALUES:
            refused_or_as_before(which, path, value)


ANY = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([(which, path) for which in CARDS for path in places(CARDS[which][1])[1:]]), ANY)
def test_a_field_with_anything_in_it_is_refused_or_read(place: tuple[str, tuple], value: Any) -> None:
    refused_or_as_before(*place, value)


@pytest.mark.parametrize("value", [[1, "x"], [], [[1], [1, 2]], True, "440", 440.0, -1])
def test_kept_is_a_whole_number(value: Any) -> None:
    with pytest.raises(UserError, match=r"card is damaged.*should be a whole number from 0"):
        read_compact(replaced(CARDS["compact"][1], ("layers", 0, "kept"), value))


@pytest.mark.parametrize(
    "path, value",
    [
        (("action", "size"), -1),
        (("action", "size"), 7),  # of 6 outputs
        (("action", "size"), 1.5),
        (("layers", 1, "stride"), 1.5),
        (("layers", 1, "relu"), "no"),
        (("observation", "divided_by"), "1"),
        (("observation", "divided_by"), True),
        (("observation", "shape"), ["11"]),
    ],
)
def test_the_card_of_a_trained_policy_is_not_taken_for_what_it_does_not_say(path: tuple, value: Any) -> None:
    """A size of -1 left out one output, and "no" was a yes."""
    with pytest.raises(UserError, match=r"card is damaged|6 outputs"):
        read_trained(replaced(NETWORK, path, value))
