"""The compact format of a policy: a safetensors file of the kept weights alone, and a JSON card on them.

Each layer is stored in whichever of ENCODINGS takes the fewest bytes. A reader checks
everything: sizes before it allocates, indices before it uses them.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from suite.deploy.fields import Fields
from suite.deploy.network import ACTIONS, KERNEL, KINDS, Form, Layer, Policy, check, check_shapes
from suite.errors import UserError
from suite.record import files, schema

FORMAT, CHAIN, GRAPH = "compact sparse policy", 1, 2  # versions: layers with kernels, each reading the one before; any
DTYPES = ("float32", "float16")  # of the weights; biases are float32
#: As safetensors names them.
NUMPY_DTYPES = ("BOOL", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "F16", "F32", "F64")
#: What a file may ask for: numbers that acting takes, as check_shapes counts them, and bytes of the two files.
MOST_NUMBERS = 2**27
MOST_BYTES, MOST_CARD_BYTES = 8 * MOST_NUMBERS, 2**20
#: dense: all weights. mask: one bit a weight, whether it is kept. csr: the columns of the kept weights, row by row, and
#: how many there are in each row. The kept weights follow in the order of the kernel.
ENCODINGS: dict[str, tuple[str, ...]] = {
    "dense": ("values",),
    "mask": ("values", "mask"),
    "csr": ("values", "columns", "counts"),
}

Arrays = dict[str, np.ndarray]


class Entry(NamedTuple):
    """The description of a layer in a card."""

    form: Form
    relu: bool
    encoding: str  # one of ENCODINGS
    kept: int


def encode(matrix: np.ndarray, dtype: str = "float32", allowed: Sequence[str] = tuple(ENCODINGS)) -> tuple[str, Arrays]:
    """Return the smallest allowed encoding of a matrix, and its arrays. Raises UserError if a weight overflows."""
    with np.errstate(over="ignore"):
        rounded = matrix.astype(dtype)
    if not np.isfinite(rounded).all():
        raise UserError(f"a weight of {np.abs(matrix).max():.3g} is too large for {dtype}; use float32")
    kept, width = rounded != 0, matrix.shape[1]
    parts = {
        "values": rounded[kept],
        "mask": np.packbits(kept),
        "columns": np.nonzero(kept)[1].astype(np.min_scalar_type(width - 1)),
        "counts": kept.sum(axis=1).astype(np.min_scalar_type(width)),
    }
    encodings = {name: {key: parts[key] for key in keys} for name, keys in ENCODINGS.items()}
    encodings["dense"] = {"values": rounded.ravel()}
    return min(
        ((name, encodings[name]) for name in allowed), key=lambda item: sum(array.nbytes for array in item[1].values())
    )


def origin(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of the run in an exported format; `card` is the run's policy.json."""
    about = {key: card[key] for key in ("name", "task", "method", "seed")}
    return {**about, "environment": card["options"]["environment"]}


def pack(
    policy: Policy, card: Mapping[str, Any], dtype: str = "float32", allowed: Sequence[str] = tuple(ENCODINGS)
) -> tuple[bytes, bytes]:
    """Return the safetensors file and the card, which extends `card` (where the policy comes from)."""
    arrays: Arrays = {}
    layers = []
    for number, layer in enumerate(policy.layers):
        prunable = layer.kind == KERNEL
        encoding, parts = encode(layer.matrix, dtype, allowed) if prunable else encode(layer.matrix, allowed=["dense"])
        arrays |= {f"{number}.{key}": part for key, part in parts.items()}
        arrays[f"{number}.bias"] = layer.bias
        kept = int(np.count_nonzero(parts["values"]))
        about = {"shape": layer.weight.shape, "stride": layer.stride, "relu": layer.relu}
        form = layer.form._asdict()
        unusual = {key: form[key] for key, usual in Form._field_defaults.items() if form[key] != usual}
        layers.append({**about, "encoding": encoding, "kept": kept, **unusual})
    contents = {
        "format": FORMAT,
        "version": CHAIN if all(layer.form[2:] == Form((), 1)[2:] for layer in policy.layers) else GRAPH,
        **card,
        "dtype": dtype,
        "observation": {"shape": policy.observation_shape, "divided_by": policy.divided_by},
        "layers": layers,
        "action": policy.action,
    }
    return save(arrays), (json.dumps(schema.plain(contents), indent=1) + "\n").encode()


def write(
    path: Path,
    policy: Policy,
    card: Mapping[str, Any],
    dtype: str = "float32",
    allowed: Sequence[str] = tuple(ENCODINGS),
) -> None:
    """Write `path` (.safetensors) and the card beside it (.json), each atomically."""
    arrays, about = pack(policy, card, dtype, allowed)
    files.write(path, [arrays], lasting=False)
    files.write(path.with_suffix(".json"), [about], lasting=False)


def read_arrays(path: Path) -> Arrays:
    """Read the arrays of a safetensors file. Raises UserError when it cannot be read or is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            keys = list(file.keys())
            other = [key for key in keys if file.get_slice(key).get_dtype() not in NUMPY_DTYPES]
            if other:
                raise UserError(f"{path}: {other[0]} has a type that numpy lacks; the file is damaged")
            return {key: file.get_tensor(key) for key in keys}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except SafetensorError as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}); the file is damaged") from None


def read(path: Path) -> tuple[Policy, dict[str, Any]]:
    """Read the policy in a compact file, and its card.

    Raises UserError when one of the two is missing or damaged, or describes no policy.
    """
    card = schema.read_json(_bounded(path.with_suffix(".json"), MOST_CARD_BYTES))
    if (card.get("format"), card.get("version")) not in ((FORMAT, CHAIN), (FORMAT, GRAPH)):
        found = f"{card.get('format')!r} of version {card.get('version')!r}"
        raise UserError(
            f"{path.with_suffix('.json')}: holds {found}, should be {FORMAT!r} of version {CHAIN} or {GRAPH}"
        )
    return unpack(read_arrays(_bounded(path, MOST_BYTES)), card, str(path)), card


def _bounded(path: Path, most: int) -> Path:
    """Return the path. Raises UserError when the file is too large to be read whole."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if size > most:
        raise UserError(f"{path}: {size:,} bytes; the most is {most:,}, so the file is damaged")
    return path


def unpack(arrays: Mapping[str, np.ndarray], card: Mapping[str, Any], name: str) -> Policy:
    """Return the policy in the arrays that a card describes. Raises UserError, which names `name`, as `read` does."""
    fields = Fields(card, name)
    observation, dtype = fields.inner("observation"), fields.text("dtype", DTYPES)
    shape, divided_by = observation.wholes("shape", 1), observation.number("divided_by")
    action, entries = fields.text("action", ACTIONS), list(map(_entry, fields.list("layers")))
    expected = {f"{i}.{key}" for i, entry in enumerate(entries) for key in (*ENCODINGS[entry.encoding], "bias")}
    if set(arrays) != expected:
        raise UserError(f"{name}: holds the arrays {sorted(arrays)}, but its card says {sorted(expected)}")
    numbers = check_shapes(shape, [entry.form for entry in entries], name)
    if numbers > MOST_NUMBERS:
        raise UserError(f"{name}: needs memory for {numbers:,} numbers at once; the most is {MOST_NUMBERS:,}")
    layers = []
    for number, entry in enumerate(entries):
        parts = {key: arrays[f"{number}.{key}"] for key in (*ENCODINGS[entry.encoding], "bias")}
        stored = dtype if entry.form.kind == KERNEL else "float32"
        layers.append(_layer(entry, parts, stored, f"{name}: layer {number}"))
    policy = Policy(shape, divided_by, tuple(layers), action)
    check(policy, name)
    return policy


def _entry(fields: Fields) -> Entry:
    form = Form(
        fields.wholes("shape", 0),
        fields.whole("stride", 1),
        fields.text("kind", KINDS, KERNEL),
        fields.wholes("reads", 1, (1,)),
        fields.whole("window", 0, 0),
    )
    return Entry(form, fields.flag("relu"), fields.text("encoding", ENCODINGS), fields.whole("kept", 0))


def _layer(entry: Entry, parts: Arrays, dtype: str, name: str) -> Layer:
    """Decode a layer from its arrays. Raises UserError, which begins with `name`, if they contradict its entry."""
    if parts["values"].dtype != dtype or parts["bias"].dtype != "float32":
        raise UserError(f"{name} is not of the type that its card says; the file is damaged")
    shape, stride, kind, reads, window = entry.form
    try:
        weight = _decode(entry.encoding, parts, shape[0], math.prod(shape[1:])).reshape(shape)
    except ValueError as error:
        raise UserError(f"{name}: {error}; the file is damaged") from None
    found = np.count_nonzero(weight)
    if found != entry.kept:
        raise UserError(f"{name} keeps {found} weights, not {entry.kept} as its card says; the file is damaged")
    return Layer(weight, parts["bias"], stride, entry.relu, kind, reads, window)


def _decode(encoding: str, parts: Arrays, rows: int, width: int) -> np.ndarray:
    """Decode the matrix [rows, width], float32. Raises ValueError if the arrays contradict each other."""
    values = parts["values"]
    if any(part.ndim != 1 for part in parts.values()):
        raise ValueError("an array is not a vector")
    kept = {"dense": _all_kept, "mask": _kept_of_mask, "csr": _kept_of_csr}[encoding](parts, rows, width)
    if len(kept) != len(values):
        raise ValueError(f"{len(values)} weights for {len(kept)} places")
    matrix = np.zeros(rows * width, np.float32)
    matrix[kept] = values
    return matrix.reshape(rows, width)


def _all_kept(parts: Arrays, rows: int, width: int) -> np.ndarray:
    return np.arange(rows * width)


def _kept_of_mask(parts: Arrays, rows: int, width: int) -> np.ndarray:
    mask = parts["mask"]
    if mask.dtype != np.uint8 or len(mask) != -(-rows * width // 8):
        raise ValueError(f"a mask of {mask.nbytes} bytes for {rows * width} weights")
    bits = np.unpackbits(mask)
    if bits[rows * width :].any():
        raise ValueError("a mask keeps weights beyond the last one")
    return np.flatnonzero(bits)


def _kept_of_csr(parts: Arrays, rows: int, width: int) -> np.ndarray:
    columns, counts = parts["columns"], parts["counts"]
    if columns.dtype.kind != "u" or counts.dtype.kind != "u":
        raise ValueError("its indices are not unsigned whole numbers")
    if len(counts) != rows or counts.sum(dtype=np.float64) != len(columns):
        raise ValueError(f"{len(counts)} rows with {counts.sum()} indices, should be {rows} with {len(columns)}")
    if (columns >= width).any():
        raise ValueError(f"an index of {columns.max()}, should be below {width}")
    kept = np.repeat(np.arange(rows), counts.astype(np.int64)) * width + columns.astype(np.int64)
    if (np.diff(kept) <= 0).any():
        raise ValueError("its indices do not rise within a row")
    return kept
