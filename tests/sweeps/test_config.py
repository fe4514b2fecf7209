"""From what a user typed to a run: names, labels, and one clear line for everything that is wrong."""

import re
import string
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baselines.registry import METHODS
from suite.errors import UserError
from suite.tasks import FAMILIES, TASKS
from sweeps.config import RunConfig, groups, method_options, parse_method, resolve
from tests.support.damage import one_line_or_fine

BASE: dict[str, Any] = {"task": "atari/Pong", "method": "eaudeqn", "seed": 0}


# What is wrong -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["task", "method", "seed"])
@pytest.mark.parametrize("value", ["absent", None, ""])
def test_a_run_needs_task_method_and_seed(key: str, value: Any) -> None:
    given = {**BASE, key: value}
    if value == "absent":
        del given[key]
    with pytest.raises(UserError, match=f"{key} is missing"):
        resolve(given)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"task": "atari/Pongg"}, ["atari/Pongg", "did you mean", "atari/Pong"]),
        ({"task": "pong"}, ["pong", "did you mean", "atari/Pong"]),
        ({"task": "atari/MountainCar9000XYZ"}, ["unknown task"]),
        ({"method": "eaudqn"}, ["unknown method", "eaudqn", "did you mean 'eaudeqn'", "gmp"]),
        ({"method": "zzz"}, ["unknown method", "dense", "gmp", "distill", "eaudeqn"]),
        ({"method": ":"}, ["unknown method"]),
        ({"method": "gmp:final_sparsity"}, ["final_sparsity", "option=value"]),
        ({"method": "gmp:final_sparsiti=0.9"}, ["final_sparsiti", "no such option", "did you mean 'final_sparsity'"]),
        ({"method": "gmp:final_sparsity=1"}, ["final_sparsity=1", "less than 1"]),
        ({"method": "gmp:final_sparsity=-0.1"}, ["final_sparsity=-0.1", "greater than or equal to 0"]),
        ({"method": "gmp:final_sparsity=nan"}, ["final_sparsity=nan", "finite"]),
        ({"method": "gmp:final_sparsity=much"}, ["final_sparsity=much", "number"]),
        ({"method": "gmp:start=0.8,end=0.2"}, ["start", "0.8", "end", "0.2"]),
        ({"method": "distill:start=0.8,end=0.2"}, ["start", "0.8", "end", "0.2"]),
        ({"method": "gmp:start=0.9"}, ["start", "0.9", "end", "0.8"]),
        ({"method": "gmp:final_sparsity=0.5,final_sparsity=0.6"}, ["final_sparsity", "twice"]),
        ({"method": "dense:final_sparsity=0.9"}, ["dense", "final_sparsity", "no such option"]),
        ({"method": "eaudeqn:num_networks=0"}, ["num_networks=0", "greater than or equal to 1"]),
        ({"method": "eaudeqn:law=cubic"}, ["law=cubic", "power", "linear"]),
        ({"method": "eaudeqn:reset_optimizer=perhaps"}, ["reset_optimizer=perhaps", "boolean"]),
        ({"method": "eaudeqn:max_speed=0"}, ["max_speed=0", "greater than 0"]),
        ({"seed": -1}, ["seed=-1", "integer from 0"]),
        ({"seed": 2**31}, ["seed=2147483648", "2^31 - 1"]),
        ({"seed": "one"}, ["seed=one", "integer"]),
        ({"seed": 0.5}, ["seed=0.5", "integer"]),
        ({"seed": True}, ["seed=True", "integer"]),
        ({"agent.widht": 32}, ["agent.widht", "no such option", "did you mean 'width'"]),
        ({"agnet.width": 32}, ["agnet.width", "did you mean 'agent.width'"]),
        ({"width": 32}, ["'width'", "agent.width"]),
        ({"agent.": 32}, ["unknown option 'agent.'"]),
        ({"agent": 32}, ["agent=32", "dqn"]),
        ({"agent": "sac"}, ["agent=sac", "dqn"]),
        ({"agent": "dqn", "task": "mujoco/Hopper"}, ["agent=dqn", "sac"]),
        ({"": 32}, ["unknown option ''"]),
        ({"method.final_sparsity": 0.5}, ["method.final_sparsity"]),
        ({"agent.width": 0}, ["agent.width=0", "greater than or equal to 1"]),
        ({"agent.width": "wide"}, ["agent.width=wide", "integer"]),
        ({"agent.width": 32.5}, ["agent.width=32.5", "integer"]),
        ({"agent.width": None}, ["agent.width=None", "integer"]),
        ({"agent.network": "big"}, ["agent.network=big", "nature", "small", "mlp"]),
        ({"agent.learning_rate": "nan"}, ["agent.learning_rate=nan", "finite"]),
        ({"agent.learning_rate": "inf"}, ["agent.learning_rate=inf", "finite"]),
        ({"agent.epsilon_end": 1.5}, ["agent.epsilon_end=1.5", "less than or equal to 1"]),
        ({"replay.discount": 1.01}, ["replay.discount=1.01", "less than or equal to 1"]),
        ({"learner.behaviour": "best"}, ["learner.behaviour=best", "inverse_loss"]),
        ({"learner.vectorize": 7}, ["learner.vectorize=7", "boolean"]),
        ({"environment.sticky_actions": 2}, ["environment.sticky_actions=2", "less than or equal to 1"]),
        ({"trainer.epochs": 0}, ["trainer.epochs=0", "greater than or equal to 1"]),
        ({"trainer.epochs": 1, "trainer.epoch_agent_steps": 1000}, ["1000 agent steps", "train longer"]),
        ({"trainer.initial_samples": 2, "replay.n_step": 5}, ["trainer.initial_samples=2", "replay.n_step=5"]),
        # Numbers that no run can have must not end in an overflow.
        ({"trainer.epochs": "1" + "0" * 400}, ["trainer.epochs"]),
        ({"trainer.epoch_agent_steps": 10**30}, ["trainer.epoch_agent_steps"]),
        ({"trainer.replay_ratio": 1e308}, ["trainer.replay_ratio"]),
        ({"replay.capacity": 3}, ["replay", "capacity"]),
        # Pruning options that do not fit each other or the method.
        ({"pruning.structure": "2:1"}, ["pruning.structure=2:1", "N:M with N < M such as 2:4"]),
        ({"pruning.structure": 124}, ["pruning.structure=124", "quotation marks, '2:4'"]),  # how YAML reads 2:4
        ({"pruning.structure": "units", "pruning.distribution": "erk"}, ["pruning.distribution=erk", "uniform"]),
        ({"pruning.distribution": None}, ["pruning.distribution=None", "uniform", "erk", "global"]),
        ({"pruning.distribution": "even"}, ["pruning.distribution=even", "uniform", "erk", "global"]),
        ({"pruning.score": "saliency"}, ["pruning.score=saliency", "eaudeqn", "magnitude"]),
        ({"pruning.structure": "2:4", "method": "gmp"}, ["final_sparsity=0.95", "at most 0.5"]),
        ({"pruning.structure": "2:4", "method": "rigl:sparsity=0.5"}, ["pruning.structure=2:4", "single weights"]),
        ({"method": "eaudeqn:law=success,max_speed=0.1"}, ["law=success", "max_speed"]),
        ({"method": "rigl:delay=0.9"}, ["delay=0.9", "end=0.8"]),
    ],
    ids=lambda value: ",".join(f"{key}={item}"[:40] for key, item in value.items()) if isinstance(value, dict) else "",
)
def test_one_clear_line(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        resolve({**BASE, **arguments})
    line = str(caught.value)
    assert len(line) < 500 and all(word in line for word in words), line


# Names and labels ----------------------------------------------------------------------------------------------------


def test_a_name_is_readable_and_a_folder() -> None:
    name = resolve({**BASE, "method": "gmp:final_sparsity=0.9", "seed": 3}).name
    assert re.fullmatch(r"atari-Pong\.gmp-final_sparsity=0\.9\.seed3\.[0-9a-f]{8}", name)


def test_names_are_the_same_for_the_same_run() -> None:
    assert resolve(BASE).name == resolve(dict(reversed(BASE.items()))).name
    assert resolve(BASE).name == resolve({**BASE, "agent.width": 512}).name  # the default, written out
    assert resolve({**BASE, "replay.discount": 1}).name == resolve({**BASE, "replay.discount": "1.0"}).name


def test_names_differ_for_different_runs() -> None:
    others: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"task": "atari/Boxing"},
        {"method": "dense"},
        {"method": "gmp"},
        {"method": "gmp:final_sparsity=0.9"},
        {"method": "gmp:final_sparsity=0.9,start=0.1"},
        {"method": "eaudeqn:max_speed=0.01"},
        {"agent.width": 32},
        {"agent.network": "small"},
        {"environment.sticky_actions": 0},
        {"trainer.epochs": 41},
        {"replay.reward_clip": None},
        {"learner.target_update_period": 1000},
    ]
    assert len({resolve({**BASE, **other}).name for other in others}) == len(others)


@pytest.mark.parametrize(
    "typed, label",
    [
        ("gmp", "gmp"),
        ("gmp:", "gmp"),
        ("gmp:final_sparsity=0.95", "gmp"),  # the default
        ("gmp:final_sparsity=0.90", "gmp:final_sparsity=0.9"),
        ("gmp: start = 0.1 , final_sparsity=9e-1", "gmp:final_sparsity=0.9,start=0.1"),  # in the options' order
        ("gmp:final_sparsity=0", "gmp:final_sparsity=0.0"),
        ("gmp:period=none", "gmp"),
        ("eaudeqn:reset_optimizer=false,max_noise=3", "eaudeqn:reset_optimizer=False"),
        ("eaudeqn:reset_optimizer=no", "eaudeqn:reset_optimizer=False"),
        ("eaudeqn:max_speed=0.010", "eaudeqn:max_speed=0.01"),
    ],
)
def test_labels_have_one_spelling(typed: str, label: str) -> None:
    pong = TASKS["atari/Pong"]
    found, options = parse_method(typed, pong)
    assert found == label
    assert set(options.model_dump()) == set(METHODS[label.partition(":")[0]].options.model_fields)
    assert parse_method(found, pong) == (label, options)


# Types: a sweep file's values and a command line's texts ------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"agent.width": 32, "agent.learning_rate": 1e-4, "agent.network": "small"},
        {"trainer.replay_ratio": 1, "trainer.epochs": 5, "replay.reward_clip": None},
        {"environment.max_pool": False, "environment.sticky_actions": 0, "learner.vectorize": True},
        {"method": "gmp:final_sparsity=0.5,period=100"},
        {"replay.discount": 1, "agent.adam_epsilon": 1e-05, "trainer.epoch_agent_steps": 250000.0},
    ],
)
def test_values_and_texts_are_the_same_run(arguments: dict[str, Any]) -> None:
    typed = {**BASE, **arguments}
    texts = {key: str(value) for key, value in typed.items()}
    lowered = {key: text.lower() if text in ("True", "False", "None") else text for key, text in texts.items()}
    texts["trainer.epoch_agent_steps"] = texts.get("trainer.epoch_agent_steps", "250000").removesuffix(".0")
    assert resolve(typed) == resolve(texts) == resolve({**texts, **lowered, "seed": "0"})
    assert resolve(typed).name == resolve(texts).name


def test_a_chosen_agent_is_part_of_the_run() -> None:
    given = {"task": "offline/Pong", "method": "dense", "seed": 0}
    default, named, other = (resolve({**given, **agent}) for agent in ({}, {"agent": "cql"}, {"agent": "dqn"}))
    assert (default.agent, default.chosen_agent) == ("cql", None) and default == named
    assert (other.agent, other.chosen_agent) == ("dqn", "dqn")
    assert len({default.name, other.name}) == len({default.group, other.group}) == 2
    assert resolve(other.arguments()) == other


def test_every_option_is_there_with_its_type() -> None:
    run = resolve(BASE)
    for group, model in groups(run.task).items():
        assert set(run.options.dump()[group]) == set(model.model_fields)
    assert (run.options.agent.width, run.options.trainer.replay_ratio) == (512, 0.25)
    assert isinstance(resolve({**BASE, "replay.discount": 1}).options.replay.discount, float)
    assert isinstance(resolve({**BASE, "agent.width": "32"}).options.agent.width, int)


def test_the_defaults_are_the_papers_configuration() -> None:
    run = resolve(BASE)
    assert (run.total_agent_steps, run.gradient_steps) == (10_000_000, 2_495_000)
    agent, replay, learner, trainer = (run.options.dump()[g] for g in ("agent", "replay", "learner", "trainer"))
    assert (agent["learning_rate"], agent["adam_epsilon"], agent["loss"]) == (6.25e-5, 1.5e-4, "mse")
    assert (agent["epsilon_start"], agent["epsilon_end"], agent["epsilon_decay"]) == (1, 0.01, 250_000)
    assert (replay["capacity"], replay["batch_size"], replay["n_step"], replay["discount"]) == (1_000_000, 32, 1, 0.99)
    assert learner["target_update_period"] == 2000  # gradient steps: 8,000 agent steps at one in four
    assert (trainer["epochs"], trainer["initial_samples"], trainer["replay_ratio"]) == (40, 20_000, 0.25)
    assert run.options.environment.max_episode_agent_steps == 27_000
    method = run.options.dump()["method"]
    assert (method["num_networks"], method["max_noise"], method["reset_optimizer"]) == (5, 3.0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"method": "gmp:final_sparsity=0.9,period=50", "seed": 2**31 - 1},
        {"method": "eaudeqn:law=linear,max_speed=0.02", "task": "atari/Qbert"},
        {"agent.width": 2048, "replay.reward_clip": None, "environment.full_action_space": True},
    ],
)
def test_arguments_round_trip(arguments: dict[str, Any]) -> None:
    run = resolve({**BASE, **arguments})
    assert resolve(run.arguments()) == run
    texts = {key: str(value) for key, value in run.arguments().items()}
    assert resolve(texts) == run
    assert resolve(texts).name == run.name


@pytest.mark.parametrize("task", TASKS)
def test_every_task_resolves(task: str) -> None:
    assert resolve({**BASE, "task": task}).task.name == task


# Defaults by family --------------------------------------------------------------------------------------------------

HOPPER = {"task": "mujoco/Hopper", "method": "gmp", "seed": 0}


def test_a_family_has_defaults_of_its_own() -> None:
    run = resolve(HOPPER)
    assert (run.options.replay.batch_size, run.options.replay.reward_clip) == (256, None)
    assert (run.options.learner.polyak, run.options.learner.target_update_period) == (0.005, 1_000)
    assert run.options.method.final_sparsity == 0.9
    assert run.total_agent_steps == 1_000_000
    assert resolve({**HOPPER, "replay.batch_size": 32}).options.replay.batch_size == 32
    assert resolve(BASE).options.replay.batch_size == 32


@pytest.mark.parametrize(
    "task, typed, label",
    [
        ("mujoco/Hopper", "gmp:final_sparsity=0.9", "gmp"),
        ("mujoco/Hopper", "gmp:final_sparsity=0.95", "gmp:final_sparsity=0.95"),
        ("atari/Pong", "gmp:final_sparsity=0.9", "gmp:final_sparsity=0.9"),
    ],
)
def test_a_label_is_spelt_by_the_defaults_of_its_task(task: str, typed: str, label: str) -> None:
    assert resolve({**BASE, "task": task, "method": typed}).method == label


@pytest.mark.parametrize("family", [name for name in FAMILIES if FAMILIES[name].tasks])
def test_every_default_of_a_family_is_an_option_and_valid(family: str) -> None:
    task = next(task for task in TASKS.values() if task.family == family)
    models = {**groups(task), **{name: method_options(task, name) for name in METHODS}}
    for key, value in FAMILIES[family].defaults.items():
        prefix, _, option = key.partition(".")
        assert getattr(models[prefix].model_validate({option: value}), option) == value


def test_options_of_another_agent_are_unknown() -> None:
    with pytest.raises(UserError, match=r"unknown option|no such option"):
        resolve({**HOPPER, "agent.epsilon_end": 0.1})


# Anything at all -----------------------------------------------------------------------------------------------------

KEYS = [f"{group}.{name}" for group, model in groups(TASKS["atari/Pong"]).items() for name in model.model_fields]
METHOD_OPTIONS = sorted({name for method in METHODS.values() for name in method.options.model_fields})
numbers = st.one_of(st.integers(), st.integers(-10, 10**40), st.floats())
texts = st.one_of(
    st.text(max_size=12),
    st.text(alphabet=string.digits + ".-+eE_ ", max_size=8),
    st.sampled_from(["none", "null", "true", "no", "nan", "-inf", "1e400", "0x10", "small", "9" * 5000]),
    numbers.map(str),
)
anything = st.one_of(texts, numbers, st.booleans(), st.none())
labels = st.one_of(
    texts,
    st.builds(
        lambda name, options: f"{name}:" + ",".join(f"{key}={value}" for key, value in options),
        st.sampled_from([*METHODS, "GMP", ""]),
        st.lists(st.tuples(st.sampled_from([*METHOD_OPTIONS, "x"]), texts), max_size=3),
    ),
)


@settings(max_examples=250, deadline=None)
@given(
    options=st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=10)), anything, max_size=2),
    task=st.one_of(st.sampled_from(["atari/Pong", "Pong"]), anything),
    method=st.one_of(st.sampled_from(list(METHODS)), labels),
    seed=st.one_of(st.just(0), anything),
)
def test_nothing_but_a_user_error_is_ever_raised(options: dict, task: Any, method: str, seed: Any) -> None:
    check_total({"task": task, "method": method, "seed": seed, **options})


@settings(max_examples=250, deadline=None)
@given(options=st.dictionaries(st.sampled_from(KEYS), anything, min_size=1, max_size=1))
def test_no_value_of_a_single_option_raises_anything_else(options: dict) -> None:
    check_total({**BASE, **options})


@settings(max_examples=250, deadline=None)
@given(label=labels)
@example("eaudeqn:num_networks=3,max_noise=2.9,max_speed=0.25,law=linear,elect=smoothed,smoothing=0.00512345678901")
def test_no_label_of_a_method_raises_anything_else(label: str) -> None:
    check_total({**BASE, "method": label})


def check_total(arguments: dict[str, Any]) -> None:
    """A run with a name that is a folder's, which resolves to itself, or one line."""
    run = one_line_or_fine(lambda: resolve(arguments))
    if run is None:
        return
    assert isinstance(run, RunConfig)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9=._-]{,254}", run.name)
    assert resolve(run.arguments()) == run
    assert 0 <= run.gradient_steps < 2**31
