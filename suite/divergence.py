"""NaN and infinite numbers: in the networks, by layer, and in what agent and environment exchange."""

from typing import Any

import jax
import numpy as np

from suite.errors import Divergence
from suite.types import LearnerState

LARGEST = float(np.finfo(np.float32).max)  # larger numbers are infinite in float32, in which the networks learn
SHOWN = 3  # arrays of a network that a message names


def lost(state: LearnerState) -> dict[str, str]:
    """Describe what is not finite, by network: {"online network 2": "params/Dense_0/kernel: 64 of 64 NaN, ..."}.

    Names are those of checkpoints: `loss`, `params` or `opt_state`, then the layer. Copies everything to the host.
    """
    parts: dict[str, Any] = {f"online network {k}": network for k, network in enumerate(state.online)}
    parts |= {"target network": state.target, "actor": state.actor, "target actor": state.target_actor}
    found = {name: _broken(part) for name, part in parts.items()}
    return {name: text for name, text in found.items() if text}


def sound_first(state: LearnerState) -> LearnerState:
    """Return the state with a finite network first, which can act.

    That is the elected network or, if it diverged since the election, the finite one with the lowest loss since then,
    which the next election would elect. If an actor acts, or no network is finite, the state stays as it is.
    """
    online = tuple(state.online)
    sound = [network for network in online if not _broken((network.params, network.loss))]
    if state.actor or not sound or sound[0] is online[0]:
        return state
    best = min(sound, key=lambda network: float(network.loss))
    return state._replace(online=(best, *(network for network in online if network is not best)))


def is_fatal(found: dict[str, str], networks: int) -> bool:
    """Return whether training cannot continue: no online network is finite, or a target or the actor is not."""
    online = sum(name.startswith("online") for name in found)
    return online == networks or online < len(found)


def _broken(tree: Any) -> str:
    texts = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        broken = ~np.isfinite(array)
        if broken.any():
            kind = "NaN" if np.isnan(array).any() else "infinite"
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            texts.append(f"{name}: {broken.sum()} of {array.size} {kind}")
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    texts.sort(key=lambda text: not text.startswith("loss"))
    return ", ".join(texts[:SHOWN]) + more


def refuse(what: str, value: Any, when: str) -> None:
    """Raise Divergence if a number is not finite in single precision; `what` and `when` begin and end its message."""
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return
    wrong = ~(np.abs(array) <= LARGEST)  # comparisons with NaN are false
    if wrong.any():
        place = "".join(f"[{int(index)}]" for index in np.argwhere(wrong)[0])
        raise Divergence(f"{what}{place} is {array[wrong][0]} {when}")
