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
    "tests/baselines/test_networks.py::test_every_other_method_trains_every_network": 90,
    "tests/sweeps/bench/test_training.py::test_every_cell_of_the_table_is_a_measurement": 60,
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
