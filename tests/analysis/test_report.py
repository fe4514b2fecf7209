"""The report end to end: the page, the files beside it, and what a browser makes of it."""

import dataclasses
import html
import json
import re
import shlex
import shutil
import subprocess

import pytest

from analysis import report, table
from analysis.data.sources import runfolder
from analysis.page.sections import command_words, reproduce, shared_options
from sweeps.command_line import parse
from sweeps.config import resolve
from tests.analysis.conftest import write_run
from tests.support.browser import needs_chromium, rendered
from tests.support.synthetic import write_runs

METHODS = ["dense", "gmp:final_sparsity=0.5", "gmp", "eaudeqn"]
TASKS = ["atari/Pong", "atari/Boxing"]
FIGURES = {"aggregates", "improvement", "profiles", "efficiency", "pareto", "curves", "sparsity", "layers-atari"}
FIGURES |= {"bytes-atari", "latency-atari", "diagnostics-atari-elected-network"}


def call(*arguments):
    return report.main([str(a) for a in (*arguments, "--repetitions", 50)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of runs of which one is missing, one has failed and one is going on, and its report."""
    root = tmp_path_factory.mktemp("runs")
    write_runs(root, TASKS, METHODS, seeds=3, epochs=4, elections=30)
    shutil.rmtree(root / "atari-Pong.gmp.seed2")
    status = root / "atari-Boxing.gmp.seed1" / "status.json"
    status.write_text(json.dumps({"status": "failed", "error": "all losses are <b>NaN</b>"}))
    (root / "atari-Boxing.eaudeqn.seed0" / "status.json").unlink()
    assert call("--runs", root, "--require", "gmp", "atari/Pong", "0-2") == 1  # cells without a result
    return root


@pytest.fixture(scope="module")
def page(made):
    return (made / "report" / "report.html").read_text()


def test_every_figure_is_there_as_pdf_png_and_in_the_page(made, page):
    elections = {f"elections-atari-{run}" for run in ("Pong.eaudeqn.seed0", "Boxing.eaudeqn.seed0")}
    files = {path.name for path in (made / "report" / "figures").iterdir()}
    assert files == {f"{name}.{suffix}" for name in FIGURES | elections for suffix in ("pdf", "png")}
    assert set(re.findall(r'<figure id="figure-([^"]+)"', page)) == FIGURES | elections
    assert (made / "report" / "comparison.md").exists()


def test_the_page_holds_all_it_shows(page):
    """Nothing is asked for, from a network or from the disk."""
    page = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)  # the policy holds for scripts too
    wanted = re.findall(r'\b(?:src|href|srcset|data|action)="([^"]*)"', page)
    assert wanted and all(address.startswith(("#", "data:image/png;base64,")) for address in wanted)
    assert "default-src 'none'" in page and "@import" not in page and "<link" not in page
    assert not re.search(r'url\(["\']?(?!#)', page)


def test_runs_statuses_gaps_and_notes_are_said(page):
    assert "23 of" not in page and "21 of 24 runs are finished, 3 have no result" in page
    for name in ("atari-Pong.gmp.seed0", "atari-Boxing.eaudeqn.seed0"):
        assert f"<td>{name}</td>" in page
    assert "failed: all losses are &lt;b&gt;NaN&lt;/b&gt;" in page
    assert "missing (there is no such run)" in page
    assert "unequal numbers of runs" in page and "Protocol" in page


def test_diagnostics_are_in_the_page_and_on_request_in_the_table(made, page, tmp_path):
    assert "Diagnostics of the elected network" in page and "Sokar et al. 2023" in page
    for name, asked in (("without", []), ("with", ["--diagnostics"])):
        given = ["--runs", made, "--out", tmp_path / name, "--repetitions", 50, "--allow-missing", *asked]
        assert table.main([str(argument) for argument in given]) == 0
        text = (tmp_path / name / "comparison.md").read_text()
        assert ("Diagnostics of the elected network" in text) == bool(asked)


def test_the_two_axes_are_in_the_page(page):
    for title in ("At matched sparsity", "The sparsity up to which a sweep keeps 95 %", "dominates the one above"):
        assert title in page
    assert "Pruning" in page and "steps taken" in page


def test_a_published_row_without_sparsity_is_said_to_have_none(tmp_path, capsys):
    lines = ["method,task,seed,agent_step,return"]
    lines += [f"published,{task},{seed},40000,{seed}" for task in TASKS for seed in range(2)]
    (tmp_path / "published.csv").write_text("\n".join(lines) + "\n")
    write_run(tmp_path, "atari/Pong", "gmp", sparsity=0.9)
    given = ("--runs", tmp_path, "--runs", tmp_path / "published.csv", "--out", tmp_path / "out")
    assert call(*given, "--allow-missing", "--mix") == 0, capsys.readouterr().err
    assert "published: its sparsity is not known." in (tmp_path / "out" / "report.html").read_text()


def test_chosen_elections_are_drawn(made, tmp_path):
    run = "atari-Pong.eaudeqn.seed2"
    assert call("--runs", made / run, "--out", tmp_path, "--elections", run) == 0
    drawn = {path.stem for path in (tmp_path / "figures").glob("elections-*.pdf")}
    assert drawn == {f"elections-{run}"}


def test_a_run_without_elections_cannot_be_asked_for(run, capsys):
    folder = run()
    assert call("--runs", folder.parent, "--elections", folder.name) == 2
    assert f"--elections: {folder.name} holds no election" in capsys.readouterr().err
    assert not (folder.parent / "report").exists()


def test_few_runs_have_a_report_too(run, tmp_path):
    """One run, without a sparsity, an election or another method; and none that is finished."""
    run()
    assert call("--runs", tmp_path / "runs") == 0
    run(seed=1, status="failed")
    run(method="gmp", status=None)
    shutil.rmtree(tmp_path / "runs" / "atari-Pong.dense.seed0.0a1b2c3d")
    assert call("--runs", tmp_path / "runs", "--allow-missing") == 0


def test_mujoco_and_raw_have_a_report_too(mujoco):
    assert call("--runs", mujoco, "--return", "evaluation") == 0
    page = (mujoco / "report" / "report.html").read_text()
    assert 'id="figure-pareto-actors"' in page and "sparsity of actors" in page
    assert call("--runs", mujoco, "--raw") == 0
    assert 'id="figure-pareto"' not in (mujoco / "report" / "report.html").read_text()


def test_actors_as_sparse_as_their_critics_are_a_line(tmp_path):
    for method, sparsity, seed in (("dense", 0.0, 0), ("gmp", 0.9, 0), ("gmp", 0.9, 1)):
        write_run(tmp_path, "mujoco/Hopper", method, seed, (1.0, 2.0, 3.0), sparsity, sparsity + 0.004 * bool(sparsity))
    assert call("--runs", tmp_path) == 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert 'id="figure-pareto-actors"' not in page and "Actors are as sparse as critics" in page


@pytest.mark.parametrize(
    "given",
    [
        {"task": "atari/Pong", "method": "gmp:final_sparsity=0.5", "seed": "3", "agent.width": "32"},
        {"task": "mujoco/Hopper", "method": "eaudeqn", "seed": "0", "learner.vectorize": "none"},
        {"task": "offline/Pong", "method": "gmp", "seed": "0", "agent": "dqn"},
    ],
)
def test_the_command_makes_the_same_run_again(tmp_path, given):
    """The name of a run is made of all its options."""
    asked = resolve(given)
    config = {"schema": 2, "name": asked.name, "task": asked.task.name, "agent": asked.chosen_agent, "seed": asked.seed}
    config |= {"method": asked.method, "options": asked.options.dump(), "versions": {}}
    config |= {"total_agent_steps": asked.total_agent_steps}
    (tmp_path / asked.name).mkdir()
    (tmp_path / asked.name / "config.json").write_text(json.dumps(config))
    run = runfolder.read(tmp_path / asked.name)
    common = shared_options([run, dataclasses.replace(run, seed=7)])
    line = f'options=({command_words(common)}); printf "%s\\n" {reproduce(run, common)}'
    typed = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(common) > 20 and len(reproduce(run, common)) < 200
    for words in (shlex.split(reproduce(run, {})), typed):
        assert words[:3] == ["python", "-m", "sweeps.run"]
        _, again = parse(words[3:])
        assert resolve(again).name == asked.name


# In a browser ----------


def first_column(document):
    """Of the first table, in the order of its rows."""
    body = re.search(r'<table class="sortable">.*?<tbody>(.*?)</table>', document, flags=re.DOTALL)[1]
    return [html.unescape(cell) for cell in re.findall(r"<tr><td[^>]*>(?:<b>)?([^<]*)", body)]


@needs_chromium
def test_a_browser_shows_the_page_and_its_headers_sort(page, tmp_path):
    click = 'document.querySelectorAll("table.sortable")[0].querySelectorAll("th button")[{}].click();'
    measure = (
        "document.body.dataset.wide = document.documentElement.scrollWidth > innerWidth;"
        "document.body.dataset.flat = [...document.querySelectorAll('figure svg, figure img')]"
        ".filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 50).length;"
        "document.body.dataset.spilt = [...document.querySelectorAll('th button')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent).join('; ');"
    )
    shown = rendered(page, tmp_path, measure)
    assert 'data-wide="false"' in shown and 'data-flat="0"' in shown
    assert 'data-spilt=""' in shown  # no heading runs into the next
    assert sorted(first_column(shown)) == sorted(METHODS)
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>|<[^>]+>", " ", shown, flags=re.DOTALL)
    for said in ("Summary", "Human-normalised score over 2 games", "agent steps", "Cells without a result (3 of 24)"):
        assert said in text

    cells = re.findall(r'<tr><td>([^<]*)</td><td class="number" data-key="([^"]*)"', page)
    values = dict(reversed(cells))  # those of the first table stay
    expected = sorted(METHODS, key=lambda row: float(values[row]))
    up = rendered(page, tmp_path, click.format(1))
    assert first_column(up) == expected
    assert up.count('aria-sort="ascending"') == 1
    assert first_column(rendered(page, tmp_path, 2 * click.format(1))) == expected[::-1]
    assert first_column(rendered(page, tmp_path, click.format(1) + click.format(0))) == sorted(METHODS)


CHARTS = {"pareto", "aggregates", "profiles", "efficiency", "curves", "sparsity"}


@needs_chromium
@pytest.mark.parametrize("width", [1200, 500])  # the narrowest window of a desktop's Chromium
def test_charts_respond_and_nothing_is_clipped(page, tmp_path, width):
    """The drawings of the charts are hidden on a screen; only tables scroll, and on a wide one none needs to."""
    assert set(re.findall(r'<div data-chart="([^"]+)"', page)) == CHARTS
    measure = (
        "setTimeout(() => {"
        "const boxes = [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll'));"
        "document.body.dataset.out = boxes.filter(e => e.getBoundingClientRect().right > innerWidth + 1).length;"
        "document.body.dataset.hidden = [...document.querySelectorAll('.live figure > svg')]"
        ".filter(e => e.getClientRects().length).length;"
        "document.body.dataset.marks = document.querySelectorAll('.chart svg .mark-line path').length > 10;"
        "}, 15000);"
    )
    shown = rendered(page, tmp_path, measure, width)
    assert f'data-charts="{len(CHARTS)}"' in shown
    assert 'data-out="0"' in shown and 'data-hidden="0"' in shown and 'data-marks="true"' in shown


@needs_chromium
def test_filters_leave_out_methods_and_tasks(page, tmp_path):
    """In tables, also where methods are columns, and in charts."""
    choose = (
        "const form = document.getElementById('filters');"
        "form.elements.task.value = 'Pong';"
        "[...form.querySelectorAll('input')].find(box => box.value === 'gmp').checked = false;"
        "form.dispatchEvent(new Event('change', {bubbles: true}));"
        "setTimeout(() => {"
        "const sweeps = e => e.closest('table').tHead.textContent.includes('sweep');"  # named as their method
        "const seen = [...document.querySelectorAll('td, th')]"
        ".filter(e => !e.hidden && !e.parentNode.hidden && !sweeps(e));"
        "document.body.dataset.seen = JSON.stringify([...new Set(seen.map(e => e.textContent))]"
        ".filter(text => ['gmp', 'dense', 'atari/Pong', 'atari/Boxing', 'Pong', 'Boxing'].includes(text)).sort());"
        "document.body.dataset.charted = ['Pong', 'Boxing']"
        ".filter(task => document.querySelector('[data-chart=curves] .chart').textContent.includes(task));"
        "}, 15000);"
    )
    shown = html.unescape(rendered(page, tmp_path, choose))
    (seen,) = re.findall(r'data-seen="(\[[^\]]*\])"', shown)
    assert json.loads(seen) == ["Pong", "atari/Pong", "dense"]
    assert 'data-charted="Pong"' in shown


def test_paper_has_the_drawings(page):
    assert "@media print { nav, .chart { display: none; } }" in page
    assert "@media screen { .live figure > svg" in page
