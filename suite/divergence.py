"""Numbers that are NaN or infinite: of the networks, by layer, and of what goes between agent and environment."""

from typing import Any

import jax
import numpy as np

from suite.errors import Divergence
from suite.types import LearnerState

LARGEST = float(np.finfo(np.float32).max)  # more is infinite where it is learned from
SHOWN = 3  # arrays of a network that are named


def lost(state: LearnerState) -> dict[str, str]:
    """What is not finite, by network; empty if all is: {"online network 2": "params/Dense_0/kernel: 64 of 64 NaN, ..."}

    Names are those of checkpoints: `loss`, `params` or `opt_state`, then the layer. Everything comes to the host.
    """
    parts: dict[str, Any] = {f"online network {k}": net._replace(masks={}) for k, net in enumerate(state.online)}
    parts |= {"target network": state.target, "actor": state.actor and state.actor._replace(masks={})}
    found = {name: _broken(part) for name, part in parts.items()}
    return {name: text for name, text in found.items() if text}


def sound_first(state: LearnerState) -> LearnerState:
    """The state with a network in front that can act: the elected one, or if it was lost since the election, the sound
    one of the smallest loss since then, which the next election would take. As it is, where an actor acts."""
    online = tuple(state.online)
    sound = [network for network in online if not _broken((network.params, network.loss))]
    if state.actor or not sound or sound[0] is online[0]:
        return state
    best = min(sound, key=lambda network: float(network.loss))
    return state._replace(online=(best, *(network for network in online if network is not best)))


def is_fatal(found: dict[str, str], networks: int) -> bool:
    """Whether training cannot go on: `networks` that are lost are not elected, but one of them must be sound."""
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
    """Raises Divergence when a number that should be finite is not, in single precision; whole numbers are."""
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return
    wrong = ~(np.abs(array) <= LARGEST)  # in this order NaN is wrong
    if wrong.any():
        place = "".join(f"[{int(index)}]" for index in np.argwhere(wrong)[0])
        raise Divergence(f"{what}{place} is {array[wrong][0]} {when}")
