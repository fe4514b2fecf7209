"""Resolve what a user typed, on a command line or in a sweep file, to a run with all options, validated.

The options are the models in suite.options and in the registries; nothing is declared twice. No JAX is imported here.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import Annotated, Any, NamedTuple, get_args

from pydantic import Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from baselines.registry import METHODS
from suite.agents import AGENTS, agents_for
from suite.environments import ENVIRONMENTS
from suite.errors import UserError, is_text
from suite.options import DatasetOptions, LearnerOptions, Options, PrunerOptions, ReplayOptions, TrainerOptions
from suite.program import extensions
from suite.tasks import FAMILIES, Task
from suite.tasks import task as find_task

MOST_READABLE = 240  # characters of a run's name: with a digest, what a file system takes as the name of a folder
MOST_STEPS = 2**31 - 1  # the clocks on the device are int32


@dataclass(frozen=True)
class RunOptions:
    """All options of a run by group, including those with their default."""

    agent: Options
    learner: LearnerOptions
    pruning: PrunerOptions
    replay: ReplayOptions
    environment: Options
    trainer: TrainerOptions
    method: Options
    dataset: DatasetOptions | None = None

    def dump(self) -> dict[str, dict[str, Any]]:
        """Return group -> option -> value, as in a record."""
        return {name: group.model_dump() for name, group in vars(self).items() if group is not None}


class RunConfig(NamedTuple):
    """One run: task, agent, method, seed and options, but not where it runs or is recorded."""

    task: Task
    agent: str  # a name in AGENTS
    method: str  # a label: the method's name, and those of its options that differ from the default
    seed: int
    options: RunOptions
    recorded_name: str | None = None  # of a run that is resumed from its record, whatever named it

    @property
    def name(self) -> str:
        """A name that is the same on every machine: readable parts, and a digest of everything that defines the run."""
        if self.recorded_name is not None:
            return self.recorded_name
        return f"{self.readable}.{_digest([self.task.name, self.method, self.seed, *self._definition()])}"

    @property
    def readable(self) -> str:
        """The name without its digest: of the task, the method and the seed."""
        name = f"{self.task.name}.{self.method}.seed{self.seed}"
        return re.sub(r"[^A-Za-z0-9=._-]", "-", name)[:MOST_READABLE]

    @property
    def group(self) -> str:
        """A name that runs share if they differ only in their seed. W&B averages over a group."""
        return f"{self.task.name} {self.method} {_digest([self.task.name, self.method, *self._definition()])[:4]}"

    @property
    def chosen_agent(self) -> str | None:
        """The agent if it is not the task's default; names and records leave out the default."""
        return self.agent if self.agent != agents_for(self.task)[0] else None

    def _definition(self) -> list[Any]:
        return [self.options.dump()] if self.chosen_agent is None else [self.options.dump(), self.chosen_agent]

    @property
    def offline(self) -> bool:
        """Whether it learns from a data set."""
        return self.options.dataset is not None

    @property
    def total_agent_steps(self) -> int:
        """Agent steps of all epochs, with the initial samples and without evaluation; gradient steps if offline."""
        return self.options.trainer.epochs * self.options.trainer.epoch_agent_steps

    @property
    def gradient_steps(self) -> int:
        """The horizon H of schedules: gradient steps of the whole run."""
        trainer = self.options.trainer
        return max(int((self.total_agent_steps - trainer.initial_samples) * trainer.replay_ratio), 0)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments from which `resolve` makes this run."""
        dump = self.options.dump()
        del dump["method"]  # in the label
        flat = {f"{group}.{key}": value for group, values in dump.items() for key, value in values.items()}
        agent = {} if self.chosen_agent is None else {"agent": self.chosen_agent}
        return {"task": self.task.name, **agent, "method": self.method, "seed": self.seed, **flat}


def groups(task: Task, agent: str | None = None) -> dict[str, type[Options]]:
    """Return the options of a run on this task, by their prefix; the agent is by default the task's first."""
    models: dict[str, type[Options]] = {
        "agent": AGENTS[agent or agents_for(task)[0]].options,
        "learner": LearnerOptions,
        "pruning": PrunerOptions,
        "replay": ReplayOptions,
        "environment": ENVIRONMENTS[task.family].options,
        "trainer": TrainerOptions,
    }
    if FAMILIES[task.family].offline:
        models["dataset"] = DatasetOptions
    return {name: with_defaults(model, **_defaults(task, name, model)) for name, model in models.items()}


def method_options(task: Task, name: str) -> type[Options]:
    """Return the options of a method on this task."""
    return with_defaults(METHODS[name].options, **METHODS[name].defaults.get(task.family_of_defaults, {}))


@cache  # so that equal options are of the same type
def with_defaults(model: type[Options], **defaults: Any) -> type[Options]:
    """Return the same options, some of them with other defaults."""
    fields: dict[str, Any] = {}
    for name, value in defaults.items():
        field = model.model_fields[name]
        limits = (*field.metadata, Field(description=field.description))
        fields[name] = (Annotated[(field.annotation, *limits)], value)
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields) if fields else model


def _defaults(task: Task, prefix: str, model: type[Options]) -> dict[str, Any]:
    """Return the options of a group that the task and its family set to other values than the model. An agent
    ignores those that it lacks."""
    defaults = {**FAMILIES[task.family_of_defaults].defaults, **task.defaults}
    parts = ((key.partition("."), value) for key, value in defaults.items())
    return {option: value for (group, _, option), value in parts if group == prefix and option in model.model_fields}


def resolve(arguments: Mapping[str, Any]) -> RunConfig:
    """Resolve arguments such as {"task": "atari/Pong", "method": "gmp", "seed": 0, "agent.width": 32} to a run.

    Raises UserError for a missing or unknown key and for a value that does not fit.
    """
    extensions.load()
    given = dict(arguments)
    for key, value in given.items():
        if isinstance(value, str) and not is_text(key + value):
            raise UserError(f"{key}={value}: should be text that UTF-8 can hold, without a character 0")
    for key in ("task", "method", "seed"):
        if given.get(key) in (None, ""):
            raise UserError(f"{key} is missing: a run needs --task, --method and --seed")
    task = find_task(str(given.pop("task")))
    agent = find_agent(task, given.pop("agent", None))
    method, options_of_method = parse_method(str(given.pop("method")), task)
    seed = _seed(given.pop("seed"))
    parts = groups(task, agent)
    by_group: dict[str, dict[str, Any]] = {group: {} for group in parts}
    for key, value in given.items():
        group, _, option = key.partition(".")
        if group not in parts or not option:
            known = [f"{name}.{o}" for name, model in parts.items() for o in model.model_fields]
            raise UserError(f"unknown option {key!r}{suggest(key, known)}")
        by_group[group][option] = value
    options: dict[str, Any] = {group: read(model, by_group[group], group + ".") for group, model in parts.items()}
    run = RunConfig(task, agent, method, seed, RunOptions(**options, method=options_of_method))
    _refuse_impossible(run)
    # A method looks at its own options and at those of the pruner, which takes JAX, which takes a second to import.
    resolve_name("sweeps.compose:check_method")(run)
    return run


def find_agent(task: Task, name: Any) -> str:
    """Return the agent of this name, by default the task's first. Raises UserError for one that the task does not
    allow."""
    known = agents_for(task)
    if name in (None, ""):
        return known[0]
    if name not in known:
        raise UserError(f"agent={name}: should be {' or '.join(known)} on {task.name}")
    return str(name)


def parse_method(label: str, task: Task) -> tuple[str, Options]:
    """Return a method's label, such as "gmp:final_sparsity=0.8", in its one spelling on a task, and all of its options.

    Raises UserError for an unknown method or option.
    """
    name, _, rest = label.partition(":")
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}{suggest(name, METHODS)} (methods: {', '.join(METHODS)})")
    given: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"method {label!r}: {part!r} should be option=value, as in gmp:final_sparsity=0.9")
        if key.strip() in given:
            raise UserError(f"method {label!r}: {key.strip()} is given twice")
        given[key.strip()] = value.strip()
    model = method_options(task, name)
    options = read(model, given, f"method {name}: ")
    changed = [f"{key}={value}" for key, value in options if value != model.model_fields[key].default]
    return name + (":" + ",".join(changed) if changed else ""), options


def read(model: type[Options], given: Mapping[str, Any], prefix: str) -> Options:
    """Complete the given options of a group by their defaults. Raises UserError, which names the option."""
    values = {key: None if str(value).lower() in ("none", "null") else value for key, value in given.items()}
    try:
        options = model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # options that contradict each other, in a model of your own
            raise UserError(f"{prefix}{_lower(first['msg'])}") from None
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise UserError(f"{prefix}{key}: no such option{suggest(key, model.model_fields)}") from None
        raise UserError(f"{prefix}{key}={given.get(key)}: {_lower(first['msg'])}") from None
    for key, value in options:
        if type(value) is int and value > MOST_STEPS:
            raise UserError(f"{prefix}{key}={value}: should be at most {MOST_STEPS:,}")
    return options


def _digest(definition: Any) -> str:
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:8]


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean '...'?` for a similar known word, otherwise nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def describe(field: FieldInfo) -> str:
    """Describe an option in one line: its values, its meaning, its default."""
    names = [getattr(value, "__name__", str(value)).replace("NoneType", "none") for value in _values(field.annotation)]
    return f"{'|'.join(names)}: {field.description} [{'none' if field.default is None else field.default}]"


def _values(kind: Any) -> list[Any]:
    """Return the members of a union and of a Literal, also of one in the other; anything else alone."""
    return [value for member in get_args(kind) for value in _values(member)] or [kind]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _seed(value: Any) -> int:
    try:
        seed = int(str(value))
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**31:
        raise UserError(f"seed={value}: should be an integer from 0 to 2^31 - 1")
    return seed


def _refuse_impossible(run: RunConfig) -> None:
    """Raise UserError for options that do not fit each other."""
    trainer, replay, period = run.options.trainer, run.options.replay, run.options.learner.target_update_period
    if run.offline and (trainer.initial_samples, trainer.replay_ratio) != (0, 1):
        raise UserError(
            "trainer.initial_samples and trainer.replay_ratio: should be 0 and 1 with a data set, which is complete"
            " from the start, and of which each gradient step uses one batch"
        )
    if max(run.total_agent_steps, run.gradient_steps) > MOST_STEPS:
        raise UserError(
            f"trainer.epochs x trainer.epoch_agent_steps: should be at most {MOST_STEPS:,} agent and gradient steps"
        )
    if run.gradient_steps < period:
        raise UserError(
            f"{run.total_agent_steps} agent steps with trainer.initial_samples={trainer.initial_samples} and"
            f" trainer.replay_ratio={trainer.replay_ratio} are {run.gradient_steps} gradient steps, fewer than"
            f" learner.target_update_period={period}: train longer, or lower that option or trainer.initial_samples"
        )
    if not run.offline and trainer.initial_samples <= replay.n_step:
        raise UserError(
            f"trainer.initial_samples={trainer.initial_samples}: should be greater than replay.n_step={replay.n_step}"
        )
    if replay.capacity < replay.batch_size:
        raise UserError(f"replay.capacity={replay.capacity}: should be at least replay.batch_size={replay.batch_size}")
