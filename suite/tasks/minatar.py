"""MinAtar (Young & Tian 2019): five games on a grid of 10 x 10 cells.

Random returns are measured (sweeps.references). The authors publish curves without numbers (MinAtar's README): the
reference is their DQN's training return with epsilon 0.1, 30 seeds, read off these curves as the mean from 4.5M to 5M
frames, to about 0.2. Their curve of Seaquest is of versions before 1.0.11, which showed full oxygen before it ran out.
"""

from suite.tasks.base import Family, Task

# Game: (random, dense DQN).
_RETURNS: dict[str, tuple[float, float]] = {
    "Asterix": (0.52, 16.6),
    "Breakout": (0.5, 10.0),
    "Freeway": (0.13, 50.1),
    "Seaquest": (0.09, 19.9),
    "SpaceInvaders": (2.74, 43.8),
}

_YOUNG = "Young & Tian 2019, examples/dqn.py of MinAtar"
_CERON = "Obando-Ceron & Castro 2021, revisiting_rainbow"

MINATAR = Family(
    tasks={
        f"minatar/{game}": Task(f"minatar/{game}", frame_skip=1, random=random, reference=dense)
        for game, (random, dense) in _RETURNS.items()
    },
    reference="dense DQN",
    source="Young & Tian 2019, DQN at 5M frames, 30 seeds, off curves; random returns measured over 1,000 episodes",
    benchmark=tuple(f"minatar/{game}" for game in _RETURNS),
    simulator="MinAtar",
    packages=("minatar",),
    physics="minatar",
    random_episodes=1_000,
    noun="game",
    defaults={
        "agent.network": "minatar",
        "agent.width": 128,
        "agent.learning_rate": 0.00025,
        "agent.adam_epsilon": 0.0003125,
        "agent.loss": "huber",
        "agent.epsilon_end": 0.1,
        "agent.epsilon_decay": 100_000,
        "learner.target_update_period": 1_000,
        "replay.capacity": 100_000,
        "replay.reward_clip": None,
        "trainer.epochs": 50,
        "trainer.epoch_agent_steps": 100_000,
        "trainer.initial_samples": 5_000,
        "trainer.replay_ratio": 1.0,
    },
    sources={
        **dict.fromkeys(("environment.sticky_actions", "environment.difficulty_ramping"), "MinAtar 1.0.15"),
        "environment.full_action_space": _YOUNG,
        "environment.max_episode_agent_steps": "ours: an agent that always returns the ball never ends its episode",
        "agent.network": f"{_YOUNG}: 16 filters of 3 x 3, 128 units; with SAME padding as in {_CERON}",
        "agent.width": _YOUNG,
        "agent.learning_rate": f"{_YOUNG} (with RMSProp) and {_CERON} (with Adam)",
        "agent.adam_epsilon": _CERON,
        "agent.loss": _YOUNG,
        "agent.epsilon_end": _YOUNG,
        "agent.epsilon_decay": f"{_YOUNG}, where it starts after the initial samples",
        "learner.target_update_period": _YOUNG,
        "replay.capacity": _YOUNG,
        "replay.batch_size": _YOUNG,
        "replay.discount": _YOUNG,
        "replay.reward_clip": _YOUNG,
        "trainer.epochs": f"{_YOUNG}: 5M frames",
        "trainer.epoch_agent_steps": f"{_YOUNG}: 5M frames",
        "trainer.initial_samples": _YOUNG,
        "trainer.replay_ratio": _YOUNG,
    },
)
