"""What tests expect of methods, by their names."""

NEVER_PRUNE = frozenset({"dense"})
WITHOUT_A_SET_SPARSITY = NEVER_PRUNE | {"eaudeqn"}
NETWORKS = {"eaudeqn": 5}  # K by default; of all others 1
#: Methods with different mechanisms: a schedule that keeps masks nested, one that rewires, and K networks.
DISTINCT = ("gmp", "rigl", "eaudeqn")
