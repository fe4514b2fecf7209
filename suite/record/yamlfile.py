"""YAML that people write: plain values only, and of a size that people write. No JAX."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from suite.errors import UserError

MOST_BYTES = 2**20
#: What the loader raises for a file that is none: for a wrong tag or number it has errors of many kinds.
DAMAGE = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key written twice (the plain loader silently keeps the last one)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        for key, times in Counter(self.construct_object(key, deep=True) for key, _ in node.value).items():
            if times > 1:
                raise ValueError(f"duplicate key {key!r}")
        return super().construct_mapping(node, deep)


def read(path: Path) -> Any:
    """What a YAML file holds. Raises UserError when it is missing, too large or none."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES:,} bytes")
        return _Loader(text.decode()).get_single_data()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except DAMAGE as error:
        raise UserError(f"{path}: not a YAML file ({error})") from None
