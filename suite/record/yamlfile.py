"""Read YAML that people write: plain values only, no duplicate keys, at most MOST_BYTES. No JAX.

PyYAML's own loaders keep the last of two equal keys, and no installed YAML library refuses them.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from suite.errors import UserError

MOST_BYTES = 2**20


class _Loader(yaml.SafeLoader):
    """The safe loader without explicit tags, whose values may not fit them, and without duplicate keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        parser: Any = self
        event = parser.peek_event()
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem=f"the tag {event.tag} is not supported", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = Counter((key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for (_, key), times in keys.items():
            if times > 1:
                raise yaml.MarkedYAMLError(problem=f"duplicate key {key!r}", problem_mark=node.start_mark)
        return node


def read(path: Path) -> Any:
    """Return the content of a YAML file. Raises UserError when it is missing, too large or not YAML."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if len(text) > MOST_BYTES:
        raise UserError(f"{path}: not a YAML file, or too large for one (more than {MOST_BYTES:,} bytes)")
    try:
        return _Loader(text.decode()).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or no such date or number
        raise UserError(f"{path}: not a YAML file ({error})") from None
