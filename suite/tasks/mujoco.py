"""MuJoCo. A random return is the mean of a uniformly random policy over 100 episodes in gymnasium's v5 environments
(measured by sweeps.references; results/references/mujoco-random.csv). A reference return is dense SAC's after 1M
agent steps, as published in Tianshou's MuJoCo benchmark (examples/mujoco/README.md of thu-ml/tianshou). What differs
there: gym 0.17.3 with MuJoCo 2.0 (v3 environments; v2 for Reacher and the two pendulums); learning rate 1e-3; entropy
coefficient fixed at 0.2; and the return is of deterministic policies, 10 episodes for each of 10 seeds, at the
best of the 200 evaluations of the mean over the seeds. Networks of 256-256, batches of 256 and a gradient step an agent
step are as here. It has no figures for Pusher and HumanoidStandup, so these have no score.
"""

from suite.tasks.base import Family, Task

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

MUJOCO = Family(
    tasks={
        f"mujoco/{name}": Task(f"mujoco/{name}", frame_skip, random, dense, "continuous")
        for name, (frame_skip, random, dense) in _MUJOCO_RETURNS.items()
    },
    reference="dense SAC",
    source="random returns measured over 100 episodes in gymnasium's v5 environments; dense SAC's after 1M agent"
    " steps from Tianshou's MuJoCo benchmark, which is of the environments' v2 and v3, MuJoCo 2.0 and an entropy"
    " coefficient of 0.2: the best of 200 evaluations, each the mean over 10 seeds and 10 episodes of the"
    " deterministic policy",
    # The tasks of the literature on sparse continuous control that SAC learns within 1M steps (ours).
    benchmark=tuple(f"mujoco/{name}" for name in ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Walker2d", "Swimmer")),
    simulator="gymnasium v5",
    packages=("mujoco",),
    physics="mujoco",
    random_episodes=100,
    # SAC's are those of the authors' code line (slimSAC) and of Haarnoja et al. 2018; the rest is ours.
    defaults={
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
)
