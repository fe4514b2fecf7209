"""Protocols: which runs may be compared.

A protocol is everything that a return depends on, besides the method: the environment and its options, the version of
the physics, the agent and its loss, how layers share a sparsity, the kind of return, and the length of training. Runs
that prune nothing may be compared with any distribution over layers.

Rows of the table with different protocols form separate blocks, and no statistic combines blocks. A row that prunes
nothing is in each block that it fits. Different protocols within a row are an error. With `mix` the user allows both,
and the table says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from analysis.data.returns import RETURNS
from analysis.data.runs import FAILED, FINISHED, Run
from suite.errors import UserError
from suite.tasks import FAMILIES

ALIKE = 0.1  # share by which lengths of training may differ: an epoch ends with an episode
DISTRIBUTION = "pruning.distribution"
NOT_STATED = "not stated in"  # a protocol of a file; the name of the file follows
LAYERS = ", layers by "  # in a run's protocol, the distribution follows
PRUNES = "distribution"  # key of a signature that only rows which prune have
PER_RUN = ("environment.", "trainer.epochs", "trainer.epoch_agent_steps")  # options that are part of the protocol

#: The protocols of a row by family, and its lengths by task:
#: {"atari": {"ALE v5, ..., training return"}, "atari/Pong": {10000000}}.
Signature = Mapping[str, frozenset[str | int]]


def cut(run: Run, agent_steps: int) -> Run:
    """Cut a run after its first epoch that ends at `agent_steps` or later. A shorter run is unchanged.

    A run that continues or has failed counts as finished. A failed one needs a later epoch, as it may have diverged
    in its last one. Raises UserError if a file of curves left out the epoch at which it would be cut.
    """
    reached = run.history["agent_step"] >= agent_steps
    if not reached.any():
        return run
    history = run.history.iloc[: int(reached.to_numpy().argmax()) + 1]
    _check_cut(run.name, history, agent_steps)
    shorter = len(history) < len(run.history)
    diverged = run.status == FAILED and not shorter
    status, reason = (run.status, run.reason) if diverged else (FINISHED, "")
    return replace(run, history=history, status=status, reason=reason, agent_steps=agent_steps, is_cut=shorter)


def _check_cut(name: str, history: pd.DataFrame, agent_steps: int) -> None:
    """Raise UserError if epochs before the last one are left out, and that one ends much later than at the cut."""
    epochs, end = history["epoch"].to_numpy(), int(history["agent_step"].iloc[-1])
    left_out = epochs[-1] - (epochs[-2] if len(epochs) > 1 else 0) > 1
    if left_out and end > agent_steps * (1 + ALIKE):
        raise UserError(
            f"--agent-steps: {name} holds no epoch that ends soon after agent step {agent_steps:,}, the next is at"
            f" {end:,} (files of curves leave out epochs of long runs); read the run folders, which hold all"
        )


def measured(run: Run, which: str) -> str:
    """Return the column of a run's returns: those of the kind `which`, or the other kind if it has none of these."""
    column = RETURNS[which][0]
    return column if column in run.returns or not run.returns else min(run.returns)


def check_returns(runs: Iterable[Run], which: str) -> None:
    """Raise UserError if a finished run of this benchmark has no return of the kind `which`."""
    column = RETURNS[which][0]
    for run in runs:
        if run.options and run.status == FINISHED and measured(run, which) != column:
            remedy = ", or run it with trainer.evaluation_episodes of 1 or more" if which == "evaluation" else ""
            other = next(kind for kind in RETURNS if kind != which)
            raise UserError(f"{run.name}: holds no {which} return; use --return {other}{remedy}")


def stated(run: Run, swept: tuple[str, ...]) -> str:
    """Return the protocol of a run, without a distribution over layers that the sweep varies."""
    return run.protocol.partition(LAYERS)[0] if DISTRIBUTION in swept else run.protocol


def signature(runs: Iterable[Run], which: str, swept: tuple[str, ...] = ()) -> Signature:
    """Return the signature of a row's runs, whose options `swept` the sweep varies."""
    found: dict[str, set[str | int]] = {}
    for run in runs:
        kind = next(kind for kind, (column, _) in RETURNS.items() if column == measured(run, which))
        setting, _, distribution = stated(run, swept).partition(LAYERS)
        found.setdefault(run.task.partition("/")[0], set()).add(f"{setting}, {kind} return")
        if distribution:
            found.setdefault(PRUNES, set()).add(f"layers by {distribution}")
        if run.agent_steps is not None:
            found.setdefault(run.task, set()).add(run.agent_steps)
    return {key: frozenset(values) for key, values in found.items()}


def clash(a: Signature, b: Signature) -> str:
    """Return why two rows cannot be compared; empty if they can."""
    for key in a:
        if key in b and not _one(a[key] | b[key]):
            return f"{key}: {_listed(a[key])} against {_listed(b[key])}"
    return ""


def _one(values: frozenset[str | int]) -> bool:
    lengths = [value for value in values if isinstance(value, int)]
    return len(values) <= 1 or (len(lengths) == len(values) and max(lengths) <= (1 + ALIKE) * min(lengths))


def _listed(values: frozenset[str | int]) -> str:
    return " or ".join(sorted(f"{value:,} agent steps" if isinstance(value, int) else value for value in values))


def check_rows(signatures: Mapping[str, Signature]) -> list[str]:
    """Return one line for each row that mixes protocols."""
    return [
        f"{row} mixes protocols on {key}: {_listed(values)}"
        for row, own in signatures.items()
        for key, values in own.items()
        if not _one(values)
    ]


def blocks(signatures: Mapping[str, Signature]) -> list[list[str]]:
    """Group the rows that may be compared with each other, each block in the order of the table.

    A row that prunes nothing is also in the other blocks in which it has a task and all rows are of its protocol.
    """
    found: list[list[str]] = []
    for row, own in signatures.items():
        for block in found:
            if not any(clash(signatures[other], own) for other in block):
                block.append(row)
                break
        else:
            found.append([row])
    return [[row for row in signatures if row in block or _joins(row, block, signatures)] for block in found]


def _joins(row: str, block: list[str], signatures: Mapping[str, Signature]) -> bool:
    """Return whether a row that prunes nothing fits a block of others."""
    own, others = signatures[row], [signatures[other] for other in block]
    shares = any(own.keys() & other.keys() for other in others)
    return PRUNES not in own and shares and not any(clash(own, other) for other in others)


def check_options(runs: Iterable[tuple[str, Run]], swept: tuple[str, ...] = (), mix: bool = False) -> None:
    """Raise UserError if runs of one (row, task) differ in their options. With `mix`, protocols may differ."""
    first: dict[tuple[str, str], Run] = {}
    for row, run in runs:
        if not run.options:
            continue  # unknown, as for published results
        other = first.setdefault((row, run.task), run)
        for key in sorted(other.options.keys() | run.options.keys()):
            absent = "not recorded"
            left, right = other.options.get(key, absent), run.options.get(key, absent)
            if key not in swept and left != right and not (mix and key.startswith(PER_RUN)):
                raise UserError(
                    f"{row} on {run.task}: {key} is {left} in {other.name} but {right} in {run.name}; such runs are not"
                    " compared: name the sweep that varies it (--sweep FILE), or move them to separate folders"
                )


def describe(signatures: Mapping[str, Signature], block: list[str]) -> str:
    """Describe the protocols of a block."""
    families: dict[str, set[str]] = {}
    lengths: set[int] = set()
    for row in block:
        for key, values in signatures[row].items():
            if "/" in key:
                lengths |= {value for value in values if isinstance(value, int)}
            else:
                families.setdefault(key, set()).update(str(value) for value in values)
    parts = [" or ".join(sorted(values)) for values in families.values()]
    if lengths:
        least, most = min(lengths), max(lengths)
        parts.append(f"{least:,} agent steps" if least == most else f"{least:,} to {most:,} agent steps")
    if any(name in FAMILIES and FAMILIES[name].offline for name in families):
        parts.append("offline, an agent step is a batch")
    return "; ".join(parts) or "no finished run"
