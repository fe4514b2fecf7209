"""The benchmark's tasks and the returns that count as score 0 and 1. Imports no JAX: the analysis reads it too.

Atari: the published returns for 57 games, the mean undiscounted return of a uniformly random policy and of a
professional human tester, with no-op starts (Mnih et al. 2015, extended to 57 games by Wang et al. 2016; the
figures as DeepMind's dqn_zoo tabulates them in atari_data.py). Another table circulates that differs in
VideoPinball's random return (0.0, for example in reincarnating_rl); here it is the published 16256.9.

MuJoCo: a random return is the mean of a uniformly random policy over 100 episodes in gymnasium's v5 environments
(measured by sweeps.references; results/references/mujoco-random.csv). A reference return is dense SAC's after 1M
agent steps, as published in Tianshou's MuJoCo benchmark (examples/mujoco/README.md of thu-ml/tianshou). What differs
there: gym 0.17.3 with MuJoCo 2.0 (v3 environments; v2 for Reacher and the two pendulums); learning rate 1e-3; entropy
coefficient fixed at 0.2; and the return is of deterministic policies, 10 episodes for each of 10 seeds, at the
best of the 200 evaluations of the mean over the seeds. Networks of 256-256, batches of 256 and a gradient step an agent
step are as here. It has no figures for Pusher and HumanoidStandup, so these have no score.
"""

import difflib
from typing import Any, NamedTuple

from suite.errors import UserError


class Task(NamedTuple):
    """What is learned, the agents that can learn it, and the returns that count as score 0 and 1."""

    name: str  # "atari/Pong": the family, then the environment's own name (gymnasium's ALE/Pong-v5)
    agents: tuple[str, ...]  # "dqn", "sac" or "cql"; the first is the default
    frame_skip: int  # frames (Atari) or physics steps (MuJoCo) per agent step; 0 where learning sees no environment
    random: float  # mean return of a random policy: score 0
    reference: float | None  # mean return that is score 1, the family's reference; None: the task has no score

    @property
    def family(self) -> str:
        """ "atari" of "atari/Pong": which environments it belongs to."""
        return self.name.partition("/")[0]

    @property
    def environment(self) -> str:
        """ "Pong" of "atari/Pong": the name within the family."""
        return self.name.partition("/")[2]


class Family(NamedTuple):
    """What the tasks of a family have in common."""

    reference: str  # whose return is score 1: "human"
    source: str  # of the random and reference returns, for the footer of a table; no full stop
    benchmark: tuple[str, ...]  # the tasks of the default grid
    noun: str = "task"  # what one is called where there are no others


# Game: (random, human).
_ATARI_RETURNS = {
    "Alien": (227.8, 7127.7),
    "Amidar": (5.8, 1719.5),
    "Assault": (222.4, 742.0),
    "Asterix": (210.0, 8503.3),
    "Asteroids": (719.1, 47388.7),
    "Atlantis": (12850.0, 29028.1),
    "BankHeist": (14.2, 753.1),
    "BattleZone": (2360.0, 37187.5),
    "BeamRider": (363.9, 16926.5),
    "Berzerk": (123.7, 2630.4),
    "Bowling": (23.1, 160.7),
    "Boxing": (0.1, 12.1),
    "Breakout": (1.7, 30.5),
    "Centipede": (2090.9, 12017.0),
    "ChopperCommand": (811.0, 7387.8),
    "CrazyClimber": (10780.5, 35829.4),
    "Defender": (2874.5, 18688.9),
    "DemonAttack": (152.1, 1971.0),
    "DoubleDunk": (-18.6, -16.4),
    "Enduro": (0.0, 860.5),
    "FishingDerby": (-91.7, -38.7),
    "Freeway": (0.0, 29.6),
    "Frostbite": (65.2, 4334.7),
    "Gopher": (257.6, 2412.5),
    "Gravitar": (173.0, 3351.4),
    "Hero": (1027.0, 30826.4),
    "IceHockey": (-11.2, 0.9),
    "Jamesbond": (29.0, 302.8),
    "Kangaroo": (52.0, 3035.0),
    "Krull": (1598.0, 2665.5),
    "KungFuMaster": (258.5, 22736.3),
    "MontezumaRevenge": (0.0, 4753.3),
    "MsPacman": (307.3, 6951.6),
    "NameThisGame": (2292.3, 8049.0),
    "Phoenix": (761.4, 7242.6),
    "Pitfall": (-229.4, 6463.7),
    "Pong": (-20.7, 14.6),
    "PrivateEye": (24.9, 69571.3),
    "Qbert": (163.9, 13455.0),
    "Riverraid": (1338.5, 17118.0),
    "RoadRunner": (11.5, 7845.0),
    "Robotank": (2.2, 11.9),
    "Seaquest": (68.4, 42054.7),
    "Skiing": (-17098.1, -4336.9),
    "Solaris": (1236.3, 12326.7),
    "SpaceInvaders": (148.0, 1668.7),
    "StarGunner": (664.0, 10250.0),
    "Surround": (-10.0, 6.5),
    "Tennis": (-23.8, -8.3),
    "TimePilot": (3568.0, 5229.2),
    "Tutankham": (11.4, 167.6),
    "UpNDown": (533.4, 11693.2),
    "Venture": (0.0, 1187.5),
    "VideoPinball": (16256.9, 17667.9),
    "WizardOfWor": (563.5, 4756.5),
    "YarsRevenge": (3092.9, 54576.9),
    "Zaxxon": (32.5, 9173.3),
}

# Environment: (physics steps per agent step, random, dense SAC).
_MUJOCO_RETURNS: dict[str, tuple[int, float, float | None]] = {
    "Ant": (5, -49.4, 5850.2),
    "HalfCheetah": (5, -304.9, 12138.8),
    "Hopper": (4, 17.8, 3542.2),
    "Humanoid": (5, 114.3, 5488.5),
    "HumanoidStandup": (5, 33506.7, None),
    "InvertedDoublePendulum": (5, 46.3, 9359.5),
    "InvertedPendulum": (2, 5.3, 1000.0),
    "Pusher": (5, -148.8, None),
    "Reacher": (2, -43.4, -2.6),
    "Swimmer": (4, 1.7, 44.4),
    "Walker2d": (4, 1.4, 5007.0),
}

TASKS: dict[str, Task] = {
    **{
        f"atari/{game}": Task(f"atari/{game}", agents=("dqn",), frame_skip=4, random=random, reference=human)
        for game, (random, human) in _ATARI_RETURNS.items()
    },
    **{
        f"mujoco/{name}": Task(f"mujoco/{name}", agents=("sac",), frame_skip=frame_skip, random=random, reference=dense)
        for name, (frame_skip, random, dense) in _MUJOCO_RETURNS.items()
    },
}

# An offline task is a game that is learned from a data set; its evaluation is scored as the game is.
TASKS |= {
    f"offline/{game}": TASKS[f"atari/{game}"]._replace(name=f"offline/{game}", agents=("cql", "dqn"), frame_skip=0)
    for game in _ATARI_RETURNS
}

# The ten games of the paper's online Atari experiments, in the order of the authors' configuration.
PAPER_GAMES: tuple[str, ...] = (
    "atari/BeamRider",
    "atari/MsPacman",
    "atari/Qbert",
    "atari/Pong",
    "atari/Enduro",
    "atari/SpaceInvaders",
    "atari/Assault",
    "atari/CrazyClimber",
    "atari/Boxing",
    "atari/VideoPinball",
)


FAMILIES: dict[str, Family] = {
    "atari": Family(
        reference="human",
        source="the random and human returns of the 57 games in Mnih et al. 2015 and Wang et al. 2016, as tabulated in"
        " dqn_zoo; VideoPinball's random return is 16256.9 (another table in circulation has 0.0)",
        benchmark=PAPER_GAMES,
        noun="game",
    ),
    "mujoco": Family(
        reference="dense SAC",
        source="random returns measured over 100 episodes in gymnasium's v5 environments; dense SAC's after 1M agent"
        " steps from Tianshou's MuJoCo benchmark, which is of the environments' v2 and v3, MuJoCo 2.0 and an entropy"
        " coefficient of 0.2: the best of 200 evaluations, each the mean over 10 seeds and 10 episodes of the"
        " deterministic policy",
        # The tasks of the literature on sparse continuous control that SAC learns within 1M steps (ours).
        benchmark=tuple(
            f"mujoco/{name}" for name in ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Walker2d", "Swimmer")
        ),
    ),
}
FAMILIES["offline"] = FAMILIES["atari"]._replace(
    benchmark=tuple(name.replace("atari/", "offline/") for name in PAPER_GAMES)
)


def task(name: str) -> Task:
    """The task of this name. Raises UserError, with the closest name there is, for any other."""
    if name in TASKS:
        return TASKS[name]
    # Wrong case and a missing family are the usual slips: compare without case, with and without the family (without,
    # the family that comes first is meant).
    spellings = {spelling.lower(): known for known in reversed(TASKS) for spelling in (known, known.split("/")[1])}
    close = difflib.get_close_matches(name.lower(), spellings, n=1)
    example = "tasks are called, for example, atari/Pong or mujoco/Ant"
    hint = f"did you mean {spellings[close[0]]!r}?" if close else example
    raise UserError(f"unknown task {name!r}: {hint}")


# Defaults of a family where they differ from those of the models in suite.options, which are the paper's online Atari
# runs. SAC's are those of the authors' code line (slimSAC) and of Haarnoja et al. 2018; the rest is ours.
DEFAULTS: dict[str, dict[str, Any]] = {
    "atari": {},
    "mujoco": {
        "learner.target_update_period": 1_000,
        "learner.election_window": 0.5,  # results/mujoco-pilots: at the whole period a fresh Adam handicaps every copy
        "learner.polyak": 0.005,
        "replay.batch_size": 256,
        "replay.reward_clip": None,
        "trainer.initial_samples": 5_000,
        "trainer.replay_ratio": 1.0,
        "trainer.epochs": 100,
        "trainer.epoch_agent_steps": 10_000,
        "trainer.evaluation_episodes": 10,
    },
    # The paper's offline configuration; evaluation is ours.
    "offline": {
        "trainer.epochs": 50,
        "trainer.epoch_agent_steps": 62_500,
        "trainer.initial_samples": 0,
        "trainer.replay_ratio": 1.0,
        "trainer.evaluation_episodes": 10,
    },
}
