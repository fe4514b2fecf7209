"""The policy of a finished run in its task: `python -m sweeps.play RUN [--form compact|onnx|dense|jax] [--video]`.

Actions are greedy. Prints the mean return with a 95 % interval.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import stats

from suite import records
from suite.errors import Parser, UserError, one_line, whole_number
from sweeps.forms import FORMS, Act, card_of, environment_of

FRAMES_PER_SECOND = 30


def play(environment: gymnasium.Env, act: Act, seed: int, film: list[np.ndarray] | None = None) -> tuple[float, int]:
    """One episode: its undiscounted return, and its agent steps. Frames go into `film`."""
    observation, _ = environment.reset(seed=seed)
    total, steps, ended = 0.0, 0, False
    while not ended:
        observation, reward, terminated, truncated, _ = environment.step(act(observation))
        total, steps, ended = total + float(reward), steps + 1, terminated or truncated
        if film is not None:
            film.append(np.asarray(environment.unwrapped.render()))
    return total, steps


def interval(returns: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and Student's 95 % interval of it over episodes; NaN bounds for a single one."""
    mean = float(np.mean(returns))
    if len(returns) < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(returns) - 1) * np.std(returns, ddof=1) / len(returns) ** 0.5)
    return mean, mean - half, mean + half


def write_video(path: Path, film: Sequence[np.ndarray]) -> None:
    """Frames [height, width, 3] as MPEG-4. Raises UserError when it cannot be written."""
    import cv2

    height, width = film[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FRAMES_PER_SECOND, (width, height))
    if not writer.isOpened():
        raise UserError(f"{path}: cannot be written")
    for frame in film:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()


def evaluate(folder: Path, form: str, episodes: int, seed: int, video: bool) -> list[str]:
    """-> what to tell. Raises UserError when the run has no such form."""
    card = card_of(folder)
    act = FORMS[form](folder, card)
    environment = environment_of(card)
    film: list[np.ndarray] | None = None
    if video:
        film = []
        unwrapped: Any = environment.unwrapped
        unwrapped.render_mode = "rgb_array"
    played = []
    numbers = range(episodes)
    for episode in track(numbers, f"{form}, episodes", console=Console(stderr=True), transient=True):
        played.append(play(environment, act, seed + episode, film if episode == 0 else None))
    environment.close()
    returns = [total for total, _ in played]
    mean, low, high = interval(returns)
    length = f"{np.mean([steps for _, steps in played]):,.0f} agent steps"
    several = f"[{low:,.1f}, {high:,.1f}] (95 % interval, {episodes} episodes of {length})"
    spread = several if episodes > 1 else f"(no interval: one episode, of {length})"
    told = [f"{card['name']}, {form}: return {mean:,.1f} {spread}"]
    if film:
        path = folder / records.EXPORT / f"{form}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, film)
        told.append(f"{path}: the first episode, {len(film):,} frames")
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m sweeps.play", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="the folder of a finished run")
    add("--form", choices=tuple(FORMS), default="compact", help="in which the policy acts; see sweeps.export [compact]")
    add("--episodes", type=whole_number(1, 10**6), default=10, help="how many [10]")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, help="episode i starts from seed SEED + i [0]")
    add("--video", action="store_true", help="film the first episode")
    try:
        given = parser.parse_args(arguments)
        if given.video:
            os.environ.setdefault("MUJOCO_GL", "egl")  # a film needs no screen; read when the environments are imported
        print("\n".join(evaluate(given.run, given.form, given.episodes, given.seed, given.video)))
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
