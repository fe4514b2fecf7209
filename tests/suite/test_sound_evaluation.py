"""An evaluation, and a film, show a network that can act, also when the elected one was lost since its election."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from suite import divergence
from tests.suite.test_divergence import poison, sound, trainer  # noqa: F401
from tests.support.trainer import make_tracker


@pytest.fixture
def acted(sound, tmp_path: Path):  # noqa: F811
    """acted(losses, lost) -> the networks that act in an evaluation, by their places before it."""
    environment, learner = sound["dqn"]

    def run(losses: list[float], lost: str) -> set[int]:
        with make_tracker(tmp_path) as tracker:
            training = trainer(environment(), learner, tracker, evaluation_episodes=2)
            training.start()
            networks = zip(training.state.online, losses, strict=True)
            online = [network._replace(loss=jnp.float32(loss)) for network, loss in networks]
            bias = [network.params["Dense_0"]["bias"] for network in online]
            for place, network in enumerate(online):  # so that they can be told from each other
                changed = {**network.params["Dense_0"], "bias": bias[place] + place}
                online[place] = network._replace(params={**network.params, "Dense_0": changed})
            training.state = training.state._replace(online=tuple(online))
            for part in lost:
                training.state = poison(training.state, part, float("nan"))
            before, seen = training.state, set()

            def act(state: Any, observation: Any, clock: Any) -> Any:
                seen.add(next(place for place, network in enumerate(before.online) if network is state.online[0]))
                assert np.isfinite(np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.online[0].params)])).all()
                return learner.act_greedily(state, observation, clock)

            training.learner = learner._replace(act_greedily=act)
            training._check()
            training._evaluate()
            assert training.state is before  # nothing of it is learned
            return seen

    return run


@pytest.mark.parametrize(
    ("losses", "lost", "acting"),
    [
        ([3.0, 2.0, 1.0], "", 0),
        ([3.0, 2.0, 1.0], "12", 0),
        ([1.0, 3.0, 2.0], "0", 2),
        ([1.0, 2.0, 3.0], "0", 1),
        ([1.0, 2.0, 3.0], "01", 2),
        ([float("nan"), 2.0, 3.0], "", 1),
        ([1.0, float("nan"), 3.0], "0", 2),
    ],
)
def test_a_lost_network_never_acts(acted, losses: list[float], lost: str, acting: int) -> None:
    assert acted(losses, lost) == {acting}


def test_where_all_are_lost_nothing_is_chosen(sound) -> None:  # noqa: F811
    _, learner = sound["dqn"]
    state = learner.init(0)
    for part in "012":
        state = poison(state, part, float("nan"))
    assert divergence.sound_first(state) is state


def test_an_actor_acts_as_it_is(sound) -> None:  # noqa: F811
    _, learner = sound["sac"]
    state = poison(learner.init(0), "actor", float("nan"))
    assert divergence.sound_first(state) is state
