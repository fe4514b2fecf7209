"""How to compare: what a user may choose, beside which runs."""

from dataclasses import dataclass

from analysis.data.scores import PUBLISHED, References
from analysis.stats.paired import EFFECT


@dataclass(frozen=True)
class Settings:
    """`raw` leaves out the scores; `reference` is the method that the others are compared with, and `effect` the
    difference of scores that is to be seen; `mix` compares also what differs in protocol."""

    seed: int = 0  # of the bootstrap
    repetitions: int = 2000
    raw: bool = False
    references: References = PUBLISHED
    reference: str = "dense"
    effect: float = EFFECT
    mix: bool = False
