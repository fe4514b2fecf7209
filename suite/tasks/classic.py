"""Classic control, and LunarLander: minutes a run, with small networks."""

from suite.tasks.base import Family, Task

# Task: (random, dense DQN).
_RETURNS: dict[str, tuple[float, float]] = {
    "Acrobot": (-499.0, -76.6),
    "CartPole": (21.9, 500.0),
    "LunarLander": (-181.4, 154.4),
    "MountainCar": (-200.0, -100.8),
}

_CERON = "Obando-Ceron & Castro 2021, revisiting_rainbow, dqn_cartpole.gin"

CLASSIC = Family(
    tasks={
        f"classic/{name}": Task(f"classic/{name}", frame_skip=1, random=random, reference=dense)
        for name, (random, dense) in _RETURNS.items()
    },
    reference="dense DQN",
    source="random returns measured over 1,000 episodes; dense DQN's from rl-baselines3-zoo's benchmark.md, one run"
    " a task of 50,000 to 120,000 agent steps and its deterministic policy (LunarLander: v2)",
    benchmark=tuple(f"classic/{name}" for name in _RETURNS),
    simulator="gymnasium",
    packages=("box2d",),
    random_episodes=1_000,
    defaults={
        "agent.network": "mlp2",
        "agent.learning_rate": 0.001,
        "agent.adam_epsilon": 0.0003125,
        "agent.epsilon_decay": 10_000,
        "learner.target_update_period": 100,
        "replay.capacity": 50_000,
        "replay.batch_size": 128,
        "replay.reward_clip": None,
        "trainer.epochs": 10,
        "trainer.epoch_agent_steps": 10_000,
        "trainer.initial_samples": 500,
        "trainer.evaluation_episodes": 10,
    },
    sources={
        "environment.max_episode_agent_steps": "gymnasium's environments",
        "agent.network": f"{_CERON}: two layers of 512 units, here without normalised observations",
        "agent.width": _CERON,
        "agent.learning_rate": _CERON,
        "agent.adam_epsilon": _CERON,
        "agent.loss": "ours: as on Atari (Obando-Ceron & Castro 2021: Huber)",
        "agent.epsilon_decay": "ours: a tenth of training (Obando-Ceron & Castro 2021: epsilon is constant)",
        "learner.target_update_period": f"{_CERON}, where it counts agent steps",
        "replay.capacity": _CERON,
        "replay.batch_size": _CERON,
        "replay.n_step": _CERON,
        "replay.discount": _CERON,
        "replay.reward_clip": _CERON,
        "trainer.epochs": "ours: as long as rl-baselines3-zoo trains",
        "trainer.epoch_agent_steps": "ours: as long as rl-baselines3-zoo trains",
        "trainer.initial_samples": _CERON,
        "trainer.replay_ratio": _CERON,
        "trainer.evaluation_episodes": "ours: the references are returns of deterministic policies",
    },
)
