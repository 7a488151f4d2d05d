"""The examples of the guide make the clusters that they promise. Nothing is submitted, and nothing is started."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dask.utils import parse_bytes

pytest.importorskip("distributed")

from distributed.cli import dask_scheduler, dask_worker

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "saegeom_data" / "guide" / "clusters.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def section(title: str) -> str:
    return GUIDE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.filterwarnings("ignore:Port 8787")
def test_jobs_of_slurm_hold_one_worker_of_the_memory_of_the_job() -> None:
    jobqueue = pytest.importorskip("dask_jobqueue")
    made = re.search(r"^cluster = (SLURMCluster\(.*\))$", section("SLURM"), re.MULTILINE)
    assert made is not None
    cluster = eval(made[1], {"SLURMCluster": jobqueue.SLURMCluster})
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    assert "#SBATCH --mem=8G\n" in script
    assert "#SBATCH -t 02:00:00\n" in script
    assert re.search(r"dask_worker tcp://\S+ .*--nthreads 1 --memory-limit 7\.45GiB --nanny ", script)


@pytest.fixture(scope="module")
def resource() -> dict[str, Any]:
    """The DaskCluster of the guide."""
    block = re.search(r"^```yaml\n(.*?)^```$", section("Kubernetes"), re.MULTILINE | re.DOTALL)
    assert block is not None
    found: dict[str, Any] = yaml.safe_load(block[1])
    return found


def container(resource: dict[str, Any], part: str) -> dict[str, Any]:
    (only,) = resource["spec"][part]["spec"]["containers"]
    return dict(only)


def options(resource: dict[str, Any], part: str) -> dict[str, Any]:
    """What the command of distributed takes the arguments of a container for, which refuses those that it lacks."""
    program, command, *arguments = container(resource, part)["args"]
    assert (program, command) == ("dask", part)
    main = {"worker": dask_worker, "scheduler": dask_scheduler}[part].main
    return dict(main.make_context(command, arguments).params)


def test_the_resource_is_one_of_the_operator(resource: dict[str, Any]) -> None:
    assert (resource["apiVersion"], resource["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    # What the operator requires of each part.
    assert set(resource["spec"]) == {"worker", "scheduler"}
    assert set(resource["spec"]["worker"]) == {"replicas", "spec"}
    assert set(resource["spec"]["scheduler"]) == {"spec", "service"}


def test_a_worker_stays_below_the_limit_of_its_pod(resource: dict[str, Any]) -> None:
    given = options(resource, "worker")
    # The operator sets this variable, and that of the address, which is why no address is given.
    assert given["name"] == "$(DASK_WORKER_NAME)"
    assert given["scheduler"] is None
    assert given["nanny"]
    pod = container(resource, "worker")["resources"]
    assert pod["requests"] == pod["limits"]
    # The nanny and what it holds lie in the pod as well.
    assert parse_bytes(given["memory_limit"]) + 2**29 <= parse_bytes(f"{pod['limits']['memory']}B")
    assert given["nthreads"] == int(pod["limits"]["cpu"])


def test_the_service_leads_to_the_ports_of_the_scheduler(resource: dict[str, Any]) -> None:
    given = options(resource, "scheduler")
    scheduler, service = container(resource, "scheduler"), resource["spec"]["scheduler"]["service"]
    ports = {port["name"]: port["containerPort"] for port in scheduler["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports
    # The names that the operator looks for, and where a scheduler listens unless it is told otherwise.
    assert ports == {"tcp-comm": 8786, "http-dashboard": 8787}
    assert (given["port"], given["dashboard_address"]) == (None, ":8787")
    assert scheduler["readinessProbe"]["httpGet"]["port"] in ports
    name = resource["metadata"]["name"]
    assert service["selector"] == {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    text = section("Kubernetes")
    assert f"port-forward service/{name}-scheduler {ports['tcp-comm']}:{ports['tcp-comm']} " in text
    assert f"--scheduler tcp://127.0.0.1:{ports['tcp-comm']}\n" in text
    assert f"--scheduler tcp://{name}-scheduler:{ports['tcp-comm']}`" in text


def test_image_and_pods_have_the_version_of_this_package(resource: dict[str, Any]) -> None:
    text = section("Kubernetes")
    installed = re.search(rf"'{PROJECT['name']}\[(.*)\]==(.*)'", text)
    assert installed is not None
    assert installed[2] == PROJECT["version"]
    assert set(installed[1].split(",")) <= set(PROJECT["optional-dependencies"])
    images = {container(resource, part)["image"] for part in ("worker", "scheduler")}
    assert {image.partition(":")[2] for image in images} == {PROJECT["version"]}
    python = re.search(r"^FROM python:(\S+)-slim$", text, re.MULTILINE)
    assert python is not None
    assert f"Programming Language :: Python :: {python[1]}" in PROJECT["classifiers"]


def test_the_client_waits_for_all_workers(resource: dict[str, Any]) -> None:
    assert f"client.wait_for_workers({resource['spec']['worker']['replicas']})" in section("Kubernetes")
