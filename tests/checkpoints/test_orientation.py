"""Which way round a decoder lies: told by what lies beside it, asked for where nothing tells, never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from saegeom_data.checkpoints import import_checkpoints, open_checkpoint
from saegeom_data.errors import ParameterError, SaegeomError, StoreError, ValidationError
from saegeom_data.metrics import isotropy

F, D = 12, 5
SAID: dict[str, Any] = {"model": "gpt2", "site": "blocks.6.hook_resid_post", "l0": 3, "architecture": "jumprelu"}
ROWS = np.random.default_rng(0).standard_normal((F, D)).astype("float32")
SQUARE = ROWS[:D].copy()
TURNED = np.ascontiguousarray(ROWS.T)


def zeros(size: int) -> np.ndarray[Any, Any]:
    return np.zeros(size, "float32")


def opened(tmp_path: Path, arrays: dict[str, Any], key: str | None = None, **options: Any) -> Any:
    save_file(arrays, tmp_path / "x.safetensors")
    return open_checkpoint(tmp_path / "x.safetensors", key=key, **SAID | options)


# Arrays of a file, the key of the decoder, and options with which it is read as ROWS.
TOLD: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "more rows than columns": ({"x": ROWS}, "x", {}),
    "said": ({"x": TURNED}, "x", {"orientation": "hidden,features"}),
    "said with brackets": ({"x": TURNED}, "x", {"orientation": "(hidden, features)"}),
    "weight of a Linear": ({"decoder.weight": TURNED}, "decoder.weight", {}),
    "weight of a Linear of any name": ({"lin2.weight": TURNED}, "lin2.weight", {}),
    "Linear, turned back": ({"decoder.weight": ROWS, "encoder.bias": zeros(F)}, "decoder.weight", {}),
    "bias of the encoder": ({"x": TURNED, "b_enc": zeros(F)}, "x", {}),
    "bias of the decoder": ({"x": TURNED, "b_dec": zeros(D)}, "x", {}),
    "threshold": ({"x": TURNED, "threshold": zeros(F)}, "x", {}),
    "encoder of a Linear": ({"x": TURNED, "encoder.weight": ROWS}, "x", {}),
    "two Linears": ({"decoder.weight": TURNED, "encoder.weight": ROWS, "decoder.bias": zeros(D)}, "decoder.weight", {}),
    "inside a module": ({"sae.dec.weight": TURNED, "sae.b_enc": zeros(F), "b_enc": zeros(7)}, "sae.dec.weight", {}),
    "said of a square": ({"x": SQUARE}, "x", {"orientation": "features,hidden"}),
    "square of a Linear": ({"decoder.weight": np.ascontiguousarray(SQUARE.T)}, "decoder.weight", {}),
}


@pytest.mark.parametrize("what", TOLD)
def test_orientation_is_told(what: str, tmp_path: Path) -> None:
    arrays, key, options = TOLD[what]
    np.testing.assert_array_equal(
        opened(tmp_path, arrays, key, **options).decoder, SQUARE if "square" in what else ROWS
    )


REFUSED: dict[str, tuple[dict[str, Any], str, dict[str, Any], str]] = {
    "fewer rows": (
        {"x": TURNED},
        "x",
        {},
        r"x: 5 x 12: nothing tells .*--orientation features,hidden or hidden,features",
    ),
    "fewer rows under our name": ({"decoder": TURNED}, "decoder", {}, "5 x 12: nothing tells"),
    "square": ({"x": SQUARE}, "x", {}, "x: 5 x 5: nothing tells"),
    "square with biases": ({"x": SQUARE, "b_enc": zeros(D), "b_dec": zeros(D)}, "x", {}, "5 x 5: nothing tells"),
    "Linear of few features": ({"decoder.weight": ROWS}, "decoder.weight", {}, "the name of a torch Linear"),
    "said against a bias": (
        {"x": ROWS, "b_enc": zeros(F)},
        "x",
        {"orientation": "hidden,features"},
        "got --orientation hidden,features, but b_enc has 12 entries",
    ),
    "two that disagree": (
        {"x": ROWS, "b_enc": zeros(F), "b_dec": zeros(F)},
        "x",
        {},
        "b_enc has 12 .*but b_dec has 12",
    ),
    "bias of another length": ({"x": ROWS, "b_enc": zeros(7)}, "x", {}, "b_enc has 7 entries, which fits neither side"),
    "matrices that disagree": (
        {"x": ROWS, "W_enc": ROWS[:7].T.copy()},
        "x",
        {},
        r"encoder has shape \(5, 7\), expected",
    ),
    "other hidden units": (
        {"x": ROWS, "W_enc": ROWS[:, :4].T.copy()},
        "x",
        {},
        "reads 4 hidden units .*writes 5, as only",
    ),
    "L0 above the features": (
        {"x": ROWS},
        "x",
        {"l0": 13},
        "l0: got 13 of 12 features x 5 hidden, more than there are",
    ),
    "no orientation": (
        {"x": ROWS},
        "x",
        {"orientation": "rows"},
        "--orientation: got 'rows', expected features,hidden",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_told_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    arrays, key, options, message = REFUSED[what]
    with pytest.raises(SaegeomError, match=message) as caught:
        opened(tmp_path, arrays, key, **options)
    assert len(str(caught.value).splitlines()) == 1
    assert "x.safetensors" in str(caught.value) or "--orientation" in str(caught.value)


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("layout", ["ours", "crosswise", "linear"])
def test_an_encoder_lies_as_its_name_and_its_decoder_say(layout: str, square: bool, tmp_path: Path) -> None:
    rows = SQUARE if square else ROWS
    encoder = 2 * rows
    arrays = {
        "ours": {"decoder": rows, "encoder": encoder},
        "crosswise": {"W_dec": rows, "W_enc": np.ascontiguousarray(encoder.T)},
        "linear": {"decoder.weight": np.ascontiguousarray(rows.T), "encoder.weight": encoder},
    }[layout]
    said = {} if layout == "linear" else {"orientation": "features,hidden"}
    read = opened(tmp_path, arrays, next(iter(arrays)), encoder=True, **said)
    np.testing.assert_array_equal(read.decoder, rows)
    np.testing.assert_array_equal(read.encoder, encoder)


def test_a_configuration_tells(tmp_path: Path) -> None:
    (tmp_path / "cfg.json").write_text(json.dumps({"d_in": D, "d_sae": F}))
    np.testing.assert_array_equal(opened(tmp_path, {"x": TURNED}, "x").decoder, ROWS)
    (tmp_path / "cfg.json").write_text(json.dumps({"d_in": D, "d_sae": 2 * F}))
    with pytest.raises(StoreError, match=r"decoder has 12 features x 5 hidden, expected 24 x 5 by cfg\.json"):
        opened(tmp_path, {"x": ROWS}, "x")


def saelens(folder: Path, decoder: Any, encoder: Any, **config: Any) -> Path:
    told = {"architecture": "standard", "model_name": "gpt2", "hook_name": "blocks.6.hook_resid_pre"}
    (folder / "cfg.json").write_text(json.dumps(told | config))
    vectors = {"b_enc": zeros(F), "b_dec": zeros(D)}
    save_file({"W_dec": decoder, "W_enc": encoder, **vectors}, folder / "sae_weights.safetensors")
    return folder


def test_other_formats_are_held_against_their_configuration_and_the_user(tmp_path: Path) -> None:
    turned = saelens(tmp_path, TURNED, ROWS)
    with pytest.raises(StoreError, match="b_enc: encoder_bias has shape .*its decoder lies the other way round"):
        open_checkpoint(turned, l0=3)
    square = {"W_dec": SQUARE, "W_enc": SQUARE, "b_dec": zeros(D)}
    save_file(square, tmp_path / "sae_weights.safetensors")
    np.testing.assert_array_equal(open_checkpoint(tmp_path, l0=3).decoder, SQUARE)
    whole = saelens(tmp_path, ROWS, TURNED, d_in=D, d_sae=2 * F)
    with pytest.raises(
        StoreError, match=r"decoder has 12 features x 5 hidden, expected 24 x 5 by cfg\.json; fetch both"
    ):
        open_checkpoint(whole, l0=3)
    saelens(tmp_path, ROWS, TURNED, d_in=D, d_sae=F)
    assert open_checkpoint(whole, l0=3, orientation="features,hidden").decoder.shape == (F, D)
    with pytest.raises(ParameterError, match="got --orientation hidden,features, but saelens keeps W_dec as features,"):
        open_checkpoint(whole, l0=3, orientation="hidden,features")


def test_orientation_by_patterns_reaches_each_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", TURNED)
    np.save(tmp_path / "b.npy", ROWS)
    said = SAID | {"orientation": {"*/a.npy": "hidden,features"}, "layer": {"*/a.npy": 1, "*/b.npy": 2}}
    said["site"] = "blocks.{layer}.hook_resid_post"
    import_checkpoints([tmp_path], tmp_path / "out.zarr", **said)
    with pytest.raises(
        ParameterError, match=r"--orientation: '\*/c.npy' \(for hidden,features\) fits none of the files"
    ):
        import_checkpoints(
            [tmp_path / "b.npy"], tmp_path / "o.zarr", **SAID | {"orientation": {"*/c.npy": "hidden,features"}}
        )


def test_a_metric_refuses_a_width_that_its_decoder_does_not_have(tmp_path: Path) -> None:
    read = opened(tmp_path, {"x": ROWS}, "x")
    turned = read.drop_vars("decoder").assign(decoder=(("features", "hidden"), TURNED))
    with pytest.raises(ValidationError, match=r"width: got 12, expected 5, .*the other way round, transpose it"):
        isotropy(turned)
    with pytest.raises(
        ValidationError, match=r"width: got 20, expected 12, the decoder's rows; of some of the features say"
    ):
        isotropy(read.assign_coords(width=20))
    assert np.isfinite(isotropy(read.drop_vars("width")).mean_cosine)
