"""Film a policy. No screen is needed, and a run computes the same with or without films."""

import itertools
import logging
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from suite.errors import UserError
from suite.record import schema

FRAMES_PER_SECOND = 30
LONGEST = 3_000  # agent steps of an episode in a film
logger = logging.getLogger(__name__)

Act = Callable[[np.ndarray], Any]  # observation -> action


def play(
    environment: gymnasium.Env, act: Act, seed: int, film: list[np.ndarray] | None = None, longest: int | None = None
) -> tuple[float, int]:
    """Play one episode, or its first `longest` agent steps; return its undiscounted return and its agent steps.

    The frames of the first LONGEST agent steps are appended to `film`.
    """
    observation, _ = environment.reset(seed=seed)
    total, steps, ended = 0.0, 0, False
    while not ended and steps != longest:
        observation, reward, terminated, truncated, _ = environment.step(act(observation))
        total, steps, ended = total + float(reward), steps + 1, terminated or truncated
        if film is not None and steps <= LONGEST:
            film.append(_frame(environment))
    return total, steps


def _frame(environment: gymnasium.Env) -> np.ndarray:
    """Render a frame: uint8 [height, width, 3]. Raises UserError if that fails."""
    try:
        frame = np.asarray(environment.unwrapped.render())
    except Exception as error:  # MuJoCo, OpenGL and GLFW have exceptions of their own, and of all kinds
        renderer = os.environ.get("MUJOCO_GL", "not set")
        raise UserError(
            f"no frame can be rendered ({str(error) or type(error).__name__}); MUJOCO_GL is {renderer};"
            " MUJOCO_GL=egl needs no display"
        ) from None
    if frame.shape[2:] != (3,) or frame.dtype != np.uint8:
        raise UserError(
            f"no frame can be rendered: as rgb_array, the environment gives {frame.dtype} of shape {frame.shape},"
            " should be uint8 [height, width, 3]"
        )
    return frame


def for_film(environment: gymnasium.Env) -> gymnasium.Env:
    """Return the same environment, which now renders frames."""
    os.environ.setdefault("MUJOCO_GL", "egl")  # read at the first frame
    unwrapped: Any = environment.unwrapped
    unwrapped.render_mode = "rgb_array"
    return environment


def write_video(path: Path, film: Sequence[np.ndarray]) -> None:
    """Write frames [height, width, 3] as WebM, which browsers show. Raises UserError when that fails."""
    import cv2

    height, width = film[0].shape[:2]
    temporary = path.with_suffix(".tmp" + path.suffix)
    writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"VP80"), FRAMES_PER_SECOND, (width, height))
    if not writer.isOpened():
        raise UserError(f"{path}: cannot be written, by file permissions or as OpenCV lacks the codec VP8")
    for frame in film:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()
    temporary.replace(path)


class Camera:
    """Films an episode of the elected network at the end of some epochs, into a run's folder."""

    def __init__(
        self, folder: Path, epochs: Collection[int], make_environment: Callable[[], gymnasium.Env], seed: int
    ) -> None:
        self.folder, self.epochs, self.make_environment, self.seed = folder, epochs, make_environment, seed

    def shoot(self, epoch: int, act: Callable[[np.ndarray, np.int32], Any]) -> None:
        """Film an episode. `act` also takes a clock. Errors are logged and do not stop the run."""
        if epoch not in self.epochs:
            return
        try:
            environment, clock = for_film(self.make_environment()), itertools.count()
            film: list[np.ndarray] = []
            play(environment, lambda seen: np.asarray(act(seen, np.int32(next(clock)))), self.seed, film, LONGEST)
            environment.close()
            path = self.folder / schema.video(epoch)
            path.parent.mkdir(exist_ok=True)
            write_video(path, film)
        except Exception as error:
            logger.warning("no film of epoch %d (%s)", epoch, error)
