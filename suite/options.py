"""The options of a run: one frozen model a group. Validation, help and documentation read these models. No JAX.

"(ours)" marks what neither the paper nor its authors' code has. Sources of defaults: docs/reference/defaults.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEVICES = ("auto", "cpu", "gpu")  # that --device takes
CHECKPOINT_INTERVAL = 600.0  # seconds between checkpoints


class Options(BaseModel):
    """A group of options: immutable, without unknown names, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Entry:
    """What a registry holds of a part of a run. The function is imported when a run is made of it."""

    function: str | Callable[..., Any]  # as "package.module:name", or itself
    options: type[Options]
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # family of tasks -> option -> its default

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        return self.function if callable(self.function) else resolve_name(self.function)

    def make(self, *parts: Any, **options: Any) -> Any:
        """Call the function with these options; those left out have their defaults."""
        return self.load()(*parts, self.options(**options))


class LearnerOptions(Options):
    """Options `learner.*`."""

    target_update_period: int = Field(
        2_000, ge=1, description="gradient steps between target updates, which are the elections"
    )
    polyak: float | None = Field(
        None,
        gt=0,
        le=1,
        description="rate at which the target follows the elected network at every gradient step; none: it"
        " becomes the elected network at a target update",
    )
    election_window: float = Field(
        1.0, gt=0, le=1, description="last fraction of a period whose losses count in the election (ours)"
    )
    behaviour: Literal["inverse_loss", "uniform", "elected"] = Field(
        "inverse_loss", description="how the acting network is drawn at each agent step, if there is no actor"
    )
    vectorize: bool | None = Field(
        None,
        description="stack the K networks, map them by vmap, draw batches ahead; default: on, except on a CPU",
    )


class PrunerOptions(Options):
    """Options `pruning.*`, which every method shares."""

    distribution: Literal["uniform", "erk", "global"] = Field(
        "erk", description="how layers share a network's sparsity; with a structure the default is uniform"
    )
    score: Literal["magnitude", "random", "saliency", "normalised"] = Field(
        "magnitude",
        description="pruned weights: lowest |w|; random; lowest |w gradient|; lowest |w| / rms of the layer (ours)",
    )
    dense_layers: Literal["first", "last", "both"] | None = Field(
        None, description="layers that are never pruned; the others are pruned more, to the same total (ours)"
    )
    structure: str = Field(
        "unstructured",
        coerce_numbers_to_str=True,
        description="pattern of zeros: unstructured; units (neurons and channels, except the outputs); N:M such as 2:4,"
        " which keeps N of every M weights of a unit",
    )

    @model_validator(mode="before")
    @classmethod
    def _spread_patterns(cls, values: Any) -> Any:
        """Make the distribution uniform by default if there is a structure. Otherwise the default is ERK, as in
        JaxPruner's and Graesser et al.'s configurations."""
        if isinstance(values, dict) and values.get("structure", "unstructured") != "unstructured":
            return {"distribution": "uniform", **values}
        return values


class ReplayOptions(Options):
    """Options `replay.*`."""

    capacity: int = Field(1_000_000, ge=1, description="number of stored observations; an Atari frame takes 7 kB")
    batch_size: int = Field(32, ge=1, description="transitions in one batch")
    n_step: int = Field(1, ge=1, description="rewards summed before bootstrapping")
    discount: float = Field(0.99, ge=0, le=1, description="discount factor of one agent step")
    reward_clip: float | None = Field(1.0, gt=0, description="stored rewards are clipped to plus or minus this")


class TrainerOptions(Options):
    """Options `trainer.*`."""

    epochs: int = Field(40, ge=1, le=10**6, description="epochs; each is one point of the learning curve")
    epoch_agent_steps: int = Field(
        250_000,
        ge=1,
        le=10**9,
        description="epoch n ends with the first episode that ends after n times this many steps; it has at least one",
    )
    initial_samples: int = Field(20_000, ge=0, description="agent steps before learning starts")
    replay_ratio: float = Field(0.25, gt=0, le=1_000, description="gradient steps per agent step")
    evaluation_episodes: int = Field(
        0, ge=0, description="episodes of the policy after each epoch, in a separate environment"
    )
    diagnostic_transitions: int = Field(
        256, ge=0, le=10**5, description="transitions on which networks are measured after each epoch; 0: none (ours)"
    )


class DatasetOptions(Options):
    """Options `dataset.*` of a run that learns from a data set."""

    path: str = Field(
        "datasets/dqn/{game}/{seed}/replay_logs",
        min_length=1,
        description="folder of a Minari or DQN Replay data set; {game} and {seed} stand for those of the run",
    )
    chunks: int = Field(50, ge=1, le=10**6, description="numbered chunks of a DQN Replay data set")
    chunk_transitions: int = Field(
        50_000,
        ge=2,
        le=10**9,
        description="transitions read from the start of each chunk; Minari data sets are cut into such chunks",
    )
    chunks_per_epoch: int = Field(5, ge=1, description="chunks drawn for an epoch; all if there are fewer")


class EauDeQNOptions(Options):
    """EauDeQN (Vincent et al. 2025): K online networks; the elected one and sparser copies of it continue."""

    num_networks: int = Field(5, ge=1, le=100, description="online networks K")
    max_noise: float = Field(3.0, ge=0, description="upper end of the uniform draw U")
    max_speed: float | None = Field(
        None,
        gt=0,
        le=1,
        description="largest step of sparsity; default: 12.5 / target updates, at least 0.01 (ours); 0.01 in the"
        " paper's runs",
    )
    cap: Literal["scale", "clip"] = Field(
        "scale",
        description="how max_speed applies (ours): scale shortens all steps by one factor, so copies differ; clip"
        " cuts longer steps, so copies can be equal",
    )
    law: Literal["power", "linear", "success"] = Field(
        "power", description="pruning law (ours); success adapts the step to the elections and has no horizon"
    )
    first_step: float = Field(
        0.01,
        ge=0.0001,
        le=0.5,
        description="law success: largest step before the first election, as a fraction of the kept weights; that"
        " election is a tie, which grows it once (ours)",
    )
    growth: float = Field(
        1.2, gt=1, le=10, description="law success: growth factor of the step when a pruned copy wins (ours)"
    )
    success_rate: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="law success: fraction of wins of pruned copies that leaves the step as it is (ours)",
    )
    elect: Literal["loss", "random", "smoothed"] = Field(
        "loss", description="elected network: lowest loss; random; lowest exponential moving average of losses"
    )
    smoothing: float = Field(
        0.005, gt=0, lt=1, description="elect smoothed: rate of that average per gradient step (slimSAC: 0.005)"
    )
    keep_copy: bool = Field(True, description="the elected network continues unpruned beside its pruned copies")
    shared_draws: bool = Field(False, description="one draw for all copies, so they are equally sparse")
    reset_optimizer: bool = Field(True, description="replaced networks start with a fresh optimizer")
    actor: Literal["follow", "dense"] = Field(
        "follow",
        description="follow: each election prunes an actor to the sparsity of the elected critics; dense: never (ours)",
    )
