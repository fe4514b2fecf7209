"""What cards can do at most, by their makers' data sheets: dense operations, no structured sparsity. No JAX."""

import re
from typing import NamedTuple


class Peak(NamedTuple):
    """Peak rates of a card; TF32 is that of float32 where a card has no such format."""

    float32: float  # TFLOP/s outside of tensor cores
    tf32: float  # TFLOP/s
    bandwidth: float  # GB/s of its memory


#: Words of JAX's name of the card, in any case -> its peak. The first that fits counts, so variants come first.
#: Sources: NVIDIA's data sheets and architecture papers of H100 (2023), H200 (2024), A100 (2022), Ada (2022), L40S
#: (2023), T4 (2018) and V100 (2018).
PEAKS = {
    "h100 pcie": Peak(51.0, 378.0, 2_000.0),
    "h100 nvl": Peak(60.0, 417.5, 3_900.0),
    "h100": Peak(67.0, 494.5, 3_350.0),
    "h200 nvl": Peak(60.0, 417.5, 4_800.0),
    "h200": Peak(67.0, 494.5, 4_800.0),
    "a100 80gb pcie": Peak(19.5, 156.0, 1_935.0),
    "a100 80gb": Peak(19.5, 156.0, 2_039.0),
    "a100": Peak(19.5, 156.0, 1_555.0),
    "rtx 4090 d": Peak(73.5, 73.5, 1_008.0),
    "rtx 4090": Peak(82.6, 82.6, 1_008.0),
    "l40s": Peak(91.6, 183.0, 864.0),
    "t4": Peak(8.1, 8.1, 320.0),
    "v100 pcie": Peak(14.0, 14.0, 900.0),
    "v100": Peak(15.7, 15.7, 900.0),
}
#: Words of JAX's name of what has less than the card of that name: an instance of MIG, and a laptop's card.
SMALLER = {"mig", "laptop"}


def peak(card: str) -> Peak | None:
    """Return the peak of a card by its name, such as "NVIDIA H100 80GB HBM3".

    None for a card that is not listed, for an instance of MIG, and for a laptop's card.
    """
    named = set(re.findall(r"[a-z0-9]+", card.lower()))
    if named & SMALLER:
        return None
    return next((found for words, found in PEAKS.items() if named.issuperset(words.split())), None)
