"""From what a user typed, on a command line or in a sweep file, to a run whose every option is known and checked.

The options are the keyword-only parameters of the functions that a run is composed of; nothing is declared twice.
"""

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, get_type_hints

import optax
from pydantic import BaseModel, ConfigDict, create_model

from baselines import METHODS
from suite.agents import AGENTS
from suite.environments import ENVIRONMENTS
from suite.errors import UserError, is_text
from suite.experience.dataset import Dataset
from suite.experience.replay import Replay
from suite.learner import make_learner
from suite.program.options import LARGEST as MOST_STEPS
from suite.program.options import check, suggest
from suite.sparsity.pruner import default_distribution, make_pruner
from suite.tasks import DEFAULTS, Task
from suite.tasks import task as find_task
from suite.trainer import Trainer
from suite.types import Training

Options = dict[str, Any]
DATASETS = {"offline": Dataset}  # by the family of a task, where there is one
MOST_READABLE = 240  # characters of a run's name: with a digest, what a file system takes as the name of a folder


class Run(NamedTuple):
    """One run: (task, method, seed, options), and nothing of where it runs or is recorded."""

    task: Task
    method: str  # a label: the method's name, and those of its options that differ from the default
    seed: int
    options: dict[str, Options]  # group -> option -> value, complete: also those left at their default
    recorded_name: str | None = None  # of a run that is resumed from its record, whatever named it

    @property
    def name(self) -> str:
        """The same for the same run on every machine: readable parts, and a digest of everything that defines it."""
        if self.recorded_name is not None:
            return self.recorded_name
        digest = _digest([self.task.name, self.method, self.seed, self.options])
        return f"{self.readable}.{digest}"

    @property
    def readable(self) -> str:
        """The name without its digest: of the task, the method and the seed."""
        name = f"{self.task.name}.{self.method}.seed{self.seed}"
        return re.sub(r"[^A-Za-z0-9=._-]", "-", name)[:MOST_READABLE]

    @property
    def group(self) -> str:
        """What runs that differ in their seed alone have in common: W&B averages over a group."""
        return f"{self.task.name} {self.method} {_digest([self.task.name, self.method, self.options])[:4]}"

    @property
    def offline(self) -> bool:
        """Whether it learns from a data set."""
        return self.task.family in DATASETS

    @property
    def total_agent_steps(self) -> int:
        trainer = self.options["trainer"]
        return trainer["epochs"] * trainer["epoch_agent_steps"]

    @property
    def gradient_steps(self) -> int:
        """The horizon H of schedules: gradient steps of the whole run."""
        trainer = self.options["trainer"]
        return max(int((self.total_agent_steps - trainer["initial_samples"]) * trainer["replay_ratio"]), 0)

    def arguments(self) -> dict[str, Any]:
        """What `resolve` makes this run from."""
        flat = {f"{group}.{key}": value for group in groups(self.task) for key, value in self.options[group].items()}
        return {"task": self.task.name, "method": self.method, "seed": self.seed, **flat}


def groups(task: Task) -> dict[str, type[BaseModel]]:
    """The options of a run on this task, by their prefix."""
    functions: dict[str, Callable[..., Any]] = {
        "agent": AGENTS[task.agent],
        "learner": make_learner,
        "pruning": make_pruner,
        "replay": Replay,
        "environment": ENVIRONMENTS[task.family],
        "trainer": Trainer,
    }
    if task.family in DATASETS:
        functions["dataset"] = DATASETS[task.family]
    return {group: options_of(function, **_defaults(task, group)) for group, function in functions.items()}


def method_options(task: Task, name: str) -> type[BaseModel]:
    """The options of a method on this task."""
    return options_of(METHODS[name], **_defaults(task, name))


def _defaults(task: Task, prefix: str) -> Options:
    """What the task's family sets otherwise than the signatures do."""
    parts = ((key.partition("."), value) for key, value in DEFAULTS[task.family].items())
    return {option: value for (group, _, option), value in parts if group == prefix}


@cache
def options_of(function: Callable[..., Any], **defaults: Any) -> type[BaseModel]:
    """A model of a function's keyword-only parameters: their types, bounds, descriptions and defaults, of which
    `defaults` replaces some."""
    hints = get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    fields: dict[str, Any] = {
        p.name: (hints[p.name], defaults.get(p.name, p.default))
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)


def resolve(arguments: Mapping[str, Any]) -> Run:
    """The run that arguments such as {"task": "atari/Pong", "method": "gmp", "seed": 0, "agent.width": 32} describe.

    Raises UserError for a missing or unknown key and for a value that does not fit.
    """
    given = dict(arguments)
    for key, value in given.items():
        if isinstance(value, str) and not is_text(key + value):
            raise UserError(f"{key}={value}: holds what no command line and no file can: a character 0, or no UTF-8")
    for key in ("task", "method", "seed"):
        if given.get(key) in (None, ""):
            raise UserError(f"{key} is missing: a run needs --task, --method and --seed")
    task = find_task(str(given.pop("task")))
    method, options_of_method = parse_method(str(given.pop("method")), task)
    seed = _seed(given.pop("seed"))
    parts = groups(task)
    by_group: dict[str, Options] = {group: {} for group in parts}
    for key, value in given.items():
        group, _, option = key.partition(".")
        if group not in parts or not option:
            known = [f"{name}.{o}" for name, part in parts.items() for o in part.model_fields]
            raise UserError(f"unknown option {key!r}{suggest(key, known)}")
        by_group[group][option] = value
    options = {group: check(part, by_group[group], group + ".").model_dump() for group, part in parts.items()}
    pruning = options["pruning"]  # a record says what was used, also where that was the default
    pruning["distribution"] = pruning["distribution"] or default_distribution(pruning["structure"])
    return _possible(Run(task, method, seed, {**options, "method": options_of_method}))


def parse_method(label: str, task: Task) -> tuple[str, Options]:
    """A method's label, such as "gmp:final_sparsity=0.8", in its one spelling on a task, and all of its options.

    Raises UserError for an unknown method or option.
    """
    name, _, rest = label.partition(":")
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}{suggest(name, METHODS)}; there are {', '.join(METHODS)}")
    given: Options = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"method {label!r}: {part!r} should be option=value, as in gmp:final_sparsity=0.9")
        if key.strip() in given:
            raise UserError(f"method {label!r}: {key.strip()} is given twice")
        given[key.strip()] = value.strip()
    model = method_options(task, name)
    options = check(model, given, f"method {name}: ").model_dump()
    defaults = model().model_dump()
    changed = [f"{key}={value}" for key, value in options.items() if value != defaults[key]]
    return name + (":" + ",".join(changed) if changed else ""), options


def _digest(definition: Any) -> str:
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:8]


def _seed(value: Any) -> int:
    try:
        seed = int(str(value))
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**31:
        raise UserError(f"seed={value}: should be an integer from 0 to 2^31 - 1")
    return seed


def _possible(run: Run) -> Run:
    """Refuse options that do not fit each other."""
    trainer, replay, period = (
        run.options["trainer"],
        run.options["replay"],
        run.options["learner"]["target_update_period"],
    )
    if run.offline and (trainer["initial_samples"], trainer["replay_ratio"]) != (0, 1):
        raise UserError(
            "trainer.initial_samples and trainer.replay_ratio: should be 0 and 1 with a data set, which is there from"
            " the start and of which each gradient step draws one batch"
        )
    if max(run.total_agent_steps, run.gradient_steps) > MOST_STEPS:
        raise UserError(
            f"trainer.epochs x trainer.epoch_agent_steps: should be at most {MOST_STEPS:,} agent and gradient steps"
        )
    if run.gradient_steps < period:
        raise UserError(
            f"{run.total_agent_steps} agent steps with trainer.initial_samples={trainer['initial_samples']} and"
            f" trainer.replay_ratio={trainer['replay_ratio']} are {run.gradient_steps} gradient steps, fewer than"
            f" learner.target_update_period={period}: train longer, or lower that or trainer.initial_samples"
        )
    if not run.offline and trainer["initial_samples"] <= replay["n_step"]:
        raise UserError(
            f"trainer.initial_samples={trainer['initial_samples']}: should exceed replay.n_step={replay['n_step']}"
        )
    if replay["capacity"] < replay["batch_size"]:
        raise UserError(
            f"replay.capacity={replay['capacity']}: should be at least replay.batch_size={replay['batch_size']}"
        )
    # A method looks at its own options and at those of the pruner, and needs no network for that.
    training = Training(run.gradient_steps, period, optax.identity(), make_pruner(**run.options["pruning"]))
    METHODS[run.method.partition(":")[0]](training, **run.options["method"])
    return run
