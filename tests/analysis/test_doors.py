"""Whatever a file or an argument holds, the analysis reads it or says in one line what is wrong; it never crashes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analysis import costs, ledger, report, scores, sweepfile, table
from analysis.runs import COLUMNS
from analysis.sources import csvfile, dopamine, runfolder
from suite import files, records
from suite.errors import UserError, one_line
from tests.analysis.conftest import write_run

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def one_line_or_fine(read: Callable[[], Any]) -> Any:
    """What was read, or None after one line."""
    try:
        return read()
    except UserError as error:
        line = str(error)
        assert line.splitlines() == [line] and line.isprintable() and len(line) < 2_000, repr(line)
        return None


#: JSON values that programs stumble over.
ODD = [None, True, -1, 0, 2**31, 2**64, 10**400, 1e308, "", "text", "\n\0\x1b[31m", "é\u2028", [], [[]], {}, {"": None}]
ODD += ["nan", [1, "x"], -0.5, 1e-300]
odd = st.sampled_from(ODD)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The paths of all values in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple, new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A value of which one or two parts are something odd, or gone."""
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(value)))
        value = replaced(value, path, draw(odd))
    return value


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Cut anywhere, one bit turned, bytes put in, or something else altogether."""
    index = st.integers(0, max(len(content) - 1, 0))
    turned = st.builds(
        lambda at, bit: content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :], index, st.integers(0, 7)
    )
    put_in = st.builds(lambda at, more: content[:at] + more + content[at:], index, st.binary(max_size=6))
    deep = st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b"NaN", b"\xff\xfe", b"\0"])
    return st.one_of(index.map(lambda at: content[:at]), turned, put_in, st.binary(max_size=40), deep)


# The record of a run -------------------------------------------------------------------------------------------------

COSTS = {
    "policy": {"parameters": 100, "kept": 10, "bytes": {"dense": 400}},
    "training": {"executed": 1e9, "ideal": 1e8},
}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with two networks, as it was written, fingerprints and all."""
    folder = write_run(
        tmp_path_factory.mktemp("record"), returns=(1.0, 2.0), evaluations=(1.5, 2.5), options={"trainer.epochs": 2}
    )
    elections = {
        "losses": [1.0, 2.0],
        "sparsities_before": [0.0, 0.1],
        "sparsities": [0.0, 0.1],
        "reset": [False, True],
    }
    rows = []
    for line in (folder / records.METRICS).read_text().splitlines():
        row = json.loads(line)
        rows.append(
            row | elections if row["kind"] == "target_update" else row | {"layer_sparsity": {"Dense_0/kernel": 0.5}}
        )
    (folder / records.METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / records.COSTS).write_text(json.dumps(COSTS))
    finish(folder)
    return folder


def finish(folder: Path) -> None:
    status = {"status": "finished", "error": None, "seconds": 4.5, "files": records.fingerprints(folder)}
    records.write_json(folder / records.STATUS, status)


def read_all(folder: Path) -> Any:
    """All that a table and a report read of a run's folder."""
    run = runfolder.read(folder)
    ledger.read(folder)
    ledger.final_layers(folder)
    if run.status == "finished":
        costs.frame([("dense", run.task, run.seed, folder)])
    return run


def copied(record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(record, tmp_path_factory.mktemp("copy") / record.name))


NAMES = (records.CONFIG, records.METRICS, records.STATUS, records.COSTS)


@FUZZ
@given(st.data(), st.sampled_from(NAMES), st.booleans())
def test_a_damaged_record_is_one_line(
    record: Path, tmp_path_factory, data: st.DataObject, name: str, finished: bool
) -> None:
    """Also where nothing vouches for it: a run that has not ended has no fingerprints."""
    folder = copied(record, tmp_path_factory)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(data.draw(damaged(whole)))
    if not finished and name != records.STATUS:
        (folder / records.STATUS).unlink()
    run = one_line_or_fine(lambda: read_all(folder))
    if finished and name in (records.CONFIG, records.METRICS) and (folder / name).read_bytes() != whole:
        assert run is None


@settings(FUZZ, max_examples=150)
@given(st.data(), st.sampled_from(NAMES))
def test_a_record_that_holds_anything_is_one_line(
    record: Path, tmp_path_factory, data: st.DataObject, name: str
) -> None:
    """Somebody wrote it by hand, with fingerprints that are right."""
    folder = copied(record, tmp_path_factory)
    if name == records.METRICS:
        rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        number = data.draw(st.integers(0, len(rows) - 1))
        rows[number] = data.draw(mutated(rows[number]))
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        (folder / name).write_text(json.dumps(data.draw(mutated(json.loads((folder / name).read_text())))))
    if name != records.STATUS:
        finish(folder)
    run = one_line_or_fine(lambda: read_all(folder))
    if run is not None:
        one_line_or_fine(lambda: table.select(table.Selection([str(folder.parent)]), folder))


def test_metrics_cut_at_every_byte_are_detected(record: Path, tmp_path: Path) -> None:
    """Of a finished run always; of one that goes on, what is left is a shorter record of whole rows, or refused."""
    folder = write_run(tmp_path, returns=(1.0,), options={"trainer.epochs": 1})
    finish(folder)
    whole = (folder / records.METRICS).read_bytes()
    everything = records.read_rows(folder / records.METRICS)
    status = (folder / records.STATUS).read_bytes()
    for size in range(len(whole)):
        (folder / records.METRICS).write_bytes(whole[:size])
        (folder / records.STATUS).write_bytes(status)
        assert not records.is_finished(folder)
        with pytest.raises(UserError, match="damaged"):
            runfolder.read(folder)
        (folder / records.STATUS).unlink()
        rows = records.read_rows(folder / records.METRICS)
        assert rows == everything[: whole[:size].count(b"\n")]
        assert runfolder.read(folder).status == "unfinished"


def test_files_of_another_run_are_not_believed(record: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path, returns=(3.0, 4.0), evaluations=(1.5, 2.5), options={"trainer.epochs": 2}, seed=1)
    for name in (records.CONFIG, records.METRICS):
        folder = Path(shutil.copytree(record, tmp_path / f"swapped-{name}"))
        assert runfolder.read(folder).status == "finished"
        shutil.copy(other / name, folder / name)
        assert not records.is_finished(folder)
        with pytest.raises(UserError, match=f"{name}: is not what the finished run left"):
            runfolder.read(folder)


@pytest.mark.parametrize(
    "known", [None, 3, [], ["config.json"], {"config.json": None}, {"config.json": {"bytes": "x"}}]
)
def test_fingerprints_that_are_none_vouch_for_nothing(known: Any, record: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(record, tmp_path / "run"))
    records.write_json(folder / records.STATUS, records.read_json(folder / records.STATUS) | {"files": known})
    assert not records.is_finished(folder)
    with pytest.raises(UserError, match="damaged"):
        runfolder.read(folder)


# Other sources -------------------------------------------------------------------------------------------------------

cells = st.one_of(
    st.sampled_from(
        ["atari/Pong", "dense", "0", "1", "-1", "1e300", "inf", "nan", "", "9" * 400, "1.5", "finished", '"', "\0"]
    ),
    st.text(max_size=5),
)
names = st.sampled_from(
    [*COLUMNS, "exp_name", "env_id", "global_step", "episodic_return", "charts/episodic_return", "", "x"]
)
NEEDED = ["method", "task", "seed", "agent_step", "return"]


def as_csv(rows: list[list[str]]) -> bytes:
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


tables = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda more, rows: as_csv([[*NEEDED, *more], *(["dense", "atari/Pong", *row] for row in rows)]),
        st.lists(names, max_size=3),
        st.lists(st.lists(cells, max_size=5), max_size=4),
    ),
    st.builds(
        lambda head, rows: as_csv([head, *rows]),
        st.lists(names, max_size=6),
        st.lists(st.lists(cells, max_size=6), max_size=3),
    ),
)


@settings(FUZZ, max_examples=200)
@given(tables)
@example(b"method,task,seed,agent_step,episodic_return,charts/episodic_return\ndense,atari/Pong,0,1,2,3")
@example(b"method,task,seed,agent_step,return\ndense,atari/Pong,0,1e300,2")
@example(b"method,task,seed,agent_step,return\ndense,atari/Pong,0,1,2,3,4")
def test_any_csv_file_is_runs_or_one_line(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "mine.csv"
    path.write_bytes(content)
    if one_line_or_fine(lambda: csvfile.load(path)):
        one_line_or_fine(lambda: table.select(table.Selection([str(path)]), path.parent))


REFERENCES = ["task", "random", "reference"]


@settings(FUZZ, max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.lists(cells, max_size=4), max_size=3).map(lambda rows: as_csv([REFERENCES, *rows])),
    )
)
@example(b"task,random,reference\natari/Pong,0,1\n,,\n")
@example(b"task,random,reference\natari/Pong,0,1e999")
def test_any_references_are_read_or_one_line(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("references") / "mine.csv"
    path.write_bytes(content)
    one_line_or_fine(lambda: scores.from_file(path))


BASELINE = [{"Iteration": i, "Value": 1.0 + i, "Agent": "DQN"} for i in (0, 1, 0, 1)]


@settings(FUZZ, max_examples=120)
@given(
    st.one_of(mutated(BASELINE).map(lambda value: json.dumps(value).encode()), damaged(json.dumps(BASELINE).encode()))
)
@example(b'[{"Iteration": 1e999, "Value": 1, "Agent": "DQN"}]')
@example(b'[{"Iteration": NaN, "Value": 1, "Agent": "DQN"}]')
def test_any_baseline_is_runs_or_one_line(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("dopamine") / "pong.json"
    path.write_bytes(content)
    one_line_or_fine(lambda: dopamine.load(path))


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)
YAML = [
    BOMB + "parameters: {seed: {values: *o}, task: {value: *o}, method: {value: *o}}",
    BOMB + "parameters: {*o : {value: 1}}",
    "parameters: &p {seed: *p}",
    "parameters: {seed: {values: [2024-01-01]}}",
    "parameters: {seed: {value: 2024-99-99}}",
    "parameters: {seed: {value: !!timestamp x}}",
    "parameters: {seed: {value: !!int ''}}",
    "parameters: {seed: {value: !!bool x}}",
    "parameters: {seed: {value: " + "9" * 5000 + "}}",
    "parameters: {seed: {value: 0}, seed: {value: 1}}",
    "parameters: {seed: {values: [[[0]]]}, task: {value: {}}, method: {value: !!binary aaaa}}",
    "parameters: {? [a] : {value: 0}}",
    "parameters: {seed: {value: .inf}, task: {value: .nan}, method: {value: ~}}",
    "parameters: " + "[" * 2_000,
    "parameters: " + "{a: " * 2_000,
    "parameters: {<<: {seed: {value: 0}}, task: {value: a/../b}, method: {value: 'gmp:,:=,'}}",
    "x" * (2**20 + 1),
    "=",
    "\ud800",
    "seed: !!python/object/apply:os.system [ls]",
]


@pytest.mark.parametrize("text", YAML, ids=range(len(YAML)))
def test_odd_yaml_is_a_sweep_or_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    one_line_or_fine(lambda: sweepfile.read_sweep(tmp_path / "odd.yaml"))


SWEEP = b"parameters:\n  task: {values: [atari/Pong]}\n  method: {values: [dense]}\n  seed: {values: [0, 1]}\n"


@FUZZ
@given(damaged(SWEEP))
def test_any_sweep_file_is_read_or_one_line(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("sweep") / "mine.yaml"
    path.write_bytes(content)
    one_line_or_fine(lambda: sweepfile.read_sweep(path))


# Arguments -----------------------------------------------------------------------------------------------------------

LONG = "x" * 5_000


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--runs"],
        ["--runs", ""],
        ["--runs", LONG],
        ["--runs", "no\nwhere"],
        ["--runs", "\x1b[31m"],
        ["--runs", "wandb:"],
        ["--runs", "wandb:a/b/c"],
        ["--runs", "nowhere.csv"],
        ["--runs", "nowhere.json"],
        ["--runs", "{tmp}/folder.csv"],
        ["--runs", "{tmp}/folder.json"],
        ["--runs", "{tmp}"],
        ["--runs", "{record}", "--sweep", "nowhere.yaml"],
        ["--runs", "{record}", "--sweep", "{tmp}"],
        ["--runs", "{record}", "--sweep", LONG],
        ["--runs", "{record}", "--references", "nowhere.csv"],
        ["--runs", "{record}", "--references", "{tmp}"],
        ["--runs", "{record}", "--methods"],
        ["--runs", "{record}", "--methods", "x,y:z="],
        ["--runs", "{record}", "--require", "dense", "atari/Pong", "0-99999999999"],
        ["--runs", "{record}", "--require", "dense", "atari/Pong", "0-999999999"],
        ["--runs", "{record}", "--require", "dense", "atari/Pong", "-1"],
        ["--runs", "{record}", "--require", "dense", "atari/../Pong", "0"],
        ["--runs", "{record}", "--out", "{tmp}/file"],
        ["--runs", "{record}", "--out", "{tmp}/" + LONG],
        ["--runs", "{record}", "--agent-steps", "1e6"],
        ["--runs", "{record}", "--effect", "inf"],
        ["--runs", "{record}", "--repetitions", "1000000000"],
        ["extra"],
    ],
)
@pytest.mark.parametrize("program", [table, report])
def test_a_wrong_argument_is_one_line_and_code_2(program, arguments, record, tmp_path, capsys, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    for name in ("folder.csv", "folder.json"):
        (tmp_path / name).mkdir()
    filled = [a.replace("{tmp}", str(tmp_path)).replace("{record}", str(record.parent)) for a in arguments]
    code = program.main(filled)
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]  # a report shows its progress before
    assert (code, printed.out) == (2, ""), printed
    assert last.startswith("error: ") and last.isprintable() and "Traceback" not in printed.err
    if program is table:
        assert printed.err.count("\n") == 1


@given(st.text())
def test_a_message_is_one_printable_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line("a  b\n\tc") == "a b c" and one_line("\x1b[31m") == "\\x1b[31m"
    assert one_line(OSError(2, "No such file", "x")) == "x: No such file"


def test_a_fingerprint_of_what_cannot_be_read_is_no_match(tmp_path: Path) -> None:
    assert not files.unchanged(tmp_path, {"bytes": tmp_path.stat().st_size, "sha256": ""})
