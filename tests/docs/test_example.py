"""The worked example of the README, run as it stands there."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

from baselines.registry import METHODS
from suite.options import PrunerOptions
from suite.sparsity.masks import sparsity
from suite.sparsity.pruner import make_pruner
from suite.types import Network, Training
from tests.support import hooks
from tests.support.networks import networks_of

TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def test_the_new_method_of_the_readme_works(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    body = code[code.index("def halving") : code.index("register(")].strip().splitlines()
    assert len([line for line in body if line.strip()]) <= 10
    monkeypatch.setitem(METHODS, "halving", METHODS["dense"])  # so that it is removed in the end
    del METHODS["halving"]
    exec(code, {"__name__": "halving"})
    pruner = make_pruner(PrunerOptions(distribution="uniform"), networks_of({"Dense_0/kernel": (10, 10)}))
    training = Training(100, 10, optax.identity(), pruner)
    method = METHODS["halving"].make(training, times=4)
    assert set(METHODS["halving"].options.model_fields) == {"times"}

    params = {"Dense_0": {"kernel": jnp.arange(1.0, 101.0).reshape(10, 10), "bias": jnp.ones(10)}}
    network = Network(params, (), method.init(jax.random.key(0), params), jnp.float32(0))
    after = hooks.after_gradient(method)
    levels = {19: 0.0, 20: 0.5, 21: 0.5, 40: 0.75, 59: 0.75, 60: 0.88, 80: 0.94, 100: 0.94}
    for step, expected in levels.items():
        network = after(jax.random.key(0), jnp.int32(step), network, params)
        assert float(sparsity(network.masks)) == pytest.approx(expected)
