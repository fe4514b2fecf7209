"""What the axes of an observation are."""

from typing import Any

from gymnasium import spaces


class Channels(spaces.Box):
    """Images [channels, height, width] of one moment. A plain Box of three axes or more is a stack of frames."""


def is_stack(space: spaces.Space[Any]) -> bool:
    """Return whether the first axis of an observation counts frames, the newest last."""
    return len(space.shape or ()) >= 3 and not isinstance(space, Channels)
