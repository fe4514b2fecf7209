"""Networks to prune, with weights that are drawn, and references in numpy."""

import math
from collections.abc import Mapping
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from hypothesis import settings
from hypothesis import strategies as st

from suite.options import PrunerOptions
from suite.sparsity.pruner import make_pruner
from suite.types import Masks, Params

KEY = jax.random.key(0)
MANY = settings(max_examples=40, deadline=None)
levels = st.floats(0, 1, width=32)
seeds = st.integers(0, 2**31 - 1)

MLP = {"Dense_0/kernel": (5, 8), "Dense_1/kernel": (8, 3)}
CNN = {
    "Conv_0/kernel": (3, 3, 2, 4),
    "Conv_1/kernel": (2, 2, 4, 6),
    "Dense_0/kernel": (54, 10),
    "Dense_1/kernel": (10, 4),
}
TWINS = {f"critic_{i}/{path}": shape for i in (0, 1) for path, shape in MLP.items()}
NARROW = {"Dense_0/kernel": (1, 1), "Dense_1/kernel": (1, 7), "Dense_2/kernel": (7, 1)}
NETWORKS = {"mlp": MLP, "cnn": CNN, "twins": TWINS, "narrow": NARROW}
named = st.sampled_from(sorted(NETWORKS))


def nested(kernels: Mapping[str, np.ndarray]) -> Params:
    """Parameters with these kernels, and a bias that is large beside each of them."""
    flat = {path: jnp.asarray(kernel, jnp.float32) for path, kernel in kernels.items()}
    flat |= {path.replace("kernel", "bias"): jnp.full(k.shape[-1], 100.0) for path, k in kernels.items()}
    return traverse_util.unflatten_dict(flat, sep="/")


def draw(name: str, seed: int, ties: bool = False) -> dict[str, np.ndarray]:
    """Normal weights, a layer's scale falling with its size; with `ties` of few values."""
    rng = np.random.default_rng(seed)
    kernels = {p: rng.standard_normal(s) / math.sqrt(math.prod(s)) for p, s in NETWORKS[name].items()}
    return {p: np.round(k, 1) if ties else k.astype(np.float32) for p, k in kernels.items()}


def everything(kernels: Mapping[str, np.ndarray]) -> Masks:
    return {path: jnp.ones(kernel.shape, bool) for path, kernel in kernels.items()}


@cache
def compiled(**options):
    return jax.jit(make_pruner(PrunerOptions(**options)).prune)


def prune(kernels: Mapping[str, np.ndarray], level: float, masks: Masks | None = None, **options) -> dict:
    masks = everything(kernels) if masks is None else masks
    pruned = compiled(**options)(KEY, nested(kernels), masks, jnp.float32(level), None)
    return {path: np.asarray(mask) for path, mask in pruned.items()}


def count(level: float, size: int) -> int:
    kept = np.round((np.float32(1) - np.float32(level)) * np.float32(size))
    return int(np.clip(kept, 1, size))


def largest(values: np.ndarray, number: int) -> np.ndarray:
    kept = np.zeros(values.size, bool)
    kept[np.argsort(-np.abs(values.ravel().astype(np.float64)), kind="stable")[:number]] = True
    return kept.reshape(values.shape)


def split_twins(name: str) -> list[list[str]]:
    paths = list(NETWORKS[name])
    return [[p for p in paths if p.startswith(f"critic_{i}")] for i in (0, 1)] if name == "twins" else [paths]
