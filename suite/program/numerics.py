"""The settings of JAX and XLA that change numbers: some are pinned, the others are recorded with a run's versions."""

import os
from collections.abc import Mapping
from typing import Any

import jax

#: Settings that every run has, whatever the environment says: without them one configuration would be several runs.
PINNED = {
    "jax_enable_x64": False,
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_enable_custom_prng": False,
    "jax_random_seed_offset": 0,
    "jax_high_dynamic_range_gumbel": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_softmax_custom_jvp": False,
}

#: Words in the names of JAX's flags that change where, how fast and with how much output it computes, but no number.
HARMLESS = frozenset((
    "async", "backend", "cache", "captured", "check", "checks", "client", "collectives", "color", "debug", "device",
    "devices", "distributed", "dump", "export", "garbage", "host", "jax2tf", "leaks", "location", "locations", "log",
    "logging", "magma", "mock", "pgle", "platform", "platforms", "preemption", "profile", "profiling", "proxy",
    "recoverability", "schema", "serialization", "share", "thread", "topology", "trace", "traceback", "transfer",
    "warn",
))  # fmt: skip

#: Variables of XLA and of the libraries below it that change numbers.
BELOW = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE", "TF_CUDNN_DETERMINISTIC", "CUBLAS_WORKSPACE_CONFIG")


def pin() -> None:
    """Set the pinned flags, before anything is computed. A flag that this version of JAX lacks is left out."""
    config: Any = jax.config
    for name, value in PINNED.items():
        if name in config.values:
            config.update(name, value)


def is_harmless(flag: str) -> bool:
    """Return whether a flag of JAX, by its name, leaves all numbers as they are."""
    return not HARMLESS.isdisjoint(flag.lower().split("_"))


def settings(environment: Mapping[str, str] = os.environ) -> str:
    """Return the variables of the environment that change numbers and are not pinned: "JAX_DISABLE_JIT=1
    XLA_FLAGS=..."; empty if there are none."""
    flags = [name for name in environment if name.startswith("JAX_") and name.lower() not in PINNED]
    named = [name for name in flags if not is_harmless(name)] + [name for name in BELOW if environment.get(name)]
    return " ".join(f"{name}={environment[name]}" for name in sorted(named))
