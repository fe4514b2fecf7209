"""Play the policy of a finished run: `python -m sweeps.export.play RUN [--format compact|onnx|dense|jax] [--video]`.

Actions are greedy. Prints the mean return with a 95 % interval.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy import special

from suite.environments import environment_of
from suite.errors import Parser, expanded, first_line, whole_number
from suite.program import extensions, terminal
from suite.program.command import program, start
from suite.record import schema
from suite.tracking.film import LONGEST, for_film, play, write_video
from sweeps.export.formats import FORMATS, card_of


def interval(returns: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean, and the bounds of Student's 95 % interval of it over episodes; NaN bounds for a single one."""
    mean = float(np.mean(returns))
    if len(returns) < 2:
        return mean, float("nan"), float("nan")
    half = float(special.stdtrit(len(returns) - 1, 0.975) * np.std(returns, ddof=1) / len(returns) ** 0.5)
    return mean, mean - half, mean + half


def evaluate(folder: Path, name: str, episodes: int, seed: int, video: bool) -> list[str]:
    """Play some episodes, and return the lines to print. Raises UserError when the run has no such format."""
    card = card_of(folder)
    act = FORMATS[name](folder, card)
    environment = environment_of(card)
    film: list[np.ndarray] | None = None
    if video:
        environment, film = for_film(environment), []
    played = []
    numbers, console = range(episodes), terminal.console(stderr=True)
    hidden = not console.is_terminal
    for episode in track(numbers, f"{name}, episodes", console=console, transient=True, disable=hidden):
        played.append(play(environment, act, seed + episode, film if episode == 0 else None))
    environment.close()
    returns = [total for total, _ in played]
    mean, low, high = interval(returns)
    length = f"{np.mean([steps for _, steps in played]):,.0f} agent steps"
    several = f"[{low:,.1f}, {high:,.1f}] (95 % interval, {episodes} episodes of {length})"
    spread = several if episodes > 1 else f"(no interval: one episode, of {length})"
    told = [f"{card['name']}, {name}: return {mean:,.1f} {spread}"]
    if film:
        path = folder / schema.EXPORT / f"{name}.webm"
        path.parent.mkdir(exist_ok=True)
        write_video(path, film)
        told.append(f"{path}: the first {len(film):,} frames of the first episode")
    return told


@program
def main(argv: Sequence[str]) -> int:
    """Let a policy act, and print its returns."""
    parser = Parser(prog="python -m sweeps.export.play", description=first_line(__doc__))
    add = parser.add_argument
    add("run", type=expanded, metavar="RUN", help="the folder of a finished run")
    add(
        "--format",
        choices=tuple(FORMATS),
        default="compact",
        help="exported format that acts, or jax: the agent itself [compact]",
    )
    add("--episodes", type=whole_number(1, 10**6), default=10, help="number of episodes [10]")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, help="episode i starts from seed SEED + i [0]")
    add("--video", action="store_true", help=f"film the first episode, at most {LONGEST:,} agent steps of it")
    extensions.add_option(parser)
    given = parser.parse_args(argv)
    extensions.load(given.modules)
    print("\n".join(evaluate(given.run, given.format, given.episodes, given.seed, given.video)))
    return 0


if __name__ == "__main__":
    start(main)
