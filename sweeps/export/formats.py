"""The forms in which the policy of a run can act. FORMS names them; none imports JAX but the one of that name."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from suite.deploy import compact
from suite.deploy.network import Policy, from_flax
from suite.deploy.runner import Runner
from suite.environments import environment_of
from suite.errors import UserError
from suite.record import reader, schema
from suite.record.models import as_json
from sweeps.export import onnx_graph

#: What code raises that is given values which a file should not hold.
DAMAGE = (
    LookupError, TypeError, ValueError, AttributeError, AssertionError, ArithmeticError, RuntimeError,
    gymnasium.error.Error,
)  # fmt: skip

Act = Callable[[np.ndarray], np.ndarray]  # observation [...] -> greedy action


def card_of(folder: Path) -> dict[str, Any]:
    """The card of a finished run's policy. Raises UserError when there is none.

    Cards of runs that ended before the networks were described there are completed; that takes JAX.
    """
    if not reader.is_finished(folder):
        raise UserError(f"{folder}: holds no finished run; only a finished run has a policy")
    card = as_json(reader.policy_card(folder))
    with believing(folder / schema.POLICY_CARD):
        if "network" not in card:
            from sweeps.export.in_jax import description

            card |= description(card)
        environment_of(card).close()
        found = {key: card[key] for key in ("name", "task", "method", "seed", "network", "multiply_adds")}
        found["options"] = {key: dict(card["options"][key]) for key in card["options"]}
    return card | found


@contextmanager
def believing(path: Path) -> Iterator[None]:
    """Raises UserError where a file that is valid JSON turns out not to say what it should."""
    try:
        yield
    except DAMAGE as error:
        raise UserError(f"{path}: does not say what it should ({error!r}); the file is damaged") from None


def policy_of(folder: Path, card: Mapping[str, Any]) -> Policy:
    """The policy in a run's record, as it was trained. Raises UserError when it is damaged."""
    return from_flax(compact.read_arrays(folder / schema.POLICY), card["network"], str(folder / schema.POLICY))


def exported(folder: Path, form: str) -> Path:
    """Where an exported form of a run's policy lies."""
    return folder / schema.EXPORT / (form + (".onnx" if form == "onnx" else ".safetensors"))


def _file(folder: Path, form: str) -> Path:
    path = exported(folder, form)
    if not path.exists():
        raise UserError(f"{path}: no such file; make it with python -m sweeps.export {folder}")
    return path


def _read(folder: Path, form: str, card: Mapping[str, Any]) -> Policy:
    path = _file(folder, form)
    policy, about = compact.read(path)
    _belongs(path, card, about.get("name"), policy.action, len(policy.layers[-1].weight))
    return policy


def _belongs(path: Path, card: Mapping[str, Any], name: Any, action: str, outputs: int) -> None:
    """Raises UserError when an export is not of the run with this card, or does not act in its task."""
    with believing(path.parent.parent / schema.POLICY_CARD):
        expected = (card["name"], card["network"]["action"]["kind"], card["network"]["action"]["size"])
    if (name, action, outputs) != expected:
        raise UserError(
            f"{path}: of {name!r}, {action} of {outputs} outputs; should be of {expected[0]!r}, {expected[1]} of"
            f" {expected[2]}; make it again with python -m sweeps.export"
        )


def _compact(folder: Path, card: Mapping[str, Any]) -> Act:
    return Runner(_read(folder, "compact", card))


def _dense(folder: Path, card: Mapping[str, Any]) -> Act:
    policy = _read(folder, "dense", card)
    return Runner(policy, ["dense"] * len(policy.layers))


def _onnx(folder: Path, card: Mapping[str, Any]) -> Act:
    path = _file(folder, "onnx")
    model = onnx_graph.load(path)
    _belongs(path, card, model.about.get("name"), model.action, model.outputs)
    return model.act


def _jax(folder: Path, card: Mapping[str, Any]) -> Act:
    from sweeps.export.in_jax import greedy

    return greedy(folder, card)


FORMS: dict[str, Callable[[Path, Mapping[str, Any]], Act]] = {
    "compact": _compact,
    "onnx": _onnx,
    "dense": _dense,
    "jax": _jax,
}
EXPORTED = ("compact", "onnx", "dense")
