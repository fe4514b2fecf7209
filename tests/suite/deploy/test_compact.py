"""The compact file: what goes in comes out, small; and what no writer wrote is refused with one line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from suite.deploy import compact
from suite.deploy.network import Policy
from suite.deploy.runner import Runner
from suite.errors import UserError
from tests.support import damage
from tests.support.policies import KINDS, make


def assert_same(a: Policy, b: Policy) -> None:
    assert (a.observation_shape, a.divided_by, a.action) == (b.observation_shape, b.divided_by, b.action)
    for left, right in zip(a.layers, b.layers, strict=True):
        np.testing.assert_array_equal(left.weight, right.weight)
        np.testing.assert_array_equal(left.bias, right.bias)
        assert (left.stride, left.relu) == (right.stride, right.relu)


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.95, 0.999, 1.0])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_file_holds_the_policy(kind: str, sparsity: float, tmp_path: Path) -> None:
    policy = make(kind, sparsity).policy
    path = tmp_path / "compact.safetensors"
    compact.write(path, policy, {"task": "atari/Pong"})
    found, card = compact.read(path)
    assert_same(found, policy)
    assert card["task"] == "atari/Pong"
    assert [entry["kept"] for entry in card["layers"]] == [np.count_nonzero(part.weight) for part in policy.layers]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 300) | st.just(256),
    st.sampled_from([0.0, 0.3, 0.9, 0.99, 1.0]),
    st.integers(0, 2**16),
)
def test_every_encoding_is_exact_and_the_smallest_is_taken(rows: int, width: int, sparsity: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((rows, width)) >= sparsity, rng.normal(size=(rows, width)), 0).astype(np.float32)
    sizes = {}
    for encoding in compact.ENCODINGS:
        _, parts = compact.encode(matrix, allowed=(encoding,))
        sizes[encoding] = sum(part.nbytes for part in parts.values())
        np.testing.assert_array_equal(compact._decode(encoding, parts, rows, width), matrix)
    kept = np.count_nonzero(matrix)
    column, count = 1 if width <= 256 else 2, 1 if width < 256 else 2  # bytes: columns go to width - 1
    assert sizes["dense"] == 4 * rows * width
    assert sizes["mask"] == 4 * kept + -(-rows * width // 8)
    assert sizes["csr"] == 4 * kept + column * kept + count * rows
    assert sizes[compact.encode(matrix)[0]] == min(sizes.values())


def test_half_precision_is_half_as_large_and_close() -> None:
    policy = make("sac", 0.5).policy
    data, card = compact.pack(policy, {}, "float16")
    found = compact.unpack(load(data), json.loads(card), "file")
    for left, right in zip(found.layers, policy.layers, strict=True):
        np.testing.assert_allclose(left.weight, right.weight, rtol=1e-3, atol=1e-7)
    assert len(data) < 0.7 * len(compact.pack(policy, {})[0])


def test_what_half_precision_takes_for_zero_is_not_kept() -> None:
    policy = make("sac", 0.5).policy
    first = policy.layers[0]
    weight = first.weight.copy()
    weight[:, ::2] *= np.float32(1e-12)
    policy = policy._replace(layers=(first._replace(weight=weight), *policy.layers[1:]))
    data, text = compact.pack(policy, {}, "float16")
    card = json.loads(text)
    found = compact.unpack(load(data), card, "file")
    kept = [np.count_nonzero(part.weight) for part in found.layers]
    assert [entry["kept"] for entry in card["layers"]] == kept
    assert kept[0] < np.count_nonzero(weight)


def test_what_half_precision_cannot_hold_is_refused() -> None:
    with pytest.raises(UserError, match=r"1e\+06 is too large for float16"):
        compact.encode(np.array([[1e6]], np.float32), "float16")


@pytest.fixture(scope="module")
def packed() -> tuple[dict[str, np.ndarray], dict]:
    """A dense, a masked and a CSR layer."""
    policy = make("sac", 0.0).policy
    weights = [part.weight.copy() for part in policy.layers]
    weights[1][np.random.default_rng(0).random(weights[1].shape) < 0.5] = 0
    weights[2][:, 3:] = 0
    weights[2][1:] = 0
    layers = (part._replace(weight=weight) for part, weight in zip(policy.layers, weights, strict=True))
    data, text = compact.pack(policy._replace(layers=tuple(layers)), {})
    card = json.loads(text)
    assert [entry["encoding"] for entry in card["layers"]] == ["dense", "mask", "csr"]
    return load(data), card


def replaced(array: np.ndarray, index: int, value: float) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


HOSTILE_ARRAYS = {
    "a NaN": ("0.values", lambda a: replaced(a, 5, np.nan), "NaN or infinite"),
    "an infinite bias": ("1.bias", lambda a: replaced(a, 0, np.inf), "NaN or infinite"),
    "too few weights": ("0.values", lambda a: a[:-1], "439 weights for 440 places"),
    "a short mask": ("1.mask", lambda a: a[:-1], "a mask of 199 bytes"),
    "a mask of another count": ("1.mask", lambda a: replaced(a, 0, a[0] ^ 1), "weights for"),
    "an index out of range": ("2.columns", lambda a: replaced(a, 2, 40), "an index of 40, should be below 40"),
    "indices that repeat": ("2.columns", lambda a: replaced(a, 1, 0), "do not rise"),
    "counts of another sum": ("2.counts", lambda a: replaced(a, 0, 200), "rows with 200 indices"),
    "too many rows": ("2.counts", lambda a: np.append(a, a[:1] * 0), "should be 3"),
    "a kept weight that is zero": ("2.values", lambda a: replaced(a, 0, 0), "keeps 2 weights, not 3 as its card says"),
    "signed indices": ("2.columns", lambda a: a.astype(np.int8), "not unsigned"),
    "doubles": ("1.values", lambda a: a.astype(np.float64), "not of the type"),
    "two axes": ("1.values", lambda a: a[None], "not a vector"),
    "a long bias": ("2.bias", lambda a: np.append(a, a), "biases of shape .* for 3 units"),
}


@pytest.mark.parametrize("name", HOSTILE_ARRAYS)
def test_hostile_arrays_are_refused(name: str, packed: tuple) -> None:
    arrays, card = packed
    key, change, words = HOSTILE_ARRAYS[name]
    with pytest.raises(UserError, match=words):
        compact.unpack({**arrays, key: change(arrays[key])}, card, "file")


@pytest.mark.parametrize(
    "path, value, words",
    [
        (("layers", 0, "shape"), [10**6, 11], "layer 1 takes 40 inputs, but is given 1000000"),
        (("layers", 2, "shape"), [2**30, 40], "needs memory for"),  # 160 GB, of a file of some kB
        (("layers", 2, "shape"), [10**300, 40], "card is damaged"),
        (("layers", 2, "shape"), [-3, 40], "card is damaged"),
        (("layers", 2, "shape"), [3.0, 40], "card is damaged"),
        (("layers", 2, "shape"), [3, 40, 1], "does not fit inputs"),
        (("observation", "shape"), [2**30], "given 1073741824"),
        (("observation", "divided_by"), "much", "card is damaged"),
        (("observation", "divided_by"), float("nan"), "should be a number above 0"),
        (("layers", 1, "shape"), [2**40, 2**40], "card is damaged"),  # terabytes
        (("layers", 0, "stride"), 0, "card is damaged"),
        (("layers", 0, "relu"), 1, "relu is 1, should be true or false"),
        (("layers", 0, "kept"), 1, "layer 0 keeps 440 weights, not 1 as its card says"),
        (("observation", "shape"), [2**31 - 1] * 500, "observations of 500 axes"),
        (("observation", "shape"), [], "observations of 0 axes"),
        (("observation", "divided_by"), 1e-300, "that float32 holds"),
        (("observation", "divided_by"), 1e300, "that float32 holds"),
        (("layers", 0, "encoding"), "zip", "card is damaged"),
        (("layers", 0, "encoding"), "mask", "its card says"),
        (("layers",), [], "holds the arrays"),
        (("layers",), None, "card is damaged"),
        (("dtype",), "bfloat16", "should be one of"),
        (("action",), "sample", "should be one of"),
    ],
)
def test_a_hostile_card_is_refused(path: tuple, value: object, words: str, packed: tuple) -> None:
    arrays, card = packed
    with pytest.raises(UserError, match=words):
        compact.unpack(arrays, damage.replaced(card, path, value), "file")


def test_indices_of_any_unsigned_type_are_read(packed: tuple) -> None:
    arrays, card = packed
    wide = {key: array.astype(np.uint64) if "columns" in key else array for key, array in arrays.items()}
    assert_same(compact.unpack(wide, card, "file"), compact.unpack(arrays, card, "file"))


def convolutions(observation: list[int], kernels: list[tuple[list[int], int]]) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the card of convolutions without weights (shape, stride), to one position, and a dense layer."""
    kernels = [*kernels, ([1, kernels[-1][0][0]], 1)]
    arrays = {}
    for number, (shape, _) in enumerate(kernels):
        arrays[f"{number}.values"], arrays[f"{number}.columns"] = np.zeros(0, np.float32), np.zeros(0, np.uint8)
        arrays[f"{number}.counts"], arrays[f"{number}.bias"] = np.zeros(shape[0], np.uint8), np.zeros(shape[0], "f4")
    layers = [
        {"shape": shape, "stride": stride, "relu": True, "encoding": "csr", "kept": 0} for shape, stride in kernels
    ]
    about = {"shape": observation, "divided_by": 1.0}
    return arrays, {"dtype": "float32", "observation": about, "action": "argmax", "layers": layers}


@pytest.mark.parametrize(
    "observation, kernels",
    [
        ([1, 1000, 1000], [([1, 1, 11, 11], 1)] * 62 + [([1, 1, 11, 11], 1000)]),  # 30 GB of patches, by layer 0.5
        ([1, 1, 2**20], [([1, 1, 2**20, 1], 2**20)]),  # 4 TB of padding
    ],
)
def test_what_all_layers_need_together_is_bounded(observation: list[int], kernels: list) -> None:
    arrays, card = convolutions(observation, kernels)
    with pytest.raises(UserError, match="numbers at once; the most is 134,217,728"):
        compact.unpack(arrays, card, "file")
    arrays, card = convolutions([1, 10, 10], [([1, 1, 3, 3], 1), ([1, 1, 3, 3], 10)])
    Runner(compact.unpack(arrays, card, "file"))(np.zeros((1, 10, 10)))


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_file_of_terabytes_is_refused_before_it_is_read(suffix: str, tmp_path: Path) -> None:
    """With a header that fits its size; on the disk it is a hole."""
    path = tmp_path / "compact.safetensors"
    compact.write(path, make("mlp", 0.9).policy, {})
    header = json.dumps({"0.bias": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    hostile = path.with_suffix(suffix)
    hostile.write_bytes(b"{" if suffix == ".json" else len(header).to_bytes(8, "little") + header)
    os.truncate(hostile, 8 + len(header) + 4 * 10**12)
    with pytest.raises(UserError, match=rf"{suffix}: 4,000,000,000,\d+ bytes; the most is"):
        compact.read(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_one_line_or_still_a_policy(tmp_path_factory, data: st.DataObject) -> None:
    """Cut anywhere, or with any byte changed, a file is refused in one line; a changed weight is still a weight."""
    policy = make("mlp", 0.9).policy
    path = tmp_path_factory.mktemp("damaged") / "compact.safetensors"
    compact.write(path, policy, {})
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        found, _ = compact.read(path)
        assert [part.weight.shape for part in found.layers] == [part.weight.shape for part in policy.layers]
    except UserError as error:
        assert str(path) in str(error)


def test_another_format_a_missing_file_and_a_missing_card_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "compact.safetensors"
    with pytest.raises(UserError, match=r"compact\.json: cannot be read"):
        compact.read(path)
    compact.write(path, make("mlp", 0.5).policy, {})
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**card, "version": 3}))
    with pytest.raises(UserError, match="of version 1"):
        compact.read(path)
    for hostile in ("[" * 10**6, '{"version": ' + "9" * 10**5 + "}", '{"a": ' * 10**5):
        path.with_suffix(".json").write_text(hostile)
        with pytest.raises(UserError, match=r"compact\.json: not valid JSON"):
            compact.read(path)
    path.with_suffix(".json").write_text(json.dumps(card))
    path.write_bytes(save({"0.values": np.zeros(1)}))
    with pytest.raises(UserError, match="holds the arrays"):
        compact.read(path)
    path.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        compact.read(path)
