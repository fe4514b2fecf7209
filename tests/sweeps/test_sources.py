"""The table of defaults and sources: complete, without dead entries, and equal to what a run uses."""

from fnmatch import fnmatchcase

import pytest

from baselines.registry import METHODS
from sweeps.config import resolve
from sweeps.sources import EXAMPLES, OURS, SOURCES, Row, rows, source_of

ROWS = list(rows())


def shown(option: str, family: str) -> Row:
    (row,) = [row for row in ROWS if row.option == option and family in row.families]
    return row


@pytest.mark.parametrize("family", EXAMPLES)
@pytest.mark.parametrize("method", METHODS)
def test_the_table_says_what_a_run_uses(family: str, method: str) -> None:
    run = resolve({"task": EXAMPLES[family].name, "method": method, "seed": 0})
    for group, options in run.options.dump().items():
        for key, value in options.items():
            row = shown(f"{method}:{key}" if group == "method" else f"{group}.{key}", family)
            assert row.default == value, row
            assert row.source


def test_what_is_ours_has_a_reason() -> None:
    assert [row for row in ROWS if row.source == OURS and not row.reason] == []


def test_every_entry_is_the_source_of_something() -> None:
    used = {source_of(row.option, family) for row in ROWS for family in row.families}
    assert set(SOURCES) <= used
    for source in SOURCES:
        assert any(fnmatchcase(row.option, source.option) for row in ROWS), source


@pytest.mark.parametrize(
    "option, family, default, words",
    [
        ("set:max_period", "atari", 5_000, "dqn_atari_set.gin"),
        ("rigl:max_period", "mujoco", 1_000, "sac_mujoco_sparse_config.gin"),
        ("rigl:end", "atari", 0.8, "Graesser"),
        ("set:decay", "mujoco", "cosine", "Graesser"),
        ("set:drop_fraction", "atari", 0.3, "Graesser"),
        ("rigl:drop_fraction", "mujoco", 0.5, "Graesser"),
        ("static:sparsity", "atari", 0.95, "dqn_atari_static.gin"),
        ("static:sparsity", "mujoco", 0.9, "sac_mujoco_sparse_config.gin"),
        ("set:sparsity", "mujoco", 0.9, "sac_mujoco_sparse_config.gin"),
        ("rigl:sparsity", "mujoco", 0.9, "sac_mujoco_sparse_config.gin"),
        ("rigl:sparsity", "atari", 0.95, OURS),
        ("agent.loss", "atari", "mse", "not halved"),
        ("agent.loss", "classic", "mse", "Castro 2021: Huber"),
        ("agent.width", "classic", 512, "dqn_cartpole.gin"),
        ("trainer.replay_ratio", "classic", 0.25, "dqn_cartpole.gin"),
        ("replay.batch_size", "minatar", 32, "examples/dqn.py of MinAtar"),
        ("agent.policy_delay (td3)", "mujoco", 2, "Fujimoto et al. 2018"),
        ("agent.adam_epsilon", "atari", 1.5e-4, "slimDQN"),
        ("agent.adam_epsilon", "offline", 3.125e-4, "slimCQL"),
        ("agent.adam_epsilon (dqn)", "offline", 1.5e-4, "as online"),
        ("agent.learning_rate (dqn)", "offline", 5e-5, "slimCQL"),
        ("agent.learning_rate", "offline", 5e-5, "slimCQL"),
        ("gmp:final_sparsity", "atari", 0.95, "dqn_atari_prune.gin"),
        ("gmp:final_sparsity", "mujoco", 0.9, "sac_mujoco_pruning_config.gin"),
        ("eaudeqn:max_noise", "atari", 3.0, "released configuration"),
        ("eaudeqn:cap", "atari", "scale", OURS),
    ],
)
def test_published_values(option: str, family: str, default: object, words: str) -> None:
    row = shown(option, family)
    assert row.default == default
    assert words in row.source
