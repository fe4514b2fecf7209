"""Atari 2600 games with the paper's protocol (Machado et al. 2018; the authors' slimDQN code line).

Everything is put together from ale-py and gymnasium's own wrappers, so that results compare with other work.
"""

from typing import Annotated

import ale_py
import gymnasium
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation, TimeLimit
from pydantic import Field

from suite.errors import UserError

gymnasium.register_envs(ale_py)


def make(
    game: str,
    *,
    sticky_actions: Annotated[
        float, Field(ge=0, le=1, description="probability, per frame, that the game repeats the last action")
    ] = 0.25,
    frame_skip: Annotated[
        int, Field(ge=1, le=10_000, description="frames that an action is held, which make one agent step")
    ] = 4,
    max_pool: Annotated[
        bool, Field(description="show the pixelwise maximum of the last two frames of an agent step")
    ] = True,
    screen_size: Annotated[
        int, Field(ge=1, le=1_000, description="pixels a side that frames are resized to, by area interpolation")
    ] = 84,
    stack: Annotated[int, Field(ge=1, le=64, description="frames in one observation")] = 4,
    max_episode_agent_steps: Annotated[
        int, Field(ge=1, description="agent steps after which an episode is truncated (not a terminal)")
    ] = 27_000,
    terminal_on_life_loss: Annotated[
        bool, Field(description="a lost life ends the episode as a terminal, and the game starts anew")
    ] = False,
    full_action_space: Annotated[
        bool, Field(description="all 18 joystick actions instead of the game's minimal set")
    ] = False,
    noop_max: Annotated[
        int, Field(ge=0, le=10**6, description="up to this many frames of no-op start an episode; 0 for none (ours)")
    ] = 0,
) -> gymnasium.Env:
    """An Atari game as a gymnasium environment.

    Observations are uint8 [stack, screen_size, screen_size], grey, the newest frame last; at the start of an
    episode its first frame is repeated. Rewards are the game's own, not clipped. `reset(seed=...)` fixes what
    follows. Raises UserError for a game that ale-py does not have.
    """
    name = f"ALE/{game}-v5"
    if name not in gymnasium.registry:
        raise UserError(f"unknown Atari game {game!r}: names are written as in gymnasium, such as MsPacman")
    # The wrapper pools whenever it skips, and the emulator never does: whoever skips decides.
    emulator_skip, wrapper_skip = (1, frame_skip) if max_pool else (frame_skip, 1)
    env: gymnasium.Env = gymnasium.make(
        name,
        disable_env_checker=True,
        obs_type="grayscale",  # the wrapper reads the screen itself; this one is only cheaper to ignore
        frameskip=emulator_skip,
        repeat_action_probability=sticky_actions,
        full_action_space=full_action_space,
        max_num_frames_per_episode=None,  # at the emulator's own cut the wrapper would pool a stale frame
    )
    env = AtariPreprocessing(
        env,
        noop_max=noop_max,
        frame_skip=wrapper_skip,
        screen_size=screen_size,
        terminal_on_life_loss=terminal_on_life_loss,
    )
    env = TimeLimit(env, max_episode_agent_steps)
    return FrameStackObservation(env, stack)
