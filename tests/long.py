"""The long tests: `make test` leaves them out, `make test-long` runs them alone, in this order.

Each of them shows at full length what a shorter test of `make test` shows, too.

A key is a file, a test, or a test with its parameters; the value is the seconds that it takes alone on a quiet core,
without compiled programs from an earlier session.
"""

LONG: dict[str, int] = {
    "tests/sweeps/test_end_to_end.py": 100,
    "tests/slurm/test_slurm.py": 120,
    "tests/test_chaos.py": 300,
    "tests/sweeps/test_wandb_engine.py": 120,
    "tests/sweeps/test_bench.py": 60,
    "tests/analysis/test_coverage.py": 20,
}


def place_of(test: str) -> int | None:
    """Where the list has a test, by its id; None if it is not a long one."""
    for place, key in enumerate(LONG):
        if test == key or test.startswith((f"{key}::", f"{key}[")):
            return place
    return None
