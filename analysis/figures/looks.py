"""How figures show the rows of the table: each method has one colour and one marker, the same in every figure.

The methods of this benchmark have theirs from baselines.registry. Other methods take them from a fixed palette, in the
order of their names. Variants of one method share its hue and marker, and differ in lightness, line style and fill.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.colors import to_rgb

from baselines.registry import METHODS

Colour = tuple[float, float, float]  # red, green, blue, each from 0 to 1
Dashes = str | tuple[int, tuple[float, ...]]

LINESTYLES: tuple[Dashes, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
#: Paul Tol's colour-blind palette "muted" (personal.sron.nl/~pault). Its length and those of LINESTYLES and of
#: OTHER_MARKERS have no common divisor, so that methods are told apart even when the colours repeat.
OTHER_COLOURS = (
    "#332288", "#cc6677", "#117733", "#88ccee", "#882255", "#ddcc77", "#44aa99", "#aa4499", "#999933",
)  # fmt: skip
OTHER_MARKERS = "os^Dv<>"
#: Of a method's variants: share of white, or if negative of black. Their number has no common divisor with that of
#: LINESTYLES either.
SHADES = (0.0, 0.45, -0.4, 0.25, -0.2, 0.6, -0.55, 0.12, -0.1)


class Look(NamedTuple):
    """How a row of the table is drawn."""

    label: str
    colour: Colour
    marker: str
    linestyle: Dashes
    filled: bool  # the marker

    def line(self) -> dict[str, Any]:
        """Return matplotlib's options of the row's line, without its markers."""
        return {"color": self.colour, "label": self.label, "linestyle": self.linestyle, "linewidth": 1.3}

    def points(self, size: float) -> dict[str, Any]:
        """Return matplotlib's options of the row's markers."""
        inside, edge = (self.colour, "white") if self.filled else ("white", self.colour)
        width = 0.4 if self.filled else 0.9
        return {
            "marker": self.marker,
            "markersize": size * (1.6 if self.marker == "*" else 1.0),  # a star looks smaller than it is
            "markerfacecolor": inside,
            "markeredgecolor": edge,
            "markeredgewidth": width,
        }


def looks(methods: Mapping[str, str]) -> dict[str, Look]:
    """Return {row: look} for {row of the table: its method}, in the same order.

    A row with the name of its method alone has the method's own colour; then the others follow in their order.
    """
    names = {row: base_name(method) for row, method in methods.items()}
    others = sorted(set(names.values()) - METHODS.keys())
    positions = {name: position for position, name in enumerate([*METHODS, *others])}
    found = {}
    for row, name in names.items():
        variants = sorted((other for other in names if names[other] == name), key=lambda other: other != name)
        variant = variants.index(row)
        colour, marker = _of_method(name, others)
        found[row] = Look(
            label=row,
            colour=shade(colour, SHADES[variant % len(SHADES)]),
            marker=marker,
            linestyle=LINESTYLES[(positions[name] + variant) % len(LINESTYLES)],
            filled=variant % 2 == 0,
        )
    return found


def base_name(method: str) -> str:
    """Return a method's name without its options.

    >>> base_name("gmp:final_sparsity=0.9"), base_name("eaudeqn, width=32")
    ('gmp', 'eaudeqn')
    """
    return re.split("[:,]", method, maxsplit=1)[0].strip()


def _of_method(name: str, others: list[str]) -> tuple[Colour, str]:
    """Return the colour and the marker of a method. `others` are all methods that are not in the registry."""
    if name in METHODS:
        return to_rgb(METHODS[name].colour), METHODS[name].marker
    place = others.index(name)
    return to_rgb(OTHER_COLOURS[place % len(OTHER_COLOURS)]), OTHER_MARKERS[place % len(OTHER_MARKERS)]


def shade(colour: Colour, share: float) -> Colour:
    """Mix a colour with this share of white, or if it is negative with so much black; the hue stays."""
    end = 1.0 if share > 0 else 0.0
    red, green, blue = (part + abs(share) * (end - part) for part in colour)
    return red, green, blue
