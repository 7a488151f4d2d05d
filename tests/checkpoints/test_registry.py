"""The registry of SAELens: names lead to repositories, entries that are odd are passed over, keys are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import saegeom_data
from saegeom_data.checkpoints import registry
from saegeom_data.errors import MissingDependencyError, SaegeomError

SAES = [
    {"id": "layer_0/width_8", "path": "zero", "l0": 3.5, "neuronpedia": "gemma-2-2b/0-res-8"},
    {"id": "layer_1/width_8", "path": "one"},
    {"id": "no path"},
    {"id": 7, "path": "seven"},
    "text",
    # As one entry is: a release that stands inside a list.
    {"release-of-another": {"repo_id": "a/b", "saes": []}},
]
RELEASES = {
    "gemma-res": {"repo_id": "lab/saes", "model": "gemma-2-2b", "conversion_func": None, "saes": SAES},
    "no-repository": {"saes": SAES},
    "no-saes": {"repo_id": "lab/others", "model": "gpt2", "saes": {"id": "a"}},
    "nothing": None,
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry whose repositories are folders, each SAE of one a file of a decoder."""
    package = tmp_path / "sae_lens"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('its file alone is read')")
    (package / "pretrained_saes.yaml").write_text(yaml.safe_dump(RELEASES))
    for name in ("zero", "one"):
        (tmp_path / "lab" / "saes" / name).mkdir(parents=True)
        np.save(tmp_path / "lab" / "saes" / name / "decoder.npy", np.eye(8, 4, dtype="float32"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_HUB", f"{tmp_path}/")
    monkeypatch.delitem(__import__("sys").modules, "sae_lens", raising=False)
    return tmp_path


def test_a_name_leads_to_its_checkpoint_and_says_what_its_files_do_not(lab: Path) -> None:
    facts = {"site": "blocks.0.hook_resid_post", "architecture": "topk"}
    sae = saegeom_data.open_checkpoint("gemma-res/layer_0/width_8", **facts)
    assert (sae.attrs["model"], float(sae.l0)) == ("gemma-2-2b", 3.5)
    assert (sae.attrs["neuronpedia"], sae.attrs["l0_source"]) == ("gemma-2-2b/0-res-8", "the registry of SAELens")
    # What the user states comes first.
    assert float(saegeom_data.open_checkpoint("gemma-res/layer_0/width_8", l0=2, **facts).l0) == 2
    root = saegeom_data.import_checkpoints(
        ["gemma-res/layer_*"], lab / "a.zarr", site="blocks.{layer}.hook_resid_post", architecture="topk",
        l0={"*one*": 1}, layer={"*zero*": 0, "*one*": 1},
    )  # fmt: skip
    with saegeom_data.open(lab / "a.zarr") as tree:
        assert tree.encoding["root"] == root
        assert [node.attrs.get("neuronpedia") for node in tree.match("saes/*/features").leaves] == [
            "gemma-2-2b/0-res-8",
            None,
        ]


def test_odd_entries_are_passed_over_and_words_find_the_others(lab: Path) -> None:
    assert [entry.name for entry in registry.entries()] == ["gemma-res/layer_0/width_8", "gemma-res/layer_1/width_8"]
    assert [entry.id for entry in registry.search("Gemma 0-RES")] == ["layer_0/width_8"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemma-ress/layer_0", "no such file or folder, and no such release in the registry of SAELens; did you mean"),
        (
            "gemma-res/layer_0/width_9",
            "the release gemma-res has no SAE 'layer_0/width_9'; did you mean 'layer_0/width_8'",
        ),
        ("elsewhere/weights.npz", "elsewhere/weights.npz: no such file or folder; check the path"),
    ],
)
def test_a_name_that_is_none_is_one_line(lab: Path, name: str, expected: str) -> None:
    with pytest.raises(SaegeomError) as refused:
        saegeom_data.open_checkpoint(name)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_saelens_there_is_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    assert registry.entries() == ()
    with pytest.raises(MissingDependencyError, match="needs SAELens's registry"):
        registry.search("gemma")
