"""What training and pruning do to the networks, measured once an epoch on a batch of the replay (ours).

The batch is a function of the seed and the epoch. Rows of the kind `diagnostics` (suite.record.schema) hold the
measures by network: "0" is the elected one, "1" and so on are the others, "actor" is the actor.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from suite.diagnostics import measures
from suite.diagnostics.inspect import Inspect
from suite.types import Agent, Array, Batch, Frames, LearnerState, stack_frames


def sample(draw: Callable[[np.random.Generator], Batch | Frames], seed: int, epoch: int, transitions: int) -> Batch:
    """Draw these transitions, in several draws if necessary. Gradient steps have other draws: see batch_rng."""
    rng = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, epoch, 0]))
    drawn = [stack_frames(draw(rng))]
    while sum(len(batch.reward) for batch in drawn) < transitions:
        drawn.append(stack_frames(draw(rng)))
    return Batch(*(np.concatenate(column)[:transitions] for column in zip(*drawn, strict=True)))


class Diagnostics:
    """Measures networks, and remembers masks from one epoch to the next."""

    def __init__(self, agent: Agent, inspect: Inspect) -> None:
        self.agent, self.inspect = agent, inspect
        self.before: dict[str, np.ndarray] = {}  # masks of the last epoch: "<network>/<kernel>" -> packed bits

    def measure(self, state: LearnerState, batch: Batch) -> dict[str, Any]:
        """Return the columns of a row of the kind `diagnostics`, except its epoch. Call it once an epoch, in order."""
        found = self.inspect(state, batch)
        networks = {str(k): network for k, network in enumerate(state.online)}
        networks |= {"actor": state.actor} if state.actor else {}
        masks = {name: {path: np.asarray(m) for path, m in part.masks.items()} for name, part in networks.items()}
        layers = dict.fromkeys(networks, self.agent.networks)
        layers |= {"actor": self.agent.actor.networks} if self.agent.actor else {}
        values = [] if state.actor else [part.outputs for part in found.values() if part.outputs.ndim == 2]
        return {
            "transitions": len(batch.reward),
            "dormant": _by_part({name: _each(measures.dormant, part.units) for name, part in found.items()}),
            "effective_rank": _by_part(
                {name: _each(measures.effective_rank, part.features) for name, part in found.items()}
            ),
            "weight_norm": {name: float(part.weight_norm) for name, part in found.items()},
            "gradient_norm": {name: float(part.gradient_norm) for name, part in found.items()},
            "disconnected": _by_part({name: measures.disconnected(layers[name], masks[name]) for name in masks}),
            "mask_overlap": self._overlap({name: masks[name] for name in ("0", "actor") if masks.get(name)}),
            "agreement": measures.agreement(np.argmax(values, axis=-1)) if len(values) > 1 else None,
        }

    def _overlap(self, masks: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Return how far the masks (of "0" and "actor") overlap with those of the last epoch, and remember them."""
        packed = {f"{name}/{path}": np.packbits(mask) for name in masks for path, mask in masks[name].items()}
        before, self.before = self.before, packed
        found = {}
        for name, own in masks.items():
            if all(f"{name}/{path}" in before for path in own):
                earlier = {path: _unpacked(before[f"{name}/{path}"], mask.shape) for path, mask in own.items()}
                found[name] = measures.overlap(earlier, own)
        return found


def _each(measure: Callable[[np.ndarray], float], arrays: Mapping[str, Array]) -> dict[str, float]:
    return {path: measure(np.asarray(array)) for path, array in arrays.items()}


def _by_part(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Join the keys: {"0": {"Dense_0": 0.5}} -> {"0/Dense_0": 0.5}."""
    return {f"{name}/{path}" if path else name: value for name in found for path, value in found[name].items()}


def _unpacked(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)
