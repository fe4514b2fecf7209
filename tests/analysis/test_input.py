"""Whatever a record or an argument holds, the analysis reads it or says in one line what is wrong; it never crashes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import report, selection, table
from analysis.data.sources import runfolder
from analysis.stats import costs, election_log
from suite.errors import UserError, one_line
from suite.record import files, reader, schema
from suite.record.models import Status, as_json
from tests.analysis.conftest import write_run
from tests.support.damage import FUZZ, damaged, mutated, one_line_or_fine

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
    elections = {"losses": [1.0, 2.0], "reset": [False, True]}
    elections |= {key: [0.0, 0.1] for key in ("sparsities_before", "sparsities")}
    layers = {"layer_sparsity": {"Dense_0/kernel": 0.5}}
    rows = [json.loads(line) for line in (folder / schema.METRICS).read_text().splitlines()]
    rows = [row | (elections if row["kind"] == "target_update" else layers) for row in rows]
    (folder / schema.METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / schema.COSTS).write_text(json.dumps(COSTS))
    finish(folder)
    return folder


def finish(folder: Path) -> None:
    status = Status(status="finished", error=None, seconds=4.5, files=reader.fingerprints(folder))
    schema.write_json(folder / schema.STATUS, as_json(status))


def read_all(folder: Path) -> Any:
    """All that a table and a report read of a run's folder."""
    run = runfolder.read(folder)
    election_log.read(folder)
    election_log.final_layers(folder)
    if run.status == "finished":
        costs.frame([("dense", run.task, run.seed, folder)])
    return run


def copied(record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(record, tmp_path_factory.mktemp("copy") / record.name))


NAMES = (schema.CONFIG, schema.METRICS, schema.STATUS, schema.COSTS)


@FUZZ
@given(st.data(), st.sampled_from(NAMES), st.booleans())
def test_a_damaged_record_is_one_line(
    record: Path, tmp_path_factory, data: st.DataObject, name: str, finished: bool
) -> None:
    """Also where nothing vouches for it: a run that has not ended has no fingerprints."""
    folder = copied(record, tmp_path_factory)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(data.draw(damaged(whole)))
    if not finished and name != schema.STATUS:
        (folder / schema.STATUS).unlink()
    run = one_line_or_fine(lambda: read_all(folder))
    if finished and name in (schema.CONFIG, schema.METRICS) and (folder / name).read_bytes() != whole:
        assert run is None


@settings(FUZZ, max_examples=150)
@given(st.data(), st.sampled_from(NAMES))
def test_a_record_that_holds_anything_is_one_line(
    record: Path, tmp_path_factory, data: st.DataObject, name: str
) -> None:
    """Somebody wrote it by hand, with fingerprints that are right."""
    folder = copied(record, tmp_path_factory)
    if name == schema.METRICS:
        rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        number = data.draw(st.integers(0, len(rows) - 1))
        rows[number] = data.draw(mutated(rows[number]))
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        (folder / name).write_text(json.dumps(data.draw(mutated(json.loads((folder / name).read_text())))))
    if name != schema.STATUS:
        finish(folder)
    run = one_line_or_fine(lambda: read_all(folder))
    if run is not None:
        one_line_or_fine(lambda: selection.select(selection.Selection([str(folder.parent)]), folder))


def test_metrics_cut_at_every_byte_are_detected(record: Path, tmp_path: Path) -> None:
    """Of a finished run always; of one that goes on, what is left is a shorter record of whole rows, or refused."""
    folder = write_run(tmp_path, returns=(1.0,), options={"trainer.epochs": 1})
    finish(folder)
    whole = (folder / schema.METRICS).read_bytes()
    everything = schema.read_rows(folder / schema.METRICS)
    status = (folder / schema.STATUS).read_bytes()
    for size in range(len(whole)):
        (folder / schema.METRICS).write_bytes(whole[:size])
        (folder / schema.STATUS).write_bytes(status)
        assert not reader.is_finished(folder)
        with pytest.raises(UserError, match="damaged"):
            runfolder.read(folder)
        (folder / schema.STATUS).unlink()
        rows = schema.read_rows(folder / schema.METRICS)
        assert rows == everything[: whole[:size].count(b"\n")]
        assert runfolder.read(folder).status == "unfinished"


def test_files_of_another_run_are_not_believed(record: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path, returns=(3.0, 4.0), evaluations=(1.5, 2.5), options={"trainer.epochs": 2}, seed=1)
    for name in (schema.CONFIG, schema.METRICS):
        folder = Path(shutil.copytree(record, tmp_path / f"swapped-{name}"))
        assert runfolder.read(folder).status == "finished"
        shutil.copy(other / name, folder / name)
        assert not reader.is_finished(folder)
        with pytest.raises(UserError, match=f"{name}: is not what the finished run left"):
            runfolder.read(folder)


@pytest.mark.parametrize(
    "known", [None, 3, [], ["config.json"], {"config.json": None}, {"config.json": {"bytes": "x"}}]
)
def test_fingerprints_that_are_none_vouch_for_nothing(known: Any, record: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(record, tmp_path / "run"))
    schema.write_json(folder / schema.STATUS, schema.read_json(folder / schema.STATUS) | {"files": known})
    for read in (reader.is_finished, runfolder.read):
        with pytest.raises(UserError, match=f"{schema.STATUS}: files.*damaged"):
            read(folder)


# Arguments -----------------------------------------------------------------------------------------------------------

LONG = "x" * 5_000
WRONG = {
    "--repetitions": ["0", "9" * 5000, "1000000000"],
    "--seed": ["-1", "x", str(2**64)],
    "--return": ["best"],
    "--effect": ["0", "nan", "inf"],
    "--statistic": ["mode"],
    "--last": ["0"],
    "--x": ["seconds"],
    "--agent-steps": ["0", "1e6"],
    "--video-pinball-random": ["inf"],
    "--within": ["-1", "100", "x"],  # of a report; unknown to a table
    "--elections": ["x"],
}


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
        ["--runs", "{record}", "--require", "a", "b"],
        *(["--runs", "{record}", option, value] for option, values in WRONG.items() for value in values),
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
    assert not files.unchanged(tmp_path, files.Fingerprint(tmp_path.stat().st_size, ""))
