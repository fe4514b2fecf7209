"""The methods by name. A new method is one function in this folder and one line in METHODS.

A method is `function(training, *, options) -> Sparsifier`; its options are its keyword-only parameters.
"""

from collections.abc import Callable

from baselines.dense import dense
from baselines.schedules import distill, gmp
from suite.eaudeqn import eaudeqn
from suite.types import Sparsifier

METHODS: dict[str, Callable[..., Sparsifier]] = {
    "dense": dense,
    "gmp": gmp,
    "distill": distill,
    "eaudeqn": eaudeqn,
}
