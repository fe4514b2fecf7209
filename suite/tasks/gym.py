"""Any registered gymnasium environment, as gym/CartPole-v1: returns have no score unless references are given."""

from suite.tasks.base import Family

GYM = Family(
    tasks={},
    reference="reference",
    source="",
    benchmark=(),
    simulator="gymnasium",
    find="suite.environments.gym:find",
)
