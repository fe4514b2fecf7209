"""What may be compared with what."""

import pytest

from analysis.data import cells, protocol, runs
from analysis.data.sources import csvfile, runfolder
from analysis.render import tables
from analysis.settings import Settings
from analysis.stats.comparison import compare
from suite.errors import UserError


def test_a_protocol_names_what_a_return_depends_on(run):
    atari, mujoco = runfolder.read(run()), runfolder.read(run(task="mujoco/Ant", versions={"mujoco": "4.0.0"}))
    assert atari.protocol == "ALE v5, frame_skip=4, sticky_actions=0.25, epochs of 1,000 agent steps"
    assert mujoco.protocol.startswith("gymnasium v5, mujoco 4.0.0, ")


def test_a_finished_run_without_evaluations_has_no_evaluation_return(run):
    finished, failed = runfolder.read(run()), runfolder.read(run(seed=1, status="failed"))
    with pytest.raises(UserError, match=r"seed0.*holds no evaluation.*trainer\.evaluation_episodes"):
        protocol.check_returns([failed, finished], "evaluation")
    protocol.check_returns([failed], "evaluation")
    protocol.check_returns([finished], "training")


def grid_of(run, *others, mix=False):
    """dense on Pong and gmp with other options."""
    folders = [run(), *(run(**values) for values in others)]
    return cells.seen([runfolder.read(folder) for folder in folders], mix=mix)


def test_other_protocols_stand_in_a_block_of_their_own(run):
    grid = grid_of(run, {"method": "set", "options": {"environment.sticky_actions": 0.0}}, {"method": "gmp"})
    comparison = compare(grid, "", Settings(repetitions=10))
    assert comparison.blocks == [["dense", "gmp"], ["set"]]
    assert list(comparison.against) == ["gmp"]  # set has no dense of its protocol
    protocols = dict(comparison.source)
    assert protocols["Protocol A"].startswith("dense; gmp: ALE v5, frame_skip=4, sticky_actions=0.25, ")
    assert protocols["Protocol B"].startswith("set: ALE v5, frame_skip=4, sticky_actions=0, ")
    assert "Protocol" not in protocols


def test_with_mix_all_stand_together_and_it_is_said(run):
    grid = grid_of(run, {"method": "set", "options": {"environment.sticky_actions": 0.0}}, mix=True)
    comparison = compare(grid, "", Settings(repetitions=10, mix=True))
    assert comparison.blocks == [["dense", "set"]] and list(comparison.against) == ["set"]
    assert any(note.startswith("DIFFERENT PROTOCOLS are compared") for note in comparison.notes)


def test_a_row_is_of_one_protocol(run):
    versions = {"seed": 1, "task": "mujoco/Hopper", "versions": {"mujoco": "3.3.7"}}
    others = ({"task": "mujoco/Hopper", "versions": {"mujoco": "4.0.0"}}, versions)
    grid = grid_of(run, *others)
    with pytest.raises(UserError, match=r"dense mixes protocols on mujoco: .*mujoco 3.3.7.* or .*mujoco 4.0.0.*--mix"):
        compare(grid, "", Settings(repetitions=10))
    comparison = compare(grid, "", Settings(repetitions=10, mix=True))
    assert any("dense mixes protocols on mujoco" in note and "(--mix)" in note for note in comparison.notes)


def test_options_of_the_protocol_differ_only_with_mix(run, tmp_path):
    others = {"seed": 1, "options": {"environment.sticky_actions": 0.0}}
    with pytest.raises(UserError, match=r"dense on atari/Pong: environment.sticky_actions is 0.25 in .* but 0.0 in"):
        grid_of(run, others)
    with pytest.raises(UserError, match="dense mixes protocols on atari: "):
        compare(cells.seen(runfolder.load(tmp_path / "runs")[0], mix=True), "", Settings(repetitions=10))


def test_only_finished_runs_have_a_say_in_the_protocol(run):
    """The others enter no statistic: not before their first evaluation, and not where they end before the cut."""
    whole = {"method": "gmp", "evaluations": (1.0, 2.0, 3.0)}
    grid = [runfolder.read(run(seed=seed, **whole)) for seed in range(2)]
    begun = runfolder.read(run(method="gmp", seed=2, status=None, returns=(1.0,)))
    failed = runfolder.read(run(status="failed", returns=(1.0,)))
    cut = [protocol.cut(each, 2000) for each in (*grid, begun, failed)]
    assert [each.agent_steps for each in cut] == [2000, 2000, 3000, 3000]
    comparison = compare(cells.seen(cut, "evaluation"), "", Settings(repetitions=10))
    assert comparison.blocks == [["dense", "gmp"]]
    assert dict(comparison.source)["Protocol"].endswith(", evaluation return; 2,000 agent steps.")
    nothing = compare(cells.seen([failed]), "", Settings(repetitions=10))
    assert dict(nothing.source)["Protocol"] == "no finished run."


def signature(**values):
    return {key.replace("_", "/"): frozenset([value]) for key, value in values.items()}


def test_lengths_clash_unless_they_are_alike():
    rows = {
        "ours": signature(atari="v5", atari_Pong=10_000_000),
        "from a file": signature(atari="v5", atari_Pong=10_400_000),
        "theirs": signature(atari="v5", atari_Pong=50_000_000),
        "elsewhere": signature(mujoco="v5", mujoco_Ant=1_000_000),
    }
    assert protocol.blocks(rows) == [["ours", "from a file", "elsewhere"], ["theirs"]]
    assert protocol.clash(rows["ours"], rows["theirs"]) == (
        "atari/Pong: 10,000,000 agent steps against 50,000,000 agent steps"
    )
    assert not protocol.check_rows(rows)
    assert protocol.describe(rows, ["ours", "from a file"]) == "v5; 10,000,000 to 10,400,000 agent steps"


def test_the_agent_steps_of_offline_runs_are_called_batches(run):
    for task, said in (("offline/Pong", True), ("atari/Pong", False)):
        signatures = {"dense": protocol.signature([runfolder.read(run(task=task))], "training")}
        assert protocol.describe(signatures, ["dense"]).endswith("agent step is a batch") is said


def test_a_cut_takes_the_first_epoch_that_reaches_it(run):
    whole = runfolder.read(run(seed=1, returns=(1.0, 2.0, 3.0)))  # ends of epochs at 1,001, 2,001, 3,001
    cut = protocol.cut(whole, 2000)
    assert (cut.final("return"), cut.agent_steps, len(whole.history)) == (2.0, 2000, 3)
    assert protocol.cut(whole, 4000) is whole
    unfinished = runfolder.read(run(status=None, returns=(1.0, 2.0)))
    assert protocol.cut(unfinished, 2000).status == "finished"
    assert protocol.cut(unfinished, 3000).status == "unfinished"


def test_a_cut_where_a_file_left_out_epochs_is_an_error(run, tmp_path):
    """Of 300 epochs, a file of curves holds every fourth before the last ten."""
    whole = runfolder.read(run(returns=tuple(map(float, range(1, 301))), options={"trainer.epochs": 300}))
    runs.write_csv(runs.tidy([("dense", whole)]), tmp_path / "curves.csv")
    (thinned,), _ = csvfile.load(tmp_path / "curves.csv")
    assert (protocol.cut(whole, 5000).final("return"), protocol.cut(thinned, 4000).final("return")) == (5.0, 4.0)
    with pytest.raises(UserError, match=r"--agent-steps: .*seed0.* soon after agent step 5,000, the next is at 8,000"):
        protocol.cut(thinned, 5000)
    with pytest.raises(UserError, match=r"the next is at 4,000"):
        protocol.cut(thinned, 1000)
    assert protocol.cut(thinned, 197_000).final("return") == 200.0  # lengths of training may differ by more
    assert protocol.cut(thinned, 299_000).final("return") == 299.0


@pytest.mark.parametrize(("steps", "status"), [(1000, "finished"), (2000, "failed"), (3000, "failed")])
def test_a_run_that_fails_after_the_cut_is_finished_there(run, steps, status):
    """It has two epochs, and may have diverged in the second."""
    failed = runfolder.read(run(status="failed", returns=(1.0, 2.0)))
    cut = protocol.cut(failed, steps)
    assert cut.status == status and bool(cut.reason) == (status == "failed")


def test_published_results_without_the_asked_return_are_taken_with_the_other_and_apart(run):
    folder = run(evaluations=(1.0, 2.0, 3.0))
    ours, theirs = runfolder.read(folder), runfolder.read(run(method="theirs"))
    assert protocol.measured(ours, "evaluation") == "evaluation_return"
    assert protocol.measured(theirs, "evaluation") == "return"
    signatures = {run.method: protocol.signature([run], "evaluation") for run in (ours, theirs)}
    assert len(protocol.blocks(signatures)) == 2
    assert "evaluation return against" in protocol.clash(*signatures.values())


def pruned(run, distribution, loss="mse", method="gmp", sparsity=0.9, **values):
    options = {"pruning.distribution": distribution, "agent.loss": loss}
    return run(method=method, options=options, sparsity=sparsity, **values)


def test_distribution_and_loss_belong_to_the_protocol(run):
    ours, old = runfolder.read(pruned(run, "erk")), runfolder.read(pruned(run, None, "squared", seed=1))
    assert ours.protocol.endswith(", loss mse, layers by erk")
    assert old.protocol.endswith(", loss half_mse, layers by default of 0.1")
    dense = runfolder.read(pruned(run, "erk", method="dense", sparsity=0.0))
    assert dense.protocol.endswith(", loss mse")  # what it does not use does not set it apart


def test_other_distributions_are_never_mixed_unless_the_sweep_varies_them(run):
    folders = [
        pruned(run, "erk", method="dense", sparsity=0.0),
        pruned(run, "erk"),
        pruned(run, "uniform", method="set"),
        pruned(run, "erk", "squared", method="rigl"),
    ]
    read = [runfolder.read(folder) for folder in folders]
    blocks = protocol.blocks({run.method: protocol.signature([run], "training") for run in read})
    assert blocks == [["dense", "gmp"], ["dense", "set"], ["rigl"]]  # dense has no layers that share a sparsity
    swept = {run.method: protocol.signature([run], "training", (protocol.DISTRIBUTION,)) for run in read}
    assert protocol.blocks(swept) == [["dense", "gmp", "set"], ["rigl"]]
    assert "layers by erk against layers by uniform" in protocol.clash(
        *(protocol.signature([run], "training") for run in read[1:3])
    )


def test_every_block_is_compared_with_a_method_that_prunes_nothing(run):
    dense = pruned(run, "erk", method="dense", sparsity=0.0)
    folders = [dense, pruned(run, "erk"), pruned(run, "uniform", method="set")]
    elsewhere = run(task="mujoco/Hopper", method="theirs")
    comparison = compare(cells.seen(map(runfolder.read, [*folders, elsewhere])), "", Settings(repetitions=10))
    assert comparison.blocks == [["dense", "gmp", "theirs"], ["dense", "set"]]
    assert [comparison.against[row][0] for row in ("gmp", "set")] == ["dense", "dense"]
    assert tables.markdown(comparison).count("| set    | dense ") == 1
