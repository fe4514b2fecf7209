"""Gymnasium environments by the family of a task; every item of a protocol is an option."""

from collections.abc import Mapping
from typing import Any

import gymnasium
from pydantic import Field

from suite.options import Entry, Options
from suite.tasks import Task
from suite.tasks import task as find_task


class AtariOptions(Options):
    """Options `environment.*` of Atari games."""

    sticky_actions: float = Field(
        0.25, ge=0, le=1, description="probability, per frame, that the game repeats the last action"
    )
    frame_skip: int = Field(4, ge=1, le=10_000, description="frames that an action is held, which make one agent step")
    max_pool: bool = Field(True, description="show the pixelwise maximum of the last two frames of an agent step")
    screen_size: int = Field(
        84, ge=1, le=1_000, description="pixels a side that frames are resized to, by area interpolation"
    )
    stack: int = Field(4, ge=1, le=64, description="frames in one observation")
    max_episode_agent_steps: int = Field(
        27_000, ge=1, description="agent steps after which an episode is truncated (not a terminal)"
    )
    terminal_on_life_loss: bool = Field(
        False, description="a lost life ends the episode as a terminal, and the game starts anew"
    )
    full_action_space: bool = Field(False, description="all 18 joystick actions instead of the game's minimal set")
    noop_max: int = Field(
        0,
        ge=0,
        le=10**6,
        description="up to this many frames of no-op (agent steps with max_pool=False) start an episode; 0 for none",
    )


class RegisteredOptions(Options):
    """Options `environment.*` of environments that run as gymnasium registers them."""

    max_episode_agent_steps: int | None = Field(
        None, ge=1, description="agent steps after which an episode is truncated (not a terminal); none: as registered"
    )


class MinAtarOptions(Options):
    """Options `environment.*` of MinAtar games."""

    sticky_actions: float = Field(0.1, ge=0, le=1, description="probability that the game repeats the last action")
    difficulty_ramping: bool = Field(True, description="the game becomes harder during an episode")
    full_action_space: bool = Field(True, description="all 6 actions instead of the game's minimal set")
    max_episode_agent_steps: int = Field(
        10_000, ge=1, description="agent steps after which an episode is truncated (not a terminal) (ours)"
    )


ENVIRONMENTS = {
    "atari": Entry("suite.environments.atari:make", AtariOptions),
    "mujoco": Entry("suite.environments.mujoco:make", RegisteredOptions),
    "minatar": Entry("suite.environments.minatar:make", MinAtarOptions),
    "classic": Entry("suite.environments.classic:make", RegisteredOptions),
    "gym": Entry("suite.environments.gym:make", RegisteredOptions),
    "offline": Entry("suite.environments.atari:make", AtariOptions),  # for evaluation
}


def make_environment(task: Task, options: Options) -> gymnasium.Env:
    """Make a task's environment with the options `environment.*` of a run. Raises UserError if it cannot be made."""
    environment: gymnasium.Env = ENVIRONMENTS[task.family].load()(task.environment, options)
    return environment


def environment_of(card: Mapping[str, Any]) -> gymnasium.Env:
    """Make the environment of a policy's card, in which its run was evaluated."""
    task = find_task(card["task"])
    return make_environment(task, ENVIRONMENTS[task.family].options.model_validate(card["options"]["environment"]))
