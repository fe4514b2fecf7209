"""A finished run -> its exported formats -> actions and returns. The run is a record with a random network."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import jax
import numpy as np
import pytest

from suite.deploy import compact, costs
from suite.deploy.cleanup import Cleaned
from suite.deploy.network import Policy
from suite.environments import environment_of
from suite.errors import UserError
from suite.record import schema
from suite.sparsity.masks import apply_masks, kernels
from suite.tracking import film
from suite.tracking.policy import describe, save_policy
from sweeps.compose import compose
from sweeps.config import resolve
from sweeps.export import __main__ as export
from sweeps.export import latency, onnx_graph, play
from sweeps.export.formats import FORMATS, card_of, exported
from tests.support.damage import refused
from tests.support.policies import KINDS, make, observations

ROOT = Path(__file__).resolve().parents[3]
RUNS = {
    "atari/Pong": {
        "agent.network": "small",
        "agent.width": 32,
        "environment.screen_size": 42,
        "environment.max_episode_agent_steps": 30,
        "replay.capacity": 100,
    },
    "mujoco/Hopper": {"environment.max_episode_agent_steps": 30, "replay.capacity": 300},
}


def finished(task: str, folder: Path, sparsity: float = 0.8, **options: str) -> Path:
    """The record of a run that pruned a random network and learned nothing."""
    run = resolve({"task": task, "method": "dense", "seed": 0, **RUNS[task], **options})
    parts = compose(run)
    state = parts.learner.init(0)
    acting = state.actor or state.online[0]
    keys = iter(jax.random.split(jax.random.key(1), 20))
    found = kernels(acting.params)
    masks = {path: jax.random.uniform(next(keys), kernel.shape) >= sparsity for path, kernel in found.items()}
    biased = jax.tree.map(lambda leaf: leaf + 0.02 * (leaf.ndim == 1), apply_masks(acting.params, masks))
    acting = acting._replace(params=biased, masks=masks)
    state = state._replace(actor=acting) if state.actor else state._replace(online=(acting,))
    folder.mkdir()
    config = {"name": run.name, "task": task, "agent": run.agent, "method": run.method, "seed": 0}
    config["options"] = run.options.dump()
    schema.write_json(folder / schema.CONFIG, {"schema": schema.SCHEMA, **config})
    (folder / schema.METRICS).write_text("")
    description = describe(parts.learner.agent, parts.make_environment())
    save_policy(folder, parts.learner.policy(state), description, config)
    schema.write_json(folder / schema.COSTS, costs.of_run(folder))
    schema.write_json(folder / schema.STATUS, {"status": "finished", "seconds": 1.0})
    return folder


@pytest.fixture(scope="module", params=sorted(RUNS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported, but not timed."""
    folder = finished(request.param, tmp_path_factory.mktemp("runs") / "run")
    export.export(folder, export.EXPORTED, "float32", calls=0, observations=50)
    return folder


def test_every_form_acts_as_the_agent_does(run: Path) -> None:
    card = card_of(run)
    seen = export.record(environment_of(card), FORMATS["compact"](run, card), 60)
    asked = list(map(FORMATS["jax"](run, card), seen))
    policy = compact.read(exported(run, "compact"))[0]
    for name in export.EXPORTED:
        act = FORMATS[name](run, card)
        assert export.agreement(act, asked, seen, export.Runner(policy)) == 1
        assert environment_of(card).action_space.contains(np.asarray(act(seen[0])).astype(asked[0].dtype))


@pytest.mark.parametrize("agent", ["sac", "td3"])
def test_a_residual_policy_with_standardized_observations_is_exported(agent: str, tmp_path: Path) -> None:
    """Each format is written only if it acts as the agent does."""
    folder = finished("mujoco/Hopper", tmp_path / "run", agent=agent, **{"agent.network": "simba"})
    told = export.export(folder, export.EXPORTED, "float32", calls=0, observations=20)
    assert [exported(folder, name).exists() for name in export.EXPORTED] == [True] * 3
    assert told[0].startswith("units removed, by hidden layer: 0 of 256, 0 of 1024, 0 of 256")
    card = card_of(folder)
    assert len(FORMATS["onnx"](folder, card)(np.zeros(11, np.float32))) == 3
    assert card["agent"] == agent
    assert play.main([str(folder), "--episodes", "1"]) == 0


def test_the_forms_are_as_small_as_their_costs_say(run: Path) -> None:
    found = schema.read_json(run / schema.COSTS)["policy"]
    card = exported(run, "compact").with_suffix(".json")
    assert exported(run, "compact").stat().st_size + card.stat().st_size == found["bytes"]["compact_disk"]
    assert exported(run, "compact").stat().st_size < 0.5 * exported(run, "dense").stat().st_size
    dense, _ = compact.read(exported(run, "dense"))
    small, _ = compact.read(exported(run, "compact"))
    for left, right in zip(dense.layers, small.layers, strict=True):
        np.testing.assert_array_equal(left.weight, right.weight)
    assert found["kept"] >= found["kept_cleaned"]


def test_half_precision_says_how_often_it_agrees(run: Path) -> None:
    told = export.export(run, ("compact",), "float16", calls=0, observations=50)
    files = exported(run, "compact"), exported(run, "compact").with_suffix(".json")
    found = schema.read_json(run / schema.COSTS)["policy"]["bytes"]
    assert sum(path.stat().st_size for path in files) == found["compact_disk_float16"]
    assert "of 50 greedy actions as in JAX" in told[1]
    export.export(run, ("compact",), "float32", calls=0, observations=50)


def test_a_card_without_its_network_is_completed(run: Path, tmp_path: Path) -> None:
    """Runs that ended before cards described the network."""
    card = schema.read_json(run / schema.POLICY_CARD)
    (old := tmp_path / "run").mkdir()
    schema.write_json(old / schema.STATUS, {"status": "finished"})
    kept = {key: value for key, value in card.items() if key not in ("network", "multiply_adds")}
    schema.write_json(old / schema.POLICY_CARD, kept)
    assert json.loads(json.dumps(card_of(old))) == card


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_play_reports_the_return_with_an_interval(name: str, run: Path, capsys: pytest.CaptureFixture) -> None:
    assert play.main([str(run), "--format", name, "--episodes", "2"]) == 0
    out = capsys.readouterr().out
    assert f"{name}: return " in out and "95 % interval, 2 episodes" in out


def test_one_episode_has_no_interval(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert play.main([str(run), "--episodes", "1"]) == 0
    out = capsys.readouterr().out
    assert "(no interval: one episode, of" in out and "nan" not in out


def test_a_film_is_cut_and_the_return_is_not(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    assert play.main([str(folder), "--episodes", "1"]) == 0
    whole = capsys.readouterr().out
    monkeypatch.setattr(film, "LONGEST", 3)
    assert play.main([str(folder), "--episodes", "1", "--video"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(whole) and "compact.webm: the first 3 frames of the first episode" in told


def test_all_forms_reach_the_same_return(run: Path) -> None:
    card = card_of(run)
    outcomes = {name: play.play(environment_of(card), FORMATS[name](run, card), seed=3) for name in FORMATS}
    total, steps = outcomes["jax"]
    for other, length in outcomes.values():
        assert length == steps and other == pytest.approx(total, rel=1e-3, abs=1e-3)


def test_the_interval_is_students() -> None:
    """Mean 2, standard deviation 1, three episodes: 4.303 / sqrt(3) on either side."""
    assert play.interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 2.4841, 2 + 2.4841), abs=1e-3)


def test_playing_the_compact_form_needs_no_jax(run: Path) -> None:
    code = (
        "import sys; from sweeps.export import play; play.main([sys.argv[1], '--episodes', '1']);"
        " print([name for name in ('jax', 'flax', 'optax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_latencies_are_measured_side_by_side(run: Path) -> None:
    measured = latency.in_process(run, 7)
    assert set(measured["ways"]) == {"jax", "onnxruntime", "onnxruntime_cleaned", "numpy", "runner"}
    for way in measured["ways"].values():
        assert 0 < way["median"] <= way["p95"]
    assert all(choice["kind"] in ("dense", "csr") for choice in measured["runner_choices"])
    assert "runner:" in "\n".join(latency.lines(measured))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
def test_onnx_is_jax_for_every_network(kind: str, sparsity: float) -> None:
    made = make(kind, sparsity)
    seen = observations(kind, 10)
    cleaned = export.clean(made.policy).policy
    act = onnx_graph.load(onnx_graph.build(cleaned, str(seen.dtype), {"task": "x"})).act
    assert export.agreement(act, list(made.in_jax(seen)), list(seen), export.Runner(cleaned)) == 1


def test_a_model_of_another_task_is_one_line(tmp_path: Path) -> None:
    policy = make("mlp", 0.5).policy
    act = onnx_graph.load(onnx_graph.build(policy, "float32", {})).act
    with pytest.raises(UserError, match=r"cannot act on observations float32 \(11,\)"):
        act(observations("sac", 1)[0])


def resized(policy: Policy, outputs: int) -> Policy:
    """The policy with another number of outputs, all of which say the same but for the last, which is the greatest."""
    last = policy.layers[-1]
    bias = np.zeros(outputs, np.float32)
    bias[-1] = 1
    last = last._replace(weight=np.zeros((outputs, last.weight.shape[1]), np.float32), bias=bias)
    return policy._replace(layers=(*policy.layers[:-1], last))


FOREIGN = {
    "too many outputs": lambda policy, card: (resized(policy, 20), card),
    "one output": lambda policy, card: (resized(policy, 1), card),
    "another kind of action": lambda policy, card: (
        policy._replace(action="tanh" if policy.action == "argmax" else "argmax"),
        card,
    ),
    "another run": lambda policy, card: (policy, {**card, "name": "another"}),
    "no name": lambda policy, card: (policy, {}),
}


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("name", export.EXPORTED)
def test_an_export_that_is_not_of_the_run_is_one_line(
    name: str, foreign: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    policy, card = FOREIGN[foreign](*compact.read(exported(copy, "compact")))
    if name == "onnx":
        dtype, about = card_of(copy)["network"]["observation"]["dtype"], {key: str(card[key]) for key in card}
        exported(copy, name).write_bytes(onnx_graph.build(policy, dtype, about))
    else:
        compact.write(exported(copy, name), policy, {key: card[key] for key in ("name", "task") if key in card})
    error = refused(capsys, play.main([str(copy), "--format", name, "--episodes", "1"]))
    assert "should be of" in error and "make it again with python -m sweeps.export" in error


def test_a_model_of_no_policy_is_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Outputs as a policy's in name, but not in shape."""
    from onnx import TensorProto, helper

    copy = Path(shutil.copytree(run, tmp_path / "run"))
    nodes = [helper.make_node("Identity", ["observation"], [name]) for name in ("outputs", "action")]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("observation", "outputs", "action")]
    graph = helper.make_graph(nodes, "policy", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    exported(copy, "onnx").write_bytes(model.SerializeToString())
    error = refused(capsys, play.main([str(copy), "--format", "onnx", "--episodes", "1"]))
    assert "should map an observation to outputs and an action" in error


def test_what_is_no_finished_run_or_not_exported_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for program in (export.main, play.main):
        assert "no finished run" in refused(capsys, program([str(tmp_path)]))


@pytest.mark.parametrize("name", export.EXPORTED)
def test_a_form_that_is_missing_or_damaged_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = finished("mujoco/Hopper", tmp_path / "run")
    assert "make it with python -m sweeps.export" in refused(capsys, play.main([str(run), "--format", name]))
    export.export(run, (name,), "float32", calls=0, observations=3)
    path = exported(run, name)
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in refused(capsys, play.main([str(run), "--format", name]))


@pytest.mark.parametrize("dtype", compact.DTYPES)
@pytest.mark.parametrize("name", export.EXPORTED)
def test_a_form_that_acts_otherwise_is_not_written(
    name: str, dtype: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """As if the clean-up had turned the outputs round. Half precision, which only the compact format has, is told;
    a run whose exports are sound keeps them."""
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    before = {path.name: path.read_bytes() for path in (folder / schema.EXPORT).iterdir()}

    def wrong(policy: Policy) -> Cleaned:
        last = policy.layers[-1]
        turned = last._replace(weight=-last.weight, bias=-last.bias)
        return Cleaned(policy._replace(layers=(*policy.layers[:-1], turned)), [0] * len(policy.layers[1:]), [])

    monkeypatch.setattr(export, "clean", wrong)
    if name == "compact" and dtype == "float16":
        assert " greedy actions as in JAX" in export.export(folder, (name,), dtype, calls=0, observations=20)[-1]
        return
    with pytest.raises(UserError, match=r"run/export/.* of the actions differ from the agent's; it is not written"):
        export.export(folder, (name,), dtype, calls=0, observations=20)
    assert {path.name: path.read_bytes() for path in (folder / schema.EXPORT).iterdir()} == before
    shutil.rmtree(folder / schema.EXPORT)
    with pytest.raises(UserError, match="it is not written"):
        export.export(folder, (name,), dtype, calls=0, observations=20)
    assert {path.name for path in folder.iterdir()} == {path.name for path in run.iterdir()} - {schema.EXPORT}


def test_an_export_that_is_not_timed_keeps_what_was_measured(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    export.export(folder, ("compact",), "float32", calls=7, observations=3)
    measured = schema.read_json(folder / schema.COSTS)
    assert set(measured["latency"]["ways"]) >= {"jax", "runner"}
    export.export(folder, ("compact",), "float32", calls=0, observations=3)
    assert schema.read_json(folder / schema.COSTS) == measured
    (folder / schema.COSTS).unlink()
    export.export(folder, ("compact",), "float32", calls=0, observations=3)
    assert schema.read_json(folder / schema.COSTS) == {**measured, "latency": None}


def test_the_environment_is_the_runs_own(run: Path) -> None:
    environment = environment_of(card_of(run))
    assert isinstance(environment, gymnasium.Env)
    lengths = play.play(environment, lambda observation: environment.action_space.sample(), 0)[1]
    assert lengths <= 30
