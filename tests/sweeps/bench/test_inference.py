"""Every way of the study computes a layer of the sparsity that it says."""

from pathlib import Path

import numpy as np
import pytest

from sweeps.bench import inference as bench
from tests.support.damage import refused


@pytest.mark.parametrize("shape, kernel, stride", [((48,), (24, 48), 1), ((8, 6, 6), (16, 8, 2, 2), 2)])
def test_every_way_computes_the_layer(shape: tuple, kernel: tuple, stride: int) -> None:
    """Its bias and ReLU too, so that all are timed at the same work."""
    layer, x = bench.make_layer(kernel, stride), np.ones(shape, np.float32)
    layer = layer._replace(bias=np.linspace(-1, 1, len(layer.weight), dtype=np.float32))
    dense = {name: np.asarray(step(x)).ravel() for name, step in bench.dense_ways(layer, shape).items()}
    assert {"numpy dense", "onnxruntime dense"} <= set(dense)
    for name in set(dense) - {"onnxruntime dense", "OpenVINO dense"}:  # those give the action
        np.testing.assert_allclose(dense[name], dense["numpy dense"], rtol=1e-5)
    sparse = {name: np.asarray(step(x)).ravel() for name, step in bench.sparse_ways(layer, shape, 0.0).items()}
    for values in sparse.values():  # at sparsity 0 nothing is left out
        np.testing.assert_allclose(values, dense["numpy dense"], rtol=1e-4, atol=1e-5)


def test_a_line_a_layer_sparsity_and_way() -> None:
    lines = bench.time_layers(1, {"a layer": ((16,), (8, 16), 1)})
    ways = {line[4] for line in lines}
    assert {"numpy dense", "scipy CSR", "fewer units", "1:M by index"} <= ways
    assert len(lines) == len(ways) * len(bench.SPARSITIES)
    for line in lines:
        named = dict(zip(bench.COLUMNS, line, strict=True))
        assert named["weights"] == 128 and 0 < named["median"] <= named["p95"]


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path: Path, monkeypatch, capsys) -> None:
    def measure(calls: int) -> list:
        pytest.fail("measured for nothing")

    monkeypatch.setattr(bench, "time_layers", measure)
    (tmp_path / "file").write_text("")
    refused(capsys, bench.main(["--here", "--out", str(tmp_path / "file/out")]))
