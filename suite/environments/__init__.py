"""Gymnasium environments with the paper's protocol; every item of a protocol is an option. ENVIRONMENTS names them."""

from suite.environments import atari

ENVIRONMENTS = {"atari": atari.make}  # by the family of a task
