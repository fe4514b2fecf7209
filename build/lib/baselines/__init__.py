"""The methods by name. A new method is one function in this folder, imported here, and one line in METHODS.

A method is `function(training, *, options) -> Sparsifier`; its options are its keyword-only parameters.
"""

from collections.abc import Callable

from baselines.dense import dense
from baselines.rewire import rigl, sparse_evolution
from baselines.schedules import (
    constant_sparsity,
    cosine_pruning,
    distill,
    exponential_pruning,
    gmp,
    iterative_pruning,
    linear_pruning,
    oneshot,
    ste,
)
from baselines.static import static
from suite.eaudeqn import eaudeqn
from suite.types import Sparsifier

METHODS: dict[str, Callable[..., Sparsifier]] = {
    "dense": dense,
    "gmp": gmp,
    "linear": linear_pruning,
    "cosine": cosine_pruning,
    "exponential": exponential_pruning,
    "iterative": iterative_pruning,
    "oneshot": oneshot,
    "constant": constant_sparsity,
    "ste": ste,
    "static": static,
    "set": sparse_evolution,
    "rigl": rigl,
    "distill": distill,
    "eaudeqn": eaudeqn,
}
