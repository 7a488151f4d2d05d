"""Activations: what is written of them, what is refused, and where a stopped writing goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")


from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.harvest.model import activations
from saegeom_data.harvest.model.activations import ActivationReader, read_sites, write_activations
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
    document, none = np.zeros(SEQUENCES, np.int32), np.zeros(SEQUENCES, bool)
    table = SequenceTable(ids, np.zeros(ids.shape, bool), document, ["d"], ["t"], none, {})

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


def test_activations_too_large_to_train_on_are_refused(folder: Path, tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "llama").eval()
    with torch.no_grad():
        model.embed_tokens.weight[7] = 1e5
    ids = np.full((3, 12), 5, dtype=np.int32)
    ids[1, 4] = 7
    special, document = np.zeros(ids.shape, bool), np.zeros(3, np.int32)
    table = SequenceTable(ids, special, document, ["own/a"], ["note"], np.zeros(3, bool), {})
    message = (
        r"hidden_state_0: activations of sequences 0 to 3 are not finite in float16 .* set saes.input_dtype: float32"
    )
    with pytest.raises(DataValueError, match=message):
        write_activations(tmp_path / "a.zarr", table, model, ["hidden_state_0"], 2, print)
    write_activations(tmp_path / "b.zarr", table, model, ["hidden_state_0"], 2, print, "float32")
    reader = ActivationReader(tmp_path / "b.zarr", "hidden_state_0", table)
    [(_, kept)] = reader.shards()
    np.testing.assert_array_equal(kept[1, 4], np.full(16, 1e5, "float32"))
    assert (reader.dtype, reader.training_rows(0).dtype) == ("float32", np.dtype("float32"))


def test_a_site_of_another_width_cannot_be_trained_on(folder: Path, tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "llama").eval()
    ids = np.full((3, 12), 5, dtype=np.int32)
    table = SequenceTable(ids, np.zeros(ids.shape, bool), np.zeros(3, np.int32), ["a"], ["note"], np.zeros(3, bool), {})
    with pytest.raises(ParameterError, match=r"layers\.0\.mlp\.up_proj\.output': got 24 dimensions, expected 16"):
        write_activations(tmp_path / "a.zarr", table, model, ["layers.0.mlp.up_proj.output"], 2, print)


def test_padding_does_not_change_activations(folder: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "gemma2").eval()
    ids = np.random.default_rng(0).integers(1, 320, (2, 12)).astype("int32")
    present = np.arange(12) < np.array([[12], [5]])
    padded = read_sites(model, ids, ["blocks.1.hook_mlp_out"], present)[0]
    alone = read_sites(model, ids[1:, :5], ["blocks.1.hook_mlp_out"])[0]
    torch.testing.assert_close(padded[1, :5], alone[0], rtol=0, atol=1e-6)
