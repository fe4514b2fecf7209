"""The worked example of CONTRIBUTING.md, run as it stands there."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

from suite.sparsity import sparsity
from suite.types import Network, Training
from sweeps.config import options_of

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text()


def test_the_new_method_of_the_guide_works() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    body = code[code.index("def oneshot") :].strip().splitlines()
    assert len([line for line in body if line.strip()]) <= 10
    names: dict = {}
    exec(code, names)
    method = names["oneshot"](Training(100, 10, optax.identity()), final_sparsity=0.75)
    assert set(options_of(names["oneshot"]).model_fields) == {"final_sparsity"}

    params = {"Dense_0": {"kernel": jnp.arange(1.0, 101.0).reshape(10, 10), "bias": jnp.ones(10)}}
    network = Network(params, (), method.init(jax.random.key(0), params), jnp.float32(0))
    after = jax.jit(method.after_gradient)
    for step, expected in ((49, 0.0), (50, 0.75), (51, 0.0)):
        pruned = after(jax.random.key(0), jnp.int32(step), network, params)
        assert float(sparsity(pruned.masks)) == pytest.approx(expected)
