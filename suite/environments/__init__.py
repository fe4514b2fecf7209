"""Gymnasium environments with the paper's protocol; every item of a protocol is an option. ENVIRONMENTS names them."""

from suite.environments import atari, mujoco

ENVIRONMENTS = {"atari": atari.make, "mujoco": mujoco.make}  # by the family of a task
