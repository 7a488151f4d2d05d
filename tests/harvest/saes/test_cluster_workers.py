"""Processes beside a worker of a cluster are those of one build, and none is left when it is over."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from saegeom_data.errors import ClusterError
from saegeom_data.harvest.saes import cluster_workers
from saegeom_data.harvest.stages import Stage


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """Stages of jobs that are done at once, by processes that write their ids into ``processes``."""
    script = f"#!/bin/sh\necho $$ >> {tmp_path}/processes\nwhile read job; do echo done; done\n"
    (tmp_path / "python").write_text(script)
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    stages = [Stage(tmp_path / name, "made of") for name in ("train-a", "train-b", "late")]
    for stage in stages:
        stage.folder.mkdir()
    return stages


def running(folder: Path) -> list[bool]:
    return [Path(f"/proc/{pid}").is_dir() for pid in (folder / "processes").read_text().split()]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc which processes run")
def test_a_build_ends_its_own_processes_and_starts_none_afterwards(jobs: list[Stage], tmp_path: Path) -> None:
    try:
        cluster_workers._do("first", jobs[0], {})
        cluster_workers._do("second", jobs[1], {})
        assert running(tmp_path) == [True, True]
        cluster_workers._end("first")
        assert running(tmp_path) == [False, True]
        with pytest.raises(ClusterError, match=r"^late: its build is over$"):
            cluster_workers._do("first", jobs[2], {})
        assert running(tmp_path) == [False, True]
    finally:
        for build in ("first", "second"):
            cluster_workers._end(build)
    assert running(tmp_path) == [False, False]
    assert cluster_workers._processes == {}
