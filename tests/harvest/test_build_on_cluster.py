"""Ready SAEs encode on workers of a cluster, which give the store that one process gives."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("datasets")
pytest.importorskip("distributed")

from clusters import running_cluster
from tiny_models import full, made, spec

from saegeom_data.data.manifest_of import root_hash
from saegeom_data.errors import ClusterError, ParameterError


@pytest.fixture
def root(folder: Path, tmp_path: Path) -> str:
    """Root of the store that this process makes, with one thread as each task of a worker has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return root_hash(made(full(), folder, tmp_path / "here.zarr"))
    finally:
        torch.set_num_threads(before)


def test_workers_encode_what_is_missing_to_the_same_root(folder: Path, root: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    lines: list[str] = []
    with running_cluster(tmp_path / "cluster") as cluster:
        for _ in range(2):
            cluster.add_worker("--no-nanny")
        cluster.await_workers(2)
        options = {"scheduler": str(cluster.file), "work": work, "progress": lines.append}
        with pytest.raises(ClusterError, match=r"worker tcp://.*: device: got 'none'"):
            made(full(), folder, tmp_path / "store.zarr", **options | {"device": "none"})
        assert not (tmp_path / "work").exists(), "before anything is made"
        made(full(), folder, tmp_path / "store.zarr", **options)
        assert root_hash(tmp_path / "store.zarr") == root
        first, *others = sorted(work.rglob("codes-*.npz"))
        kept = first.stat().st_mtime_ns
        for file in [*others, first.with_name("stage.json")]:
            file.unlink()
        made(full(), folder, tmp_path / "again.zarr", **options)
    assert first.stat().st_mtime_ns == kept, "what was finished stays"
    assert root_hash(tmp_path / "again.zarr") == root
    assert any(line.startswith("codes: ") for line in lines)


def test_a_cluster_without_work_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="by which no SAE encodes; leave it away"):
        made(spec(), folder, tmp_path / "store.zarr", scheduler="tcp://127.0.0.1:9")
