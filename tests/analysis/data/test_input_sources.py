"""Whatever a CSV file, a baseline, references or a sweep file hold: they are read, or one line says what is wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis import selection
from analysis.data import scores, sweepfile
from analysis.data.runs import COLUMNS
from analysis.data.sources import csvfile, dopamine
from tests.support.damage import FUZZ, YAML, damaged, mutated, one_line_or_fine

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
        one_line_or_fine(lambda: selection.select(selection.Selection([str(path)]), path.parent))


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
