"""The two kinds of returns that a comparison can be of. Imports nothing."""

#: Kind -> (the column of a run's history that holds it, what it is).
RETURNS = {
    "training": (
        "return",
        "mean undiscounted training return over the episodes of the last epoch (no separate evaluation)",
    ),
    "evaluation": (
        "evaluation_return",
        "mean undiscounted return over the episodes of the last evaluation (greedy actions, in an environment of its"
        " own)",
    ),
}
