"""The long tests: `make test` leaves them out, `make test-long` runs them alone, in this order.

Each of them shows at full length what a shorter test of `make test` shows, too.

A key is a file, a test, or a test with its parameters; the value is about the seconds that it takes alone on a core,
without compiled programs from an earlier session.
"""

LONG: dict[str, int] = {
    "tests/sweeps/test_end_to_end.py": 120,
    "tests/slurm/test_slurm.py": 180,
    "tests/test_chaos.py": 220,
    "tests/sweeps/engines/test_wandb.py::test_each_cell_is_run_once_and_what_is_finished_is_sent_from_its_record": 45,
    "tests/sweeps/engines/test_wandb.py::test_an_interrupted_sweep_goes_on_and_each_run_is_on_w_and_b_once": 35,
    "tests/sweeps/engines/test_wandb.py::test_agents_share_gpus_and_cores_as_workers_do": 10,
    "tests/examples/test_tour.py::test_all_cells_run": 50,
    "tests/sweeps/gpu/test_gpu_check.py": 90,
    "tests/baselines/test_methods.py::test_every_other_method_trains_every_agent": 150,
    "tests/baselines/test_methods.py::test_pruning_options_reach_the_methods_of_the_other_agent": 25,
    "tests/baselines/test_methods.py::test_golden_of_all_others_with_convolutions": 15,
    "tests/baselines/test_networks.py::test_every_other_method_trains_every_network": 90,
    "tests/suite/test_trainer.py::test_every_other_method_learns_the_action": 12,
    "tests/suite/environments/test_minatar.py::test_a_tiny_run_leaves_a_finished_record[eaudeqn]": 6,
    "tests/suite/environments/test_mujoco.py::test_a_tiny_run_leaves_a_finished_record[dense]": 3,
    "tests/suite/environments/test_mujoco.py::test_a_tiny_run_leaves_a_finished_record[distill]": 3,
    "tests/sweeps/bench/test_training.py::test_every_cell_of_the_table_is_a_measurement": 60,
    "tests/suite/publish/test_upload_refused.py::test_the_run_itself_takes_a_new_id": 5,
    "tests/suite/publish/test_upload_refused.py::test_a_deleted_run_of_a_sweep_takes_a_new_id": 3,
    "tests/suite/publish/test_upload_refused.py::test_a_policy_that_w_and_b_lacks_is_sent_later[not committed]": 3,
    "tests/suite/publish/test_upload_refused.py::test_the_policy_is_sent_whatever_home_is[missing]": 2,
    "tests/suite/publish/test_upload_refused.py::test_the_policy_is_sent_whatever_home_is[read-only]": 2,
    "tests/suite/publish/test_upload_refused.py::test_a_refusal_is_told_at_once[400]": 3,
    "tests/suite/publish/test_upload_refused.py::test_a_refusal_is_told_at_once[409]": 5,
    "tests/suite/publish/test_upload_refused.py::test_a_refusal_is_told_at_once[422]": 2,
    "tests/suite/publish/test_upload_refused.py::test_a_refusal_is_told_at_once[429]": 2,
    "tests/suite/publish/test_upload_refused.py::test_a_refusal_is_told_at_once[500]": 2,
    "tests/suite/publish/test_upload_refused.py::test_long_names_are_cut[method1]": 3,
    "tests/suite/publish/test_upload_refused.py::test_without_file_locks_a_run_is_sent[ENOLCK]": 2,
    "tests/suite/publish/test_upload_refused.py::test_without_file_locks_a_run_is_sent[ENOTSUP]": 2,
    "tests/suite/publish/test_dashboard.py::test_without_an_account_a_terminal_shows_the_newest_run": 20,
    "tests/suite/publish/test_upload.py::test_a_server_that_is_ill_changes_nothing[error]": 2,
    "tests/suite/publish/test_upload.py::test_a_server_that_is_ill_changes_nothing[silent]": 2,
    "tests/suite/publish/test_upload.py::test_a_scheduler_that_signals_everybody_leaves_a_preempted_run[SIGUSR2]": 4,
    "tests/suite/publish/test_upload.py::test_a_sweep_knows_the_run_by_the_id_that_it_gave[no sweep]": 7,
    "tests/suite/publish/test_upload.py::test_a_run_that_goes_on_has_each_row_once[error]": 7,
    "tests/suite/publish/test_upload.py::test_a_run_that_goes_on_has_each_row_once[asked]": 6,
    "tests/suite/publish/test_upload.py::test_whatever_the_variable_is_there_is_a_copy[dryrun]": 3,
    "tests/suite/publish/test_upload.py::test_whatever_the_variable_is_there_is_a_copy[run]": 3,
    "tests/suite/program/test_extensions.py::test_a_sweep_in_another_folder_has_the_method": 22,
    "tests/suite/program/test_compile_cache.py::test_no_number_of_a_run_depends_on_the_cache": 18,
    "tests/suite/program/test_numerics.py::test_a_run_is_the_same_whatever_is_pinned": 10,
    "tests/suite/test_resume.py::test_every_suite_goes_on_with_every_bit[Random-dqn-eaudeqn-options5]": 4,
    "tests/suite/test_resume.py::test_every_suite_goes_on_with_every_bit[lander-dqn-gmp-options7]": 2,
    "tests/suite/test_resume.py::test_every_suite_goes_on_with_every_bit[pendulum-td3-eaudeqn-options3]": 7,
    "tests/suite/test_resume.py::test_every_suite_goes_on_with_every_bit[pendulum-sac-eaudeqn-options2]": 18,
    "tests/suite/test_resume.py::test_every_suite_goes_on_with_every_bit[pong-dqn-eaudeqn-options4]": 16,
    "tests/suite/agents/test_td3.py::test_the_action_of_the_highest_reward[eaudeqn]": 6,
    "tests/suite/agents/test_sac_probes.py::test_the_action_of_the_highest_reward[distill]": 3,
    "tests/suite/agents/test_sac_probes.py::test_waiting_for_the_device_changes_nothing[dqn-1]": 2,
    "tests/suite/agents/test_sac_probes.py::test_waiting_for_the_device_changes_nothing[sac-5]": 11,
    "tests/sweeps/export/test_export.py::test_an_export_that_is_not_timed_keeps_what_was_measured[atari/Pong]": 7,
    "tests/sweeps/export/test_export.py::test_latencies_are_measured_side_by_side[atari/Pong]": 5,
    "tests/examples/test_scripts.py::test_a_method_is_added_by_importing_a_module": 8,
    "tests/analysis/test_table.py::test_end_to_end_in_a_process_of_its_own": 7,
    "tests/suite/tracking/test_provenance.py::test_figures_are_drawn_whatever_a_notebook_sets[TkAgg]": 4,
    "tests/suite/tracking/test_provenance.py::test_figures_are_drawn_whatever_a_notebook_sets[no-such-backend]": 4,
    "tests/baselines/test_networks.py::test_different_methods_train_every_network[eaudeqn-simba]": 9,
    "tests/baselines/test_networks.py::test_different_methods_train_every_network[rigl-simba]": 6,
    "tests/sweeps/test_recorded.py::test_a_run_of_version_0_1_ends_as_it_would_have[eaudeqn-False]": 5,
}


def place_of(test: str) -> int | None:
    """Where the list has a test, by its id; None if it is not a long one."""
    for place, key in enumerate(LONG):
        if test == key or test.startswith((f"{key}::", f"{key}[")):
            return place
    return None


def files() -> set[str]:
    """Those that have long tests."""
    return {key.partition("::")[0] for key in LONG}
