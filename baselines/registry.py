"""The methods by name, with their options, per-family defaults, colours and markers. No JAX is imported here.

A new method is a function `method(training, options) -> Sparsifier` in a module of this package, and here a model of
its options and an entry in METHODS. A module outside of this repository calls `register` instead.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from suite.errors import UserError
from suite.options import EauDeQNOptions, Entry, Options


@dataclass(frozen=True)
class Method(Entry):
    """A method, and how figures show it."""

    colour: str = "#000000"  # as #rrggbb
    marker: str = "o"  # matplotlib's name


class Dense(Options):
    """Dense training: no weight is ever pruned."""


class Scheduled(Options):
    """Options of schedules that have a start and an end."""

    final_sparsity: float = Field(0.95, ge=0, lt=1, description="sparsity at the end of the schedule")
    start: float = Field(0.2, ge=0, le=1, description="fraction of training after which pruning starts")
    end: float = Field(0.8, ge=0, le=1, description="fraction of training after which pruning ends")


class Gradual(Scheduled):
    """Gradual pruning along a schedule."""

    period: int | None = Field(
        None, ge=1, description="gradient steps between mask updates; default: 1,000, at most 1 % of training (ours)"
    )


class GMP(Gradual):
    """Gradual magnitude pruning (Zhu & Gupta 2017; PolyPruneQN of Graesser et al. 2022 and of the EauDeQN paper)."""

    power: float = Field(3.0, gt=0, le=100, description="exponent of the schedule")
    regrow: bool = Field(
        False, description="pruned weights keep their values; until end, they come back when they are among the largest"
    )


class STE(Gradual):
    """Soft gradual pruning: masks in the forward pass, straight-through gradients for all weights (Lin et al. 2020)."""

    period: int | None = Field(
        None, ge=1, description="gradient steps between mask updates; default: 16 (Lin et al.), at most 1 % of training"
    )
    power: float = Field(3.0, gt=0, le=100, description="exponent of the schedule")


class Linear(Gradual):
    """Gradual pruning of the same number of weights each time."""


class Cosine(Gradual):
    """Gradual pruning that is slow at the start and at the end."""


class Exponential(Gradual):
    """Gradual pruning of the same fraction of the kept weights each time (Frankle & Carbin 2019)."""


class Iterative(Scheduled):
    """Iterative pruning (Han et al. 2015): n equal prunings with pauses between them."""

    prunings: int = Field(10, ge=1, le=10_000, description="number of equal prunings, the first at start")


class OneShot(Options):
    """One pruning, directly to the final sparsity."""

    final_sparsity: float = Field(0.95, ge=0, lt=1, description="sparsity at the end of the schedule")
    at: float = Field(0.5, ge=0, le=1, description="fraction of training after which the network is pruned")


class Constant(Options):
    """One pruning at the start, which keeps the largest initial weights."""

    final_sparsity: float = Field(0.95, ge=0, lt=1, description="sparsity at the end of the schedule")


class Distill(Scheduled):
    """Distill Q-Network (Vincent et al. 2025): one online network, a sparser copy of its target."""

    schedule: Literal["polynomial", "linear", "cosine", "exponential", "iterative"] = Field(
        "polynomial", description="pruning schedule; the paper's is not known, so the default is that of gmp (ours)"
    )


class Static(Options):
    """Static random masks (Evci et al. 2020, Graesser et al. 2022): the kept weights are drawn once."""

    sparsity: float = Field(0.95, ge=0, lt=1, description="sparsity, from the start")


class Rewiring(Options):
    """Sparse from the start: weights are dropped, and as many grow."""

    sparsity: float = Field(0.95, ge=0, lt=1, description="sparsity, from the start")
    drop_fraction: float = Field(
        0.3, gt=0, lt=1, description="fraction of a layer's kept weights that the first rewiring drops"
    )
    decay: Literal["cosine", "constant"] = Field("cosine", description="how drop_fraction decreases until end")
    delay: float = Field(0.0, ge=0, le=1, description="fraction of training before the first rewiring (ours)")
    end: float = Field(0.8, ge=0, le=1, description="fraction of training after which rewiring ends")
    period: int | None = Field(
        None, ge=1, description="gradient steps between rewirings; default: max_period, at most 1 % of training"
    )
    max_period: int = Field(5_000, ge=1, description="largest default of period")


class SET(Rewiring):
    """SET, sparse evolutionary training (Mocanu et al. 2018): weights grow at random positions."""


class RigL(Rewiring):
    """RigL (Evci et al. 2020): weights grow where the dense gradient is largest."""


FINAL_0_9 = {"mujoco": {"final_sparsity": 0.9}}  # ours, as in Graesser et al. 2022
SPARSITY_0_9 = {"mujoco": {"sparsity": 0.9}}
REWIRING_OF_SAC = {"mujoco": {"sparsity": 0.9, "drop_fraction": 0.5, "max_period": 1_000}}  # sources: sweeps/sources.py

METHODS: dict[str, Method] = {
    "dense": Method("baselines.dense:dense", Dense, {}, "#4d4d4d", "s"),
    "gmp": Method("baselines.schedules:gmp", GMP, FINAL_0_9, "#d55e00", "o"),
    "linear": Method("baselines.schedules:linear_pruning", Linear, FINAL_0_9, "#e69f00", "v"),
    "cosine": Method("baselines.schedules:cosine_pruning", Cosine, FINAL_0_9, "#b8860b", "^"),
    "exponential": Method("baselines.schedules:exponential_pruning", Exponential, FINAL_0_9, "#8c510a", "<"),
    "iterative": Method("baselines.schedules:iterative_pruning", Iterative, FINAL_0_9, "#a65628", ">"),
    "oneshot": Method("baselines.schedules:oneshot", OneShot, FINAL_0_9, "#f781bf", "P"),
    "constant": Method("baselines.schedules:constant_sparsity", Constant, FINAL_0_9, "#984ea3", "X"),
    "ste": Method("baselines.schedules:ste", STE, FINAL_0_9, "#cc79a7", "d"),
    "static": Method("baselines.static:static", Static, SPARSITY_0_9, "#56b4e9", "h"),
    "set": Method("baselines.rewire:sparse_evolution", SET, REWIRING_OF_SAC, "#009e73", "p"),
    "rigl": Method("baselines.rewire:rigl", RigL, REWIRING_OF_SAC, "#66a61e", "*"),
    "distill": Method("baselines.schedules:distill", Distill, FINAL_0_9, "#7570b3", "8"),
    "eaudeqn": Method("suite.eaudeqn:eaudeqn", EauDeQNOptions, {}, "#0072b2", "D"),
}


def register(name: str, method: Method) -> None:
    """Add a method to METHODS, before a run is made. Raises UserError if the name is taken."""
    if name in METHODS:
        raise UserError(f"a method named {name!r} exists already; choose another name")
    METHODS[name] = method
