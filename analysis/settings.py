"""How to compare: what a user may choose, besides the runs."""

from dataclasses import dataclass

from analysis.data.scores import PUBLISHED, References
from analysis.stats.pairwise import EFFECT


@dataclass(frozen=True)
class Settings:
    """`raw` leaves out the scores; `reference` is the method that the others are compared with, `statistic` the
    aggregate that is compared (a key of stratified.STATISTICS), and `effect` the difference of it that is to be
    detected; `paired` pairs runs of equal seeds; `mix` compares also what differs in protocol; `x` is the axis of
    curves, "agent_step" or "frame"."""

    seed: int = 0  # of the bootstrap
    repetitions: int = 2000
    raw: bool = False
    references: References = PUBLISHED
    reference: str = "dense"
    statistic: str = "IQM"
    effect: float = EFFECT
    paired: bool = False
    mix: bool = False
    x: str = "agent_step"
    latex: str = "landscape"  # a key of markup.LAYOUTS
