"""The example of SLURM in the guide makes the jobs that it promises. Nothing is submitted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

jobqueue = pytest.importorskip("dask_jobqueue")

GUIDE = Path(__file__).parents[2] / "saegeom_data" / "guide" / "clusters.md"


@pytest.mark.filterwarnings("ignore:Port 8787")
def test_jobs_of_slurm_hold_one_worker_of_the_memory_of_the_job() -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("## SLURM")[2].partition("\n## ")[0]
    made = re.search(r"^cluster = (SLURMCluster\(.*\))$", section, re.MULTILINE)
    assert made is not None
    cluster = eval(made[1], {"SLURMCluster": jobqueue.SLURMCluster})
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    assert "#SBATCH --mem=8G\n" in script
    assert "#SBATCH -t 02:00:00\n" in script
    assert re.search(r"dask_worker tcp://\S+ .*--nthreads 1 --memory-limit 7\.45GiB --nanny ", script)
