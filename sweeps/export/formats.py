"""The formats in which the policy of a run can act. Only the format "jax" imports JAX."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from suite.deploy import compact
from suite.deploy.network import Policy
from suite.deploy.runner import Runner
from suite.environments import ENVIRONMENTS, environment_of
from suite.errors import UserError
from suite.program import extensions
from suite.record import models, reader, schema
from suite.tasks import task as find_task
from sweeps.export import onnx_graph

Act = Callable[[np.ndarray], np.ndarray]  # observation [...] -> greedy action


def card_of(folder: Path) -> dict[str, Any]:
    """Return the card of a finished run's policy. Raises UserError when there is none or it is damaged.

    Its task may come from a module of --import; an environment variable names these modules for other processes. Cards
    of older runs, which do not describe the networks, are completed; that takes JAX.
    """
    if not reader.is_finished(folder):
        raise UserError(f"{folder}: holds no finished run; only a finished run has a policy")
    extensions.load()
    path = folder / schema.POLICY_CARD
    record = reader.policy_card(folder)
    family = find_task(record.task).family
    options = record.options.get("environment")
    models.validated(ENVIRONMENTS[family].options, options, f"{path}: options.environment")
    card = models.as_json(record)
    if record.network is None or record.multiply_adds is None:
        from sweeps.export.in_jax import description

        card |= description(card)
    environment_of(card).close()
    return card


def exported(folder: Path, name: str) -> Path:
    """Return the path of a run's policy in an exported format; the file need not exist."""
    return folder / schema.EXPORT / (name + (".onnx" if name == "onnx" else ".safetensors"))


def _file(folder: Path, name: str) -> Path:
    path = exported(folder, name)
    if not path.exists():
        raise UserError(f"{path}: no such file; make it with python -m sweeps.export {folder}")
    return path


def _read(folder: Path, name: str, card: Mapping[str, Any]) -> Policy:
    path = _file(folder, name)
    policy, about = compact.read(path)
    _belongs(path, card, about.get("name"), policy.action, len(policy.layers[-1].weight))
    return policy


def _belongs(path: Path, card: Mapping[str, Any], name: Any, action: str, outputs: int) -> None:
    """Raise UserError when an export is not of the run with this card, or does not act in its task."""
    expected = (card["name"], card["network"]["action"]["kind"], card["network"]["action"]["size"])
    if (name, action, outputs) != expected:
        raise UserError(
            f"{path}: is the policy of {name!r}, {action} of {outputs} outputs; should be of {expected[0]!r},"
            f" {expected[1]} of {expected[2]}; make it again with python -m sweeps.export {path.parent.parent}"
        )


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


FORMATS: dict[str, Callable[[Path, Mapping[str, Any]], Act]] = {
    "compact": lambda folder, card: Runner(_read(folder, "compact", card)),
    "onnx": _onnx,
    "dense": _dense,
    "jax": _jax,
}
EXPORTED = ("compact", "onnx", "dense")
