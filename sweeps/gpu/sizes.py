"""How much each part of the check does: on a GPU, and on a CPU where it only shows that the check works. No JAX."""

from typing import Any, NamedTuple

Row = dict[str, Any]  # one measurement: a row of a part's table
Measured = dict[str, list[Row]]  # the rows of the parts before, by the part's name


class Size(NamedTuple):
    """The amounts of all parts."""

    name: str
    network: str  # of DQN and CQL
    width: int  # of their hidden dense layer
    widths: tuple[int, ...]  # further ones whose gradient step is timed
    sac_width: int
    sac_widths: tuple[int, ...]
    environment: str  # of SAC
    filled: int  # agent steps in the replay before anything is measured
    gradient_steps: int  # that are compared with the CPU, with a target update after each `period`
    period: int
    looked_at: tuple[int, ...]  # gradient steps after which parameters are compared
    resumed: tuple[str, ...]  # the agents of the runs that are interrupted
    resumed_steps: int  # agent steps of these runs, after `filled`
    networks: tuple[int, ...]  # K of the timed gradient steps
    batches: tuple[int, ...]
    seconds: float  # that each figure is measured for
    loop_seconds: float  # that the trainer's own loop is measured for
    shared: tuple[int, ...]  # numbers of runs at once, in the order of importance


FULL = Size(
    name="full",
    network="nature",
    width=512,
    widths=(32, 2_048),
    sac_width=256,
    sac_widths=(1_024,),
    environment="HalfCheetah",
    filled=1_000,
    gradient_steps=200,
    period=50,
    looked_at=(1, 10, 50, 200),
    resumed=("DQN", "SAC"),
    resumed_steps=800,
    networks=(1, 5, 2, 10),
    batches=(64, 128, 256),
    seconds=0.3,
    loop_seconds=6.0,
    shared=(1, 8, 4, 16, 2),
)
TINY = Size(
    name="tiny",
    network="small",
    width=16,
    widths=(),
    sac_width=16,
    sac_widths=(),
    environment="InvertedPendulum",
    filled=60,
    gradient_steps=4,
    period=2,
    looked_at=(1, 4),
    resumed=("DQN",),
    resumed_steps=60,
    networks=(1, 2),
    batches=(),
    seconds=0.02,
    loop_seconds=0.2,
    shared=(1, 2),
)
SIZES = {size.name: size for size in (FULL, TINY)}
