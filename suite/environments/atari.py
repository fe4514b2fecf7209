"""Atari 2600 games with the paper's protocol (Machado et al. 2018; the authors' slimDQN code line).

Only ale-py and gymnasium's own wrappers are used, so that results compare with other work.
"""

import ale_py
import gymnasium
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation, TimeLimit

from suite.environments import AtariOptions
from suite.errors import UserError

gymnasium.register_envs(ale_py)
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # no banner on stderr


def make(game: str, options: AtariOptions) -> gymnasium.Env:
    """Make an Atari game as a gymnasium environment.

    Observations are uint8 [stack, screen_size, screen_size], grey, the newest frame last; at the start of an
    episode its first frame is repeated. Rewards are the game's own, not clipped. `reset(seed=...)` fixes what
    follows. Raises UserError for a game that ale-py does not have.
    """
    name = f"ALE/{game}-v5"
    if name not in gymnasium.registry:
        raise UserError(f"unknown Atari game {game!r}: names are written as in gymnasium, such as MsPacman")
    # Of the two that can skip frames, the wrapper pools and the emulator does not.
    emulator_skip, wrapper_skip = (1, options.frame_skip) if options.max_pool else (options.frame_skip, 1)
    env: gymnasium.Env = gymnasium.make(
        name,
        disable_env_checker=True,
        obs_type="grayscale",  # the wrapper reads the screen itself; this one is only cheaper to ignore
        frameskip=emulator_skip,
        repeat_action_probability=options.sticky_actions,
        full_action_space=options.full_action_space,
        max_num_frames_per_episode=None,  # at the emulator's own cut the wrapper would pool a stale frame
    )
    env = AtariPreprocessing(
        env,
        noop_max=options.noop_max,
        frame_skip=wrapper_skip,
        screen_size=options.screen_size,
        terminal_on_life_loss=options.terminal_on_life_loss,
    )
    env = TimeLimit(env, options.max_episode_agent_steps)
    return FrameStackObservation(env, options.stack)
