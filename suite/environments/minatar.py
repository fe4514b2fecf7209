"""The five games of MinAtar (Young & Tian 2019): the package's own game files, as gymnasium environments.

The package itself is not imported: it imports matplotlib and seaborn, which takes seconds. Its sticky actions are
repeated here; a test compares both step by step.
"""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.wrappers import TimeLimit

from suite.environments import MinAtarOptions
from suite.environments.spaces import Channels
from suite.errors import UserError

GAMES = {
    "Asterix": "asterix",
    "Breakout": "breakout",
    "Freeway": "freeway",
    "Seaquest": "seaquest",
    "SpaceInvaders": "space_invaders",
}  # by name, the file


def make(game: str, options: MinAtarOptions) -> gymnasium.Env:
    """Make a MinAtar game as a gymnasium environment.

    Observations are uint8 [channels, 10, 10], 255 where an object is and 0 elsewhere: networks divide images by 255.
    Rewards are the game's own. Raises UserError for another game, and if MinAtar is not installed.
    """
    if game not in GAMES:
        raise UserError(f"unknown MinAtar game {game!r}: there are {', '.join(GAMES)}")
    return TimeLimit(MinAtar(game, options), options.max_episode_agent_steps)


class MinAtar(gymnasium.Env[np.ndarray, np.int64]):
    """A game with sticky actions, whose every episode has a seed of its own, drawn from `np_random`."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, game: str, options: MinAtarOptions) -> None:
        self.game = _game_file(GAMES[game]).Env(ramping=options.difficulty_ramping)
        self.sticky_actions, self.last_action = options.sticky_actions, 0
        height, width, channels = self.game.state_shape()
        self.actions = range(6) if options.full_action_space else self.game.minimal_action_set()
        self.observation_space = Channels(0, 255, (channels, height, width), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.actions))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode. `seed` fixes the seeds of this episode and of those that follow."""
        super().reset(seed=seed)
        self.game.random = np.random.RandomState(self.np_random.integers(2**31))
        self.last_action = 0
        self.game.reset()
        return self._observation(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take an action, or the last one again with probability `sticky_actions`; no episode is truncated here."""
        taken = self.actions[int(action)]
        if self.game.random.rand() < self.sticky_actions:
            taken = self.last_action
        self.last_action = taken
        reward, terminated = self.game.act(taken)
        return self._observation(), float(reward), bool(terminated), False, {}

    def render(self) -> np.ndarray:
        """Draw the screen, uint8 [160, 160, 3]: a grey for each channel, the last channel of a cell on top."""
        state = self.game.state()
        levels = np.arange(1, state.shape[2] + 1) * (255 // state.shape[2])
        picture = (state * levels).max(axis=2).astype(np.uint8)
        return np.repeat(np.kron(picture, np.ones((16, 16), np.uint8))[:, :, None], 3, axis=2)

    def _observation(self) -> np.ndarray:
        return np.ascontiguousarray(self.game.state().transpose(2, 0, 1)) * np.uint8(255)


def _game_file(name: str) -> Any:
    """Load the module of a game. Raises UserError if MinAtar is not installed."""
    package = find_spec("minatar")
    if package is None or not package.submodule_search_locations:
        raise UserError("MinAtar is not installed: pip install minatar")
    path = Path(package.submodule_search_locations[0]) / "environments" / f"{name}.py"
    spec = spec_from_file_location(f"minatar_{name}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
