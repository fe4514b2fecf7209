"""The policy that a run hands out: the elected network as safetensors, with a JSON card that says what it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util
from safetensors.numpy import save_file

from suite import records
from suite.sparsity import layer_sparsity, sparsity
from suite.types import Network


def save_policy(folder: Path, network: Network, card: Mapping[str, Any]) -> None:
    """Write policy.safetensors (arrays by path, such as "Conv_0/kernel") and policy.json, each atomically."""
    arrays = {path: np.asarray(leaf) for path, leaf in traverse_util.flatten_dict(network.params, sep="/").items()}
    temporary = folder / (records.POLICY + ".tmp")
    save_file(arrays, temporary)
    temporary.replace(folder / records.POLICY)
    contents = {
        **card,
        "sparsity": sparsity(network.masks),
        "layer_sparsity": layer_sparsity(network.params, network.masks),
        "arrays": {path: {"shape": array.shape, "dtype": str(array.dtype)} for path, array in arrays.items()},
    }
    records.write_json(folder / records.POLICY_CARD, contents)
