"""Model size and operations of a policy, and operations of its training. Imports no JAX.

An operation is a multiplication or an addition, so a multiply-add is two. Only kernels are counted, with padding, as is
usual. An ideal sparse machine skips exactly the operations of weights that are zero.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from suite.deploy import compact
from suite.deploy.cleanup import clean
from suite.deploy.fields import Fields
from suite.deploy.network import KERNEL, Layer, Policy, from_flax, input_shapes, positions
from suite.deploy.runner import nbytes
from suite.errors import UserError
from suite.record import schema

Row = Mapping[str, Any]


def of_run(folder: Path, card: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the costs of a run whose policy is saved, without latencies: the contents of costs.json.

    `card` is the content of policy.json; None: read it. Raises UserError when the record is damaged.
    """
    card = schema.read_json(folder / schema.POLICY_CARD) if card is None else card
    rows = schema.read_rows(folder / schema.METRICS)
    options = Fields(card["options"], str(folder / schema.POLICY_CARD), "options")
    step = GradientStep(
        card["multiply_adds"],
        first_layers(card),
        options.inner("replay").whole("batch_size", 1),
        networks=options.inner("method").whole("num_networks", 1, 1),  # methods that have several have that option
        policy_delay=options.inner("agent").whole("policy_delay", 1, 1),
        double=options.inner("agent").flag("double", False),
        dense_gradients=bool(card.get("dense_gradients")),
    )
    return {
        "policy": of_policy(policy_of(folder, card), compact.origin(card)),
        "training": of_training(step, rows),
        "latency": None,
    }


def policy_of(folder: Path, card: Mapping[str, Any]) -> Policy:
    """Read the policy in a run's record, as it was trained. Raises UserError if it is damaged."""
    return from_flax(compact.read_arrays(folder / schema.POLICY), card["network"], str(folder / schema.POLICY))


def first_layers(card: Mapping[str, Any]) -> set[str]:
    """Return the kernels that read the input of their network. Cards of earlier versions do not name them; their
    networks are flat, so each is the first of its parent ("critic_0/Dense_0/kernel")."""
    if card.get("first_layers") is not None:
        return set(card["first_layers"])
    kernels = [*card["multiply_adds"]["online"], *(card["multiply_adds"]["actor"] or {})]
    first: dict[str, str] = {}
    for path in kernels:
        first.setdefault(path.rpartition("/")[0].rpartition("/")[0], path)
    return set(first.values())


def of_policy(policy: Policy, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Count parameters, bytes and multiply-adds of one greedy action, before and after the clean-up.

    `origin` is what the card of an export says of the run. Bytes on disk are those of both files.
    """
    cleaned = clean(policy)
    about = {**origin, "units_removed": cleaned.removed}
    parameters = sum(layer.weight.size + layer.bias.size for layer in policy.layers)
    return {
        "parameters": parameters,
        "kept": _kept(policy),
        "kept_cleaned": _kept(cleaned.policy),
        "units": [len(layer.weight) for layer in policy.hidden],
        "units_removed": cleaned.removed,
        "bytes": {
            "dense": 4 * parameters,  # on disk and in memory
            "compact_disk": _disk(cleaned.policy, about, "float32"),
            "compact_disk_float16": _disk(cleaned.policy, about, "float16"),
            "compact_memory": sum(map(_memory, cleaned.policy.layers)),
        },
        "multiply_adds": {
            "dense": _multiply_adds(policy, sparse=False),
            "sparse": _multiply_adds(policy, sparse=True),
            "cleaned_dense": _multiply_adds(cleaned.policy, sparse=False),
            "cleaned_sparse": _multiply_adds(cleaned.policy, sparse=True),
        },
    }


def _kept(policy: Policy) -> int:
    """Count the weights of kernels that are not zero, and all other parameters."""
    return sum(
        (int(np.count_nonzero(layer.weight)) if layer.kind == KERNEL else layer.weight.size) + layer.bias.size
        for layer in policy.layers
    )


def _disk(policy: Policy, about: Mapping[str, Any], dtype: str) -> int | None:
    """Return the bytes of the compact format, arrays and card; None if a weight is too large for `dtype`."""
    try:
        return sum(map(len, compact.pack(policy, about, dtype)))
    except UserError:  # a weight overflows
        return None


def _memory(layer: Layer) -> int:
    """Return the bytes of a layer as a dense or a CSR matrix, whichever is smaller."""
    if layer.kind != KERNEL:
        return nbytes(layer)
    return min(nbytes(layer), nbytes(layer, sparse.csr_array(layer.matrix)))


def _multiply_adds(policy: Policy, *, sparse: bool) -> int:
    shapes = input_shapes(policy)
    return sum(
        (int(np.count_nonzero(layer.weight)) if sparse else layer.weight.size) * positions(layer, shape)
        for layer, shape in zip(policy.layers, shapes, strict=True)
        if layer.kind == KERNEL
    )


# Training ----------


class Passes(NamedTuple):
    """How often a gradient step computes each layer of a network, for each observation of the batch.

    A forward pass, the gradient of the weights and the gradient of the inputs cost one multiply-add a weight and
    position each. The inputs of the first layer have no gradient, unless they are another network's actions.
    """

    first: int
    others: int

    def of(self, multiply_adds: Mapping[str, float], first_layers: Collection[str]) -> float:
        """Sum the multiply-adds of these passes over the layers; `multiply_adds` has those of one pass, by kernel."""
        return sum(
            count * (self.first if path in first_layers else self.others) for path, count in multiply_adds.items()
        )


FORWARD, LEARN, THROUGH = Passes(1, 1), Passes(2, 3), Passes(2, 2)


class GradientStep(NamedTuple):
    """What a gradient step computes."""

    multiply_adds: Mapping[str, Any]  # of each kernel for one observation, as in a policy's card
    first_layers: Collection[str]  # the kernels that read their network's input
    batch_size: int
    networks: int  # K
    policy_delay: int = 1  # gradient steps between updates of the actor
    double: bool = False  # the elected network chooses the next action
    dense_gradients: bool = False  # pruned weights learn too


class Period(NamedTuple):
    """A period between target updates: how many gradient steps, and the sparsity of each network."""

    gradient_steps: int
    online: tuple[float, ...]  # [K], mean of the period
    target: float
    actor: float


def of_training(step: GradientStep, rows: Sequence[Row]) -> dict[str, Any]:
    """Count the operations of all gradient steps: those executed, and those that an ideal sparse machine would need.

    A gradient step is LEARN for each of the K networks and FORWARD for the target, with `double` also for the elected
    network; where there is an actor, FORWARD for the target's actions, LEARN for itself, and THROUGH for the elected
    network's critics that it learns from, the latter two at every `policy_delay`-th gradient step. Adam, the updates of
    masks and acting are not counted. We assume that the machine knows the masks in the backward pass too, unless pruned
    weights learn (too few operations for methods that need dense gradients now and then); that the target is as sparse
    as the network elected last; and that the sparsities of a network's layers are proportional to those of the elected
    network at the end of the epoch, as they are for uniform layers and ERK.
    """
    epochs = [row for row in rows if row["kind"] == "epoch"]
    periods = _periods([row for row in rows if row["kind"] == "target_update"], epochs, step.networks)
    executed = ideal = 0.0
    for period, epoch in periods:
        dense = Period(period.gradient_steps, (0.0,) * len(period.online), 0.0, 0.0)
        operations = 2 * step.batch_size * period.gradient_steps
        executed += operations * _of_step(step, dense, epoch)
        ideal += operations * _of_step(step, period, epoch)
    return {
        "gradient_steps": sum(period.gradient_steps for period, _ in periods),
        "networks": max((len(period.online) for period, _ in periods), default=0),
        "executed": executed,
        "ideal": ideal,
    }


def _of_step(step: GradientStep, period: Period, epoch: Row) -> float:
    """Count the multiply-adds of a gradient step for each observation of its batch, without those of zeros."""
    counts = step.multiply_adds
    online = partial(_kept_multiply_adds, counts["online"], epoch["layer_sparsity"], epoch["sparsity"])
    actor = partial(_kept_multiply_adds, counts["actor"] or {}, epoch["actor_layer_sparsity"], epoch["actor_sparsity"])
    forward, through = (partial(passes.of, first_layers=step.first_layers) for passes in (FORWARD, THROUGH))

    def learn(kept: Callable[[float], dict[str, float]], sparsity: float) -> float:
        found = LEARN.of(kept(sparsity), step.first_layers)
        if step.dense_gradients:  # the gradients of weights cost as much as a forward pass
            found += forward(kept(0.0)) - forward(kept(sparsity))
        return found

    found = sum(learn(online, sparsity) for sparsity in period.online) + forward(online(period.target))
    elected = online(period.online[0])
    if step.double:
        found += forward(elected)
    if counts["actor"]:
        critics = {path: elected[path] for path in counts.get("through") or elected}
        found += forward(actor(period.actor))
        found += (learn(actor, period.actor) + through(critics)) / step.policy_delay
    return found


def _kept_multiply_adds(
    multiply_adds: Mapping[str, int], layer_sparsity: Mapping[str, float] | None, whole: float | None, sparsity: float
) -> dict[str, float]:
    """Return the multiply-adds of each kernel in a network of a given sparsity. The sparsities of its layers are
    proportional to those in `layer_sparsity`, whose network has the sparsity `whole`."""
    layers = layer_sparsity or {}
    return {
        path: count * max(1 - (layers.get(path, 0.0) * sparsity / whole if whole else sparsity), 0.0)
        for path, count in multiply_adds.items()
    }


def _periods(updates: Sequence[Row], epochs: Sequence[Row], networks: int) -> list[tuple[Period, Row]]:
    """Return the periods between target updates, each with the first epoch that ends after it began, and what follows
    the last update, with the last epoch. Without any update, all networks have the sparsity of the elected one.

    Raises UserError if an update is of another number of networks.
    """
    if not epochs:
        return []
    periods: list[tuple[Period, Row]] = []
    done, online, target, actor = 0, None, None, None
    remaining = list(epochs)
    for row in updates:
        while len(remaining) > 1 and remaining[0]["gradient_step"] <= done:
            remaining.pop(0)
        after = tuple(row["sparsities_before"])
        before = online or after
        if len(before) != len(after) or not -1 <= row["elected"] < len(after):
            place = f"the target update at gradient step {row['gradient_step']}"
            raise UserError(f"{place} does not have as many networks as the others; the record is damaged")
        middle = tuple((a + b) / 2 for a, b in zip(before, after, strict=True))
        acting = row["actor_sparsity"] or 0.0
        period = Period(
            row["gradient_step"] - done,
            middle,
            before[0] if target is None else target,
            acting if actor is None else actor,
        )
        periods.append((period, remaining[0]))
        done, online, actor = row["gradient_step"], tuple(row["sparsities"]), acting
        target = after[row["elected"]]
    last = epochs[-1]
    if last["gradient_step"] > done:
        rest = online or (last["sparsity"],) * networks
        periods.append(
            (
                Period(
                    last["gradient_step"] - done,
                    rest,
                    rest[0] if target is None else target,
                    last["actor_sparsity"] or 0.0,
                ),
                last,
            )
        )
    return periods
