from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from saegeom_data.harvest.model import activations
from saegeom_data.harvest.stages import Stage, Workspace
from saegeom_data.harvest.text.sequences import SequenceTable

SITES = ("hidden_state_0", "hidden_state_2")
SEQUENCES = 300


def harvest(workspace: Workspace) -> Stage:
    config = transformers.GPT2Config(
        n_layer=2, n_embd=16, n_head=2, vocab_size=50, n_positions=8, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(0)
    model = transformers.GPT2Model(config).eval()
    ids = np.random.default_rng(0).integers(0, 50, (SEQUENCES, 8)).astype(np.int32)
    one, none = np.zeros(SEQUENCES, np.int32), np.zeros(SEQUENCES, bool)
    table = SequenceTable(ids, np.zeros(8, bool), one, ["d"], ["t"], none, {})

    def action(folder: Path) -> None:
        activations.write_activations(folder / "activations.zarr", table, model, SITES, 16, workspace.progress)

    return workspace.run("activations", "key", (), action, in_pieces=True)


def contents(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("batches", [3, 8, 13, 18])
def test_a_stopped_harvest_goes_on_from_finished_shards(tmp_path, monkeypatch, batches):
    left, own = batches, activations.read_sites

    def stops(*arguments):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return own(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(activations, "read_sites", stops)
        with pytest.raises(KeyboardInterrupt):
            harvest(Workspace(tmp_path / "stopped"))
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "stopped").rglob("c.0.0")}
    assert len(before) == (len(SITES) if batches >= 8 else 0)
    harvest(Workspace(tmp_path / "stopped"))
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    harvest(Workspace(tmp_path / "whole"))
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
