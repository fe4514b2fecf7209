"""Numbers that are NaN or infinite stop a run, in time, and the line says what broke down, where, and since when."""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from suite import divergence
from suite.agents import AGENTS
from suite.errors import Divergence
from suite.experience import Experience
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import Learner
from suite.options import ReplayOptions, TrainerOptions
from suite.record import reader, schema
from suite.tracking.tracker import Tracker
from suite.trainer import Parts, Trainer
from tests.support.learning import PERIOD, learner_with
from tests.support.probes import Aim, Sign
from tests.support.trainer import make_tracker

CASES = {
    "dqn": (Sign, {"network": "mlp", "width": 4}, "learning_rate"),
    "cql": (Sign, {"network": "mlp", "width": 4}, "learning_rate"),
    "sac": (Aim, {"critic_width": 4, "actor_width": 4, "random_steps": 30}, "critic_learning_rate"),
    "td3": (Aim, {"critic_width": 4, "actor_width": 4, "random_steps": 30}, "critic_learning_rate"),
}


def parts(name: str, method: str = "dense", rate: float | None = None, **options: Any) -> tuple[type, Learner]:
    environment, sizes, key = CASES[name]
    rates = {} if rate is None else {key: rate}
    agent = AGENTS[name].make(environment().observation_space, environment().action_space, **sizes, **rates)
    learner = {"polyak": 0.1 if agent.actor else None}
    return environment, learner_with(agent, method, 100, learner=learner, **options)


@pytest.fixture(scope="module")
def sound() -> dict[str, tuple[type, Learner]]:
    """Compiled once: nothing in them goes wrong by itself."""
    return {"dqn": parts("dqn", "eaudeqn", num_networks=3), "sac": parts("sac")}


def trainer(environment: gymnasium.Env, learner: Learner, tracker: Tracker, **options: Any) -> Trainer:
    ring = Replay(
        environment.observation_space,
        environment.action_space,
        ReplayOptions(capacity=200, batch_size=8, reward_clip=None),
    )
    asked = {"epochs": 2, "epoch_agent_steps": 60, "initial_samples": 20, "replay_ratio": 1, **options}
    experience: Experience = Online(environment, ring)
    return Trainer(Parts(experience, lambda: environment, learner), tracker, TrainerOptions(**asked), 0)


def run(environment: gymnasium.Env, learner: Learner, folder: Path, **options: Any) -> str:
    """The line of the divergence that ends a run, which its status holds too."""
    with pytest.raises(Divergence) as caught, make_tracker(folder) as tracker:
        trainer(environment, learner, tracker, **options).run()
    status = schema.read_json(folder / schema.STATUS)
    assert (status["status"], status["error"]) == ("failed", str(caught.value))
    assert "\n" not in str(caught.value)
    assert not reader.is_finished(folder)
    return str(caught.value)


class Poisoned(gymnasium.Wrapper):
    """Gives back one number that is none, at its `when`th step (0: at the reset)."""

    def __init__(self, environment: gymnasium.Env, what: str, when: int, value: float) -> None:
        super().__init__(environment)
        self.what, self.when, self.value, self.steps = what, when, value, 0

    def reset(self, **options: Any):
        observation, info = super().reset(**options)
        return self._observed(observation, 0), info

    def step(self, action):
        self.steps += 1
        observation, reward, *ended, info = super().step(action)
        broken = self.what == "reward" and self.steps == self.when
        return self._observed(observation, self.when), self.value if broken else reward, *ended, info

    def _observed(self, observation: np.ndarray, when: int) -> np.ndarray:
        broken = self.what == "observation" and self.steps == self.when == when
        return np.where([False, broken], self.value, observation).astype(observation.dtype)


@pytest.mark.parametrize("agent", ["dqn", "sac"])
@pytest.mark.parametrize(
    ("what", "when", "value", "says"),
    [
        ("reward", 25, float("nan"), "the reward is nan at agent step 24, step 0 of its episode"),
        ("reward", 7, float("-inf"), "the reward is -inf at agent step 6"),
        ("reward", 7, 1e300, "the reward is 1e+300 at agent step 6"),  # infinite in the replay
        ("observation", 31, float("inf"), "the observation[1] is inf at agent step 30"),
        ("observation", 0, float("nan"), "the observation[1] is nan at agent step 0"),
    ],
)
def test_the_environment_is_named_and_the_step(agent, what, when, value, says, sound, tmp_path: Path) -> None:
    environment, learner = sound[agent]
    line = run(Poisoned(environment(), what, when, value), learner, tmp_path)
    assert says in line
    assert when == 0 or "all networks are finite" in line
    assert not schema.read_rows(tmp_path / schema.METRICS) or when > 20


@pytest.mark.parametrize("agent", CASES)
def test_a_huge_learning_rate_is_found_within_a_target_update_period(agent: str, tmp_path: Path) -> None:
    environment, learner = parts(agent, rate=1e30)
    line = run(environment(), learner, tmp_path)
    assert "gradient step 10, " in line and "all was finite at gradient step 0" in line
    assert re.search(r"online network 0: (params|opt_state)/.*(kernel|bias): ", line)
    assert "learning_rate" in line
    assert [row["gradient_step"] for row in schema.read_rows(tmp_path / schema.METRICS)] == [PERIOD]


@pytest.mark.parametrize("epochs", [1, 2])
def test_without_a_target_update_it_is_found_at_the_end_of_the_epoch(epochs: int, tmp_path: Path) -> None:
    """Of the last one, too: otherwise a policy of NaN would be the result."""
    environment, sizes, _ = CASES["dqn"]
    agent = AGENTS["dqn"].make(environment().observation_space, environment().action_space, **sizes, learning_rate=1e30)
    learner = learner_with(agent, "dense", 100, target_update_period=1000)
    line = run(environment(), learner, tmp_path, epochs=epochs)
    assert "agent step 60" in line and "loss: 1 of 1" in line
    assert [row["epoch"] for row in schema.read_rows(tmp_path / schema.METRICS, ("epoch",))] == [1]


def poison(state: Any, part: str, value: float) -> Any:
    """The state with one weight of a network that is none."""

    def broken(network: Any) -> Any:
        kernels = network.params.get("policy", network.params)
        kernel = kernels["Dense_0"]["kernel"]
        changed = {**kernels, "Dense_0": {**kernels["Dense_0"], "kernel": kernel.at[0, 0].set(value)}}
        return network._replace(
            params={**network.params, "policy": changed} if kernels is not network.params else changed
        )

    if part == "actor":
        return state._replace(actor=broken(state.actor))
    online = list(state.online)
    online[int(part)] = broken(online[int(part)])
    return state._replace(online=tuple(online))


@pytest.fixture
def started(sound, tmp_path: Path) -> Iterator[Callable[[str], Trainer]]:
    """started(agent) -> the trainer of a run that has begun."""
    with make_tracker(tmp_path) as tracker:

        def start(agent: str) -> Trainer:
            environment, learner = sound[agent]
            begun = trainer(environment(), learner, tracker)
            begun.start()
            return begun

        yield start


@pytest.mark.parametrize("part", ["1", "2"])
def test_a_network_that_is_lost_alone_is_never_elected(part: str, started, tmp_path: Path, caplog) -> None:
    """Its loss is still finite, and would be the lowest: it has lost a weight since."""
    training = started("dqn")
    training.state = poison(training.state, part, float("nan"))
    found = divergence.lost(training.state)
    assert list(found) == [f"online network {part}"]
    assert "params/Dense_0/kernel: 1 of 8 NaN" in found[f"online network {part}"]
    assert not divergence.is_fatal(found, 3)
    with caplog.at_level(logging.WARNING):
        training._update_target()
    assert divergence.lost(training.state) == {}
    row = schema.read_rows(tmp_path / schema.METRICS)[-1]
    assert [loss is None for loss in row["losses"]] == [k == int(part) for k in range(3)]
    assert row["elected"] != int(part)
    assert f"online networks [{part}] are NaN or infinite" in caplog.text


def test_all_that_are_lost_are_named(started) -> None:
    training = started("dqn")
    for part, value in (("0", np.inf), ("1", np.nan), ("2", np.nan)):
        assert not divergence.is_fatal(divergence.lost(training.state), 3)
        training.state = poison(training.state, part, value)
    assert "params/Dense_0/kernel: 1 of 8 infinite" in divergence.lost(training.state)["online network 0"]
    with pytest.raises(Divergence, match="no online network has a finite loss"):
        training._update_target()


def test_an_elected_network_that_is_lost_is_not_handed_out(started) -> None:
    training = started("dqn")
    training.state = poison(training.state, "0", float("nan"))
    training._check()  # a later election can do without it
    training.epoch = training.options.epochs
    with pytest.raises(Divergence, match="online network 0: params/Dense_0/kernel"):
        training._check()


def test_an_actor_that_is_lost_is_named_by_its_layer_at_its_first_action(started) -> None:
    training = started("sac")
    training.state = poison(training.state, "actor", float("nan"))
    with pytest.raises(Divergence, match=r"training diverged.*actor: params/policy/Dense_0/kernel: 1 of 8 NaN"):
        training._check()
    with pytest.raises(Divergence, match=r"the action\[0\] is nan at agent step 30.*actor: params/policy"):
        while training.experience.agent_step < 40:  # the first 30 actions are random
            choice = training.experience.choose(lambda o, t: training.learner.act(training.state, o, t))
            try:
                training.experience.take(choice)
            except Divergence as error:
                raise training._diverged(str(error)) from None


def test_an_actor_that_is_lost_stops_at_the_next_target_update(started) -> None:
    training = started("sac")
    training.state = poison(training.state, "actor", float("inf"))
    with pytest.raises(Divergence, match=r"training diverged.*actor: params/policy/Dense_0/kernel: 1 of 8 infinite"):
        training._update_target()
