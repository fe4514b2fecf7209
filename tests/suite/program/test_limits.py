"""What a container allows, from files such as the kernel shows."""

from pathlib import Path

import pytest

from suite.program import limits

MB = 10**6


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pretends to be in some cgroups: {"v2": the group's path} or version 1's {"memory": path}, and their files."""

    def put(paths: dict[str, str], files: dict[str, str]) -> None:
        mounts = ["proc /proc proc rw 0 0"]
        lines = []
        for number, (controller, path) in enumerate(paths.items()):
            second = controller == "v2"
            kind, options = ("cgroup2", "rw") if second else ("cgroup", f"rw,{controller}")
            mounts.append(f"{kind} {tmp_path / controller} {kind} {options} 0 0")
            lines.append(f"{number}:{'' if second else controller}:{path}")
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text + "\n")
        (tmp_path / "cgroup").write_text("\n".join(lines) + "\n")
        (tmp_path / "mounts").write_text("\n".join(mounts) + "\n")
        monkeypatch.setattr(limits, "PROC", tmp_path)
        monkeypatch.setattr(limits, "physical_memory", lambda: 8_000 * MB)
        monkeypatch.setattr(limits, "allowed_cores", lambda: [0, 1, 2, 5])

    return put


@pytest.mark.parametrize(
    ("paths", "files"),
    [
        ({"v2": "/"}, {"v2/memory.max": "800000000", "v2/cpu.max": "200000 100000"}),
        ({"v2": "/a/b"}, {"v2/a/b/memory.max": "max", "v2/a/memory.max": "800000000", "v2/a/b/cpu.max": "20000 10000"}),
        ({"v2": "/outside/b"}, {"v2/memory.max": "800000000", "v2/cpu.max": "200000 100000"}),
        (
            {"memory": "/docker/x", "cpu,cpuacct": "/docker/x"},
            {
                "memory/docker/x/memory.limit_in_bytes": "800000000",
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000",
            },
        ),
    ],
    ids=["version 2", "a group above", "a path from outside", "version 1"],
)
def test_the_tightest_limit_counts(groups, paths: dict[str, str], files: dict[str, str]) -> None:
    groups(paths, files)
    assert limits.memory() == 800 * MB
    assert limits.cores() == [0, 1]
    assert "800 MB of 8 GB" in limits.restrictions() and "of 4 cores" in limits.restrictions()


@pytest.mark.parametrize(
    ("paths", "files"),
    [
        ({}, {}),
        ({"v2": "/"}, {}),
        ({"v2": "/"}, {"v2/memory.max": "max", "v2/cpu.max": "max 100000"}),
        (
            {"memory": "/", "cpu": "/"},
            {
                "memory/memory.limit_in_bytes": str(2**63 - 4096),
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
            },
        ),
    ],
)
def test_without_limits_it_is_the_machine(groups, paths: dict[str, str], files: dict[str, str]) -> None:
    groups(paths, files)
    assert (limits.memory(), limits.cores(), limits.restrictions()) == (8_000 * MB, [0, 1, 2, 5], "")


def test_a_part_of_a_core_is_one_core(groups) -> None:
    groups({"v2": "/"}, {"v2/cpu.max": "50000 100000"})
    assert limits.cores() == [0]
    assert limits.restrictions() == "0.5 of 4 cores"


@pytest.mark.parametrize(
    ("count", "text"),
    [(850_000, "850 kB"), (999_900, "1 MB"), (999_400_000, "999 MB"), (999_700_000, "1 GB"), (999_960_000_000, "1 TB")],
)
def test_a_size_is_rounded_into_the_next_unit(count: int, text: str) -> None:
    assert limits.size(count) == text


def test_a_system_without_these_files_has_no_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "PROC", tmp_path / "none")
    assert (limits.core_quota(), limits.memory_limit()) == (None, None)


def test_a_mounted_folder_may_have_a_name_of_any_bytes(groups, tmp_path: Path) -> None:
    groups({"v2": "/"}, {"v2/memory.max": "800000000"})
    with (tmp_path / "mounts").open("ab") as mounts:
        mounts.write(b"tmpfs /mnt/\xff tmpfs rw 0 0\n")
    assert limits.memory() == 800 * MB
