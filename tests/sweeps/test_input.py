"""Whatever is typed, or stands in a sweep file or in the folder of a run, is run or is one line and exit code 2."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.environments import environment_of
from suite.errors import UserError
from suite.record import schema
from suite.tasks import TASKS
from sweeps import command_line, execute, grid, launch
from sweeps import run as entry
from sweeps import sweep as sweep_module
from sweeps.config import MOST_STEPS, resolve
from sweeps.export import __main__ as export
from sweeps.export import play
from sweeps.export.formats import FORMATS, card_of
from sweeps.plan import resolve_all
from tests.support.damage import FUZZ, YAML, damaged, mutated, one_line_or_fine, refused
from tests.support.sweeps import TINY, run_flags
from tests.sweeps.export.test_export import finished

ROOT = Path(__file__).resolve().parents[2]
BASE = [
    "--wandb=disabled",
    "--task=atari/Pong",
    "--method=dense",
    "--seed=0",
    "--replay.capacity=100",
    "--agent.network=small",
]
LONG = "x" * 5_000


class Began(Exception):
    """A run would begin now."""


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_: Any, **__: Any) -> None:
        raise Began

    monkeypatch.setattr(execute, "Trainer", begin)
    monkeypatch.setattr(sweep_module, "measure_speeds", begin)


# A run ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [
        ["--folder="],
        ["--folder", LONG],
        ["--folder={tmp}/file"],
        ["--folder={tmp}/file/below"],
        ["--record={tmp}/file"],
        ["--record={tmp}/file/below"],
        ["--record", "{tmp}/" + LONG],
        ["--record={tmp}"],
        ["--checkpoint-interval=nan"],
        ["--checkpoint-interval=-1"],
        ["--checkpoint-interval="],
        ["--wandb="],
        ["--seed=18446744073709551616"],
        ["--seed=-1"],
        ["--seed=1.5"],
        ["--seed=" + "9" * 5000],
        ["--task=atari/../Pong"],
        ["--task=/etc/passwd"],
        ["--task=atari/Pong/"],
        ["--task="],
        ["--task=\x1b[2J"],
        ["--method=gmp:"],
        ["--method=gmp:=,:"],
        ["--method=gmp:final_sparsity=0.5:start=0"],
        ["--method=gmp:final_sparsity=0.5,final_sparsity=0.5"],
        ["--method=gmp,final_sparsity=0.5"],
        ["--method=eaudeqn:num_networks=1000000"],
        ["--agent.width=99999999999999999999"],
        ["--agent.width=1000000"],
        ["--agent.epsilon_decay=99999999999999999999"],
        ["--agent.learning_rate=nan"],
        ["--agent.learning_rate=1e999"],
        ["--replay.capacity=2000000000"],
        ["--replay.capacity=2000000000", "--replay.n_step=1999999999"],
        ["--environment.screen_size=1000000"],
        ["--environment.noop_max=99999999999999999999"],
        ["--trainer.epochs=0"],
        ["--trainer.epoch_agent_steps=" + "9" * 400],
        ["--pruning.structure=99999999999:999999999999"],
        ["--pruning.structure=2\n:4"],
        ["--\u2028=1"],
        ["-"],
        ["--"],
        ["--task"],
    ],
)
def test_a_wrong_argument_of_a_run_is_one_line(flags: list[str], began, tmp_path: Path, capsys) -> None:
    """`--method=gmp:` is gmp; all else is refused before anything is written."""
    (tmp_path / "file").write_text("")
    filled = [flag.replace("{tmp}", str(tmp_path)) for flag in flags]
    if flags == ["--method=gmp:"]:
        with pytest.raises(Began):
            entry.main([*BASE, f"--folder={tmp_path / 'runs'}", *filled])
        return
    refused(capsys, entry.main([*BASE, f"--folder={tmp_path / 'runs'}", *filled]))
    assert [path.name for path in tmp_path.rglob("*") if path != tmp_path / "runs"] == ["file"]


@FUZZ
@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=8), max_size=3))
def test_any_words_are_one_line(words: list[str]) -> None:
    """Of argparse's own words there are few: anything else is unknown."""
    one_line_or_fine(lambda: resolve(command_line.parse([word for word in words if word not in ("-h", "--help")])[1]))


def test_a_name_is_not_longer_than_a_folders() -> None:
    long = "max_noise=2.1234567890123456,max_speed=0.1234567890123456,cap=clip,law=linear,elect=smoothed"
    long += ",smoothing=0.001234567890123456,keep_copy=False,shared_draws=True,reset_optimizer=False,actor=dense"
    names = {
        resolve({"task": "mujoco/InvertedDoublePendulum", "method": f"eaudeqn:num_networks={k},{long}", "seed": 0}).name
        for k in (30, 40)
    }
    assert len(names) == 2 and all(240 < len(name) <= 255 for name in names)


def test_a_character_0_is_refused_before_it_reaches_a_command_line() -> None:
    for key in ("task", "method", "dataset.path"):
        with pytest.raises(UserError, match="character 0"):
            resolve({"task": "offline/Pong", "method": "dense", "seed": 0, key: "a\0b"})


@pytest.mark.parametrize("path", ["", ".", "/", "/dev/null", "a\nb", LONG, "{game}/../..", "~", "\ud800"])
def test_a_path_that_is_no_data_set_is_one_line(path: str, began, tmp_path: Path, capsys) -> None:
    flags = ["--task=offline/Pong", "--method=dense", "--seed=0", "--replay.capacity=100", f"--dataset.path={path}"]
    refused(capsys, entry.main([*flags, f"--folder={tmp_path}"]))


# A sweep file --------------------------------------------------------------------------------------------------------

HEAD = f"program: sweeps/run.py\nmethod: grid\ncommand: {json.dumps(grid.command('runs/tiny'))}\n"
PARAMETERS = "  task: {value: atari/Pong}\n  method: {values: [dense, gmp]}\n  seed: {values: [0, 1]}\n"
SWEEP = f"{HEAD}name: tiny\nparameters:\n{PARAMETERS}"
ODD = [
    'name: "a\\0b"',
    'name: "a\\nb"',
    "name: " + LONG,
    "name: ..",
    "name: [a]",
    "name: ''",
    'parameters: {seed: {value: "\\0"}}',
    "parameters: {" + ", ".join(f"p{i}: {{values: [0, 1, 2, 3, 4, 5, 6, 7]}}" for i in range(40)) + "}",
]


@pytest.mark.parametrize("text", [*YAML, *ODD], ids=range(len(YAML) + len(ODD)))
def test_an_odd_sweep_file_is_one_line(text: str, began, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    parameters = "" if "parameters:" in text else "parameters: {seed: {value: 0}}\n"
    (tmp_path / "odd.yaml").write_bytes((HEAD + parameters + text).encode("utf-8", "surrogatepass"))
    refused(capsys, launch.main(["odd.yaml"]))
    assert [path.name for path in tmp_path.iterdir()] == ["odd.yaml"]


@FUZZ
@given(damaged(SWEEP.encode()))
def test_any_sweep_file_is_a_grid_or_one_line(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("sweep") / "mine.yaml"
    path.write_bytes(content)
    found = one_line_or_fine(lambda: grid.read(path))
    if found:
        one_line_or_fine(lambda: resolve_all(found, str(path)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["{tmp}"],
        [""],
        [LONG],
        ["a\nb"],
        ["{tmp}/tiny.yaml", "--folder", "{tmp}/tiny.yaml"],
        ["{tmp}/tiny.yaml", "--folder", LONG],
        ["{tmp}/tiny.yaml", "--jobs", "9" * 5000],
        ["{tmp}/tiny.yaml", "--jobs", "-1"],
        ["{tmp}/tiny.yaml", "--jobs", "\u0663\u2028"],
        ["{tmp}/tiny.yaml", "--confirm", ""],
        ["{tmp}/tiny.yaml", "extra"],
        ["--folder"],
    ],
)
def test_a_wrong_argument_of_a_sweep_is_one_line(arguments: list[str], tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    monkeypatch.setattr(sweep_module, "measure_speeds", lambda *_: (_ for _ in ()).throw(UserError("it would begin")))
    line = refused(capsys, launch.main([argument.replace("{tmp}", str(tmp_path)) for argument in arguments]))
    assert "it would begin" not in line or "tiny.yaml" in arguments[-1]


# The policy of a run -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on Hopper with its compact format."""
    folder = finished("mujoco/Hopper", tmp_path_factory.mktemp("doors") / "run")
    export.export(folder, ["compact"], "float32", calls=0, observations=2)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [""],
        ["/"],
        [LONG],
        ["a\nb"],
        ["{run}/policy.json"],
        ["{run}", "--dtype", "int8"],
        ["{run}", "--calls", "-1"],
        ["{run}", "--calls", "x"],
    ],
)
def test_a_wrong_argument_of_an_export_is_one_line(arguments, record: Path, capsys) -> None:
    refused(capsys, export.main([argument.replace("{run}", str(record)) for argument in arguments]))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [""],
        ["nowhere"],
        [LONG],
        ["{run}", "--format", "zip"],
        ["{run}", "--format", "dense"],
        ["{run}", "--episodes", "0"],
        ["{run}", "--episodes", "1e3"],
        ["{run}", "--episodes", "9" * 30],
        ["{run}", "--seed", "-1"],
        ["{run}", "--seed", str(2**64)],
        ["{run}", "more"],
    ],
)
def test_a_wrong_argument_of_playing_is_one_line(arguments, record: Path, capsys) -> None:
    refused(capsys, play.main([argument.replace("{run}", str(record)) for argument in arguments]))


@settings(FUZZ, max_examples=80)
@given(
    st.data(), st.sampled_from([schema.STATUS, schema.POLICY_CARD, "export/compact.json", "export/compact.safetensors"])
)
def test_a_policy_that_holds_anything_acts_or_is_one_line(
    record: Path, tmp_path_factory, data: st.DataObject, name: str
) -> None:
    """Nothing vouches for it: the record has no fingerprints."""
    folder = Path(shutil.copytree(record, tmp_path_factory.mktemp("policy") / "run"))
    whole = (folder / name).read_bytes()
    if name.endswith(".json") and data.draw(st.booleans()):
        (folder / name).write_text(json.dumps(data.draw(mutated(json.loads(whole)))))
    else:
        (folder / name).write_bytes(data.draw(damaged(whole)))

    def act() -> None:
        card = card_of(folder)
        observation, _ = environment_of(card).reset(seed=0)
        FORMATS["compact"](folder, card)(observation)

    one_line_or_fine(act)


# Secrets -------------------------------------------------------------------------------------------------------------


def test_no_secret_is_in_any_file_that_a_run_writes(tmp_path: Path) -> None:
    """W&B knows a key by its variable, by its settings and by netrc."""
    marked = "5ec2e7" + "ab" * 17
    (tmp_path / "home").mkdir()
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {marked}\n")
    netrc.chmod(0o600)
    environment = {**os.environ, "WANDB_API_KEY": marked, "NETRC": str(netrc), "HOME": str(tmp_path / "home")}
    command = [
        sys.executable,
        "-m",
        "sweeps.run",
        *run_flags({**TINY, "folder": tmp_path / "runs", "wandb": "offline"}),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    written = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in written) and len(written) > 6
    for path in written:
        assert marked.encode() not in path.read_bytes(), path
    assert marked not in done.stdout + done.stderr


def test_every_whole_number_has_an_end() -> None:
    """What is larger than the clocks of a device would overflow there."""
    for option in ("agent.epsilon_decay", "trainer.evaluation_episodes", "environment.max_episode_agent_steps"):
        with pytest.raises(UserError, match=f"at most {MOST_STEPS:,}"):
            resolve({"task": "atari/Pong", "method": "dense", "seed": 0, option: 2**31})
    assert len(TASKS) > 100
