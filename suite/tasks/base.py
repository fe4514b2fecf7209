"""What a task and a family of tasks are."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Actions = Literal["discrete", "continuous"]


class Task(NamedTuple):
    """What is learned, and the returns that count as score 0 and 1."""

    name: str  # "atari/Pong": the family, then the environment's own name (gymnasium's ALE/Pong-v5)
    frame_skip: int  # frames (Atari) or physics steps (MuJoCo) per agent step; 0 where learning sees no environment
    random: float | None  # mean return of a random policy: score 0; None: unknown
    reference: float | None  # mean return that is score 1, the family's reference; None: the task has no score
    actions: Actions = "discrete"
    defaults: Mapping[str, Any] = {}  # of options where they differ from the family's
    like: str | None = None  # the family whose defaults it has, where that is not its own

    @property
    def family(self) -> str:
        """ "atari" of "atari/Pong": which environments it belongs to."""
        return self.name.partition("/")[0]

    @property
    def family_of_defaults(self) -> str:
        """The family whose defaults of options and methods the task has."""
        return self.like or self.family

    @property
    def environment(self) -> str:
        """ "Pong" of "atari/Pong": the name within the family."""
        return self.name.partition("/")[2]


class Family(NamedTuple):
    """Tasks, and what they have in common."""

    tasks: Mapping[str, Task]  # by name
    reference: str  # whose return is score 1: "human"
    source: str  # of the random and reference returns, for the footer of a table; no full stop
    benchmark: tuple[str, ...]  # the tasks of the default grid
    simulator: str  # in a run's protocol: "ALE v5"
    packages: tuple[str, ...] = ()  # whose version a record names
    physics: str | None = None  # the package whose version is part of the protocol
    random_episodes: int = 0  # over which sweeps.references measured the random returns; 0: they are published
    noun: str = "task"  # what one is called where there are no others
    offline: bool = False  # learned from a data set
    #: Defaults of options where they differ from those of the models in suite.options and of an agent.
    defaults: Mapping[str, Any] = {}
    sources: Mapping[str, str] = {}  # of those defaults, unless sweeps.sources has them
    find: str | None = None  # "module:function" that makes the task of any name in the family
