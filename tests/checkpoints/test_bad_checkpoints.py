"""Checkpoints that are damaged, hostile or incomplete: one clear line, nothing run, nothing left behind."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from soak import times

from saegeom_data.checkpoints import import_checkpoints, open_checkpoint
from saegeom_data.errors import SaegeomError, StoreError

F, D = 12, 5
SAID: dict[str, Any] = {"model": "gpt2", "site": "blocks.6.hook_resid_post", "l0": 4.0, "architecture": "jumprelu"}
SHAPES = {"W_enc": (D, F), "W_dec": (F, D), "b_enc": (F,), "b_dec": (D,), "threshold": (F,)}


def weights(**shapes: tuple[int, ...]) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype("float32") for name, shape in (SHAPES | shapes).items()}


def lower(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): array for name, array in arrays.items()}


def npz(arrays: dict[str, Any], save_with: Callable[..., None] = np.savez) -> bytes:
    stream = io.BytesIO()
    save_with(stream, **arrays)
    return stream.getvalue()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED, mode: int = 0o644) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, compression
            archive.writestr(info, data)
    return stream.getvalue()


def npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A safetensors file whose header says something else than it did."""
    data = save(lower(weights()))
    length = struct.unpack("<Q", data[:8])[0]
    parsed = json.loads(data[8 : 8 + length])
    changed = change(parsed)
    text = (changed if isinstance(changed, str) else json.dumps(changed or parsed)).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def entry(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(parsed: dict[str, Any]) -> None:
        parsed["w_dec"].update(changes)

    return change


def swapped(parsed: dict[str, Any]) -> None:
    parsed["w_dec"]["data_offsets"], parsed["b_dec"]["data_offsets"] = (
        parsed["b_dec"]["data_offsets"],
        parsed["w_dec"]["data_offsets"],
    )


class Attack:
    """Unpickling one makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


GOOD = save(lower(weights()))
BAD_SAFETENSORS: dict[str, tuple[bytes, str]] = {
    "empty header": (b"\0" * 8, "its header would take 0 bytes"),
    "header beyond the file": (struct.pack("<Q", 10**6) + GOOD[8:], "its header would take 1000000 bytes"),
    "header of exabytes": (b"\xff" * 8 + GOOD[8:], "its header would take 18446744073709551615 bytes"),
    "half-written": (GOOD[:-100], "half-written"),
    "half a header": (GOOD[:60], "half-written"),
    "no JSON": (header(lambda parsed: "{'w_dec'"), "its header is not readable"),
    "deep JSON": (header(lambda parsed: "[" * 50_000), "its header is not readable"),
    "not an object": (header(lambda parsed: [1]), "not an object of tensors"),
    "a name twice": (
        header(lambda parsed: json.dumps(parsed).replace('"w_enc"', '"w_dec"')),
        "it has a duplicate name",
    ),
    "no offsets": (header(lambda parsed: parsed | {"w_dec": 3}), "got offsets None"),
    "negative offsets": (header(entry(data_offsets=[-4, 236])), "got offsets"),
    "offsets of text": (header(entry(data_offsets=["0", "240"])), "got offsets"),
    "offsets backwards": (header(entry(data_offsets=[240, 0])), "got offsets"),
    "offsets beyond the end": (
        header(entry(data_offsets=[10**9, 10**9 + 240])),
        "w_enc: starts at byte 356, expected 116",
    ),
    "offsets of another": (header(swapped), "240 bytes by its shape, 20 by its offsets"),
    "overlapping": (header(entry(data_offsets=[4, 244])), "starts at byte|bytes by its shape"),
    "larger shape": (header(entry(shape=[F, 10**9])), "48000000000 bytes by its shape"),
    "negative shape": (header(entry(shape=[-F, -D])), "expected one of BF16"),
    "shape of nothing": (header(entry(shape=None)), "expected one of BF16"),
    "unknown dtype": (header(entry(dtype="F33")), "got dtype 'F33'"),
    "integers": (header(entry(dtype="I32")), "decoder is of int32, expected floating-point"),
    "other keys": (save({"lm_head": weights()["W_dec"]}), "of no known format; holds lm_head .*known: gemma-scope .*"),
    "two formats": (
        save(lower(weights()) | {"decoder": weights()["W_dec"]}),
        "fits gemma-scope-2 and arrays; name the",
    ),
    "wrong encoder": (save(lower(weights(W_enc=(D, F + 1)))), r"encoder has shape \(13, 5\), expected \(12, 5\)"),
    "wrong bias": (save(lower(weights(b_enc=(F + 1,)))), r"encoder_bias has shape \(13,\), expected \(12,\)"),
    "no features": (save(lower(weights(W_dec=(0, D)))), r"decoder has shape \(0, 5\), expected a matrix"),
}
BOMB = npz({name: np.zeros((2000, 2000), "float32") for name in SHAPES}, np.savez_compressed)
BAD_NPZ: dict[str, tuple[bytes, str]] = {
    "empty": (b"PK", "not a zip of arrays, or half-written"),
    "half-written": (npz(weights())[:-200], "not a zip of arrays, or half-written"),
    "cut in the middle": (npz(weights())[:300] + npz(weights())[700:], "half-written|not where the zip directory says"),
    "objects": (
        npz(weights() | {"W_dec": np.array([{}], dtype=object)}),
        "arrays of objects are pickles and never read",
    ),
    "text": (npz(weights() | {"W_dec": np.array(["a"])}), "got dtype <U1, expected numbers"),
    "complex": (npz(weights() | {"W_dec": weights()["W_dec"] * 1j}), "got dtype complex64, expected numbers"),
    "extended": (
        npz(weights() | {"W_dec": weights()["W_dec"].astype("longdouble")}),
        "got dtype float128, expected floats of 8 bytes at most; save it as float64",
    ),
    "zip bomb": (BOMB, "compressed or encrypted .*numpy.savez"),
    "out of the archive": (zipped({"../W_dec.npy": npy(weights()["W_dec"])}), "a link, or a path out of the archive"),
    "absolute": (zipped({"/etc/W_dec.npy": npy(weights()["W_dec"])}), "a link, or a path out of the archive"),
    "link": (zipped({"W_dec.npy": b"/etc/passwd"}, mode=0o120777), "a link, or a path out of the archive"),
    "no npy": (zipped({"W_dec.npy": b"no array at all"}), "not an npy array"),
    "longer than it is": (
        zipped({"W_dec.npy": npy(weights()["W_dec"])[:-4]}),
        r"got 364 bytes, .*takes 368; half-written",
    ),
    "other keys": (npz({"x": weights()["W_dec"]}), r"of no known format; holds x \(12, 5\); known: "),
    "wrong decoder": (npz(weights(W_dec=(F, D + 1))), r"decoder_bias has shape \(5,\), expected \(6,\)"),
}


def assert_refused(path: Path, match: str, error: type[SaegeomError] = StoreError) -> None:
    before = sorted(path.parent.iterdir())
    with pytest.raises(error, match=match) as caught:
        import_checkpoints([path], path.parent / "out.zarr", **SAID)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(f"{path}: ")
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("what", BAD_SAFETENSORS)
def test_safetensors(what: str, tmp_path: Path) -> None:
    data, match = BAD_SAFETENSORS[what]
    (tmp_path / "params.safetensors").write_bytes(data)
    assert_refused(tmp_path / "params.safetensors", match)


@pytest.mark.parametrize("what", BAD_NPZ)
def test_npz(what: str, tmp_path: Path) -> None:
    data, match = BAD_NPZ[what]
    (tmp_path / "params.npz").write_bytes(data)
    assert_refused(tmp_path / "params.npz", match)


def test_npy_of_extended_precision(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", weights()["W_dec"].astype("longdouble"))
    assert_refused(tmp_path / "a.npy", "got dtype float128, expected floats of 8 bytes at most")


def test_npz_with_a_member_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "params.npz", "w") as archive:
        archive.writestr("W_dec.npy", npy(weights()["W_dec"]))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("W_dec.npy", npy(weights()["W_dec"]))
    assert_refused(tmp_path / "params.npz", "duplicate member")


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_pickled_objects_are_not_run(name: str, tmp_path: Path) -> None:
    array, target = np.array([Attack(tmp_path / "attacked")], dtype=object), tmp_path / "attacked"
    (tmp_path / name).write_bytes(npz(weights() | {"W_dec": array}) if name.endswith("z") else npy(array))
    assert_refused(tmp_path / name, "arrays of objects are pickles and never read")
    assert not target.exists()


def test_pt(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path, attacked = tmp_path / "ae.pt", tmp_path / "attacked"
    good = {name: torch.from_numpy(array) for name, array in weights().items()}
    torch.save(good | {"extra": Attack(attacked)}, path)
    assert_refused(path, r"not weights that torch reads safely \(weights_only\)")
    path.write_bytes(pickle.dumps(Attack(attacked)))
    assert_refused(path, "not an archive of torch 1.6 or later, or half-written")
    assert not attacked.exists()
    torch.save([good], path)
    assert_refused(path, "got a list, expected a dictionary of named tensors")
    torch.save(good, path)
    path.write_bytes(path.read_bytes()[:-300])
    assert_refused(path, "not an archive of torch 1.6 or later, or half-written")
    torch.save(good | {"W_dec": torch.zeros(1, 1).expand(10**6, 10**6)}, path)
    assert_refused(path, r"got \(1000000, 1000000\) of torch.float32.*no larger than its file")
    torch.save(good | {"W_dec": good["W_dec"].to_sparse()}, path)
    assert_refused(path, "expected a plain tensor|not weights that torch reads safely")
    torch.save(good, path)
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    path.write_bytes(zipped(members, zipfile.ZIP_DEFLATED))
    assert_refused(path, "compressed, a link, or a path out of the archive")
    path.write_bytes(zipped(members | {"../x": b""}))
    assert_refused(path, "compressed, a link, or a path out of the archive")
    torch.save({"weight": good["W_dec"]}, path)
    assert_refused(path, "of no known format; holds weight")


def test_pt_without_torch_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    (tmp_path / "ae.pt").write_bytes(b"x")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SaegeomError, match=r"'torch' is not installed; .*saegeom-data\[harvest\]"):
        open_checkpoint(tmp_path / "ae.pt")


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "pt"])
def test_names_with_control_characters_are_refused_and_not_printed(suffix: str, tmp_path: Path) -> None:
    arrays = weights() | {"b\x1b[2J\nc": np.zeros(3, np.float32)}
    path = tmp_path / f"params.{suffix}"
    if suffix == "npz":
        np.savez(path, **arrays)
    elif suffix == "safetensors":
        from safetensors.numpy import save_file

        save_file(arrays, path)
    else:
        torch = pytest.importorskip("torch")
        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    assert_refused(path, r"params\.\w+: holds a name with control characters, 'b\\x1b\[2J\\nc")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_leave_nothing(value: float, tmp_path: Path) -> None:
    arrays = weights()
    arrays["W_dec"][7, 2] = value
    np.savez(tmp_path / "params.npz", **arrays)
    message = "decoder: 1 rows with NaN or infinite values, the first is 7; nothing was kept"
    assert_refused(tmp_path / "params.npz", message, SaegeomError)


@pytest.mark.parametrize(
    "config",
    [
        "[]",
        "{",
        "[" * 50_000,
        '{"architecture": "topk", "k": "many"}',
        '{"hook_name": 5}',
        '{"hook_name": "blocks.1.hook_resid_pre", "model_name": {"a": 1}}',
        '{"hook_name": "blocks.1.hook_resid_pre", "model_name": "gpt2", "hook_layer": []}',
    ],
)
def test_configuration_that_is_none(config: str, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(weights(), tmp_path / "sae_weights.safetensors")
    (tmp_path / "cfg.json").write_text(config)
    message = r"cfg\.json|configuration beside it is not what saelens writes|(model|layer): got .* expected"
    with pytest.raises(SaegeomError, match=message) as caught:
        open_checkpoint(tmp_path, l0=4)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("address", ["nothing/there", "empty"])
def test_nothing_there(address: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="no such file or folder|no weights in it; expected files that end in"):
        open_checkpoint(tmp_path / address)


SAFETENSORS_HEADER = 8 + struct.unpack("<Q", GOOD[:8])[0]
PLAIN_NPZ = npz(weights())
changes = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=6)


def opens_or_is_refused(path: Path) -> None:
    """A checkpoint either gives finite shapes and its values, or one line."""
    try:
        opened = open_checkpoint(path, encoder=True, **SAID).compute()
    except SaegeomError as error:
        lines = str(error).splitlines()
    else:
        lines = [str(opened.decoder.dims)]
    assert len(lines) == 1


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutated")


@settings(max_examples=times(100, 6000))
@given(changes=changes, cut=st.integers(0, 40))
def test_mutated_safetensors_headers(changes: list[tuple[int, int]], cut: int, scratch: Path) -> None:
    data = bytearray(GOOD)
    for place, value in changes:
        data[place % SAFETENSORS_HEADER] = value
    (scratch / "params.safetensors").write_bytes(data[: len(data) - cut])
    opens_or_is_refused(scratch / "params.safetensors")


@settings(max_examples=times(80, 4000))
@given(
    name=st.sampled_from(["w_dec", "w_enc", "b_dec", "threshold", "__metadata__"]),
    key=st.sampled_from(["dtype", "shape", "data_offsets"]),
    value=st.one_of(
        st.lists(st.integers(-(2**70), 2**70), max_size=3),
        st.sampled_from(["F32", "F16", "F64", "BF16", "U8", "BOOL", "X"]),
        st.none(),
        st.floats(),
        st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    ),
)
def test_headers_that_lie(name: str, key: str, value: Any, scratch: Path) -> None:
    def change(parsed: dict[str, Any]) -> None:
        parsed[name] = parsed.get(name, {}) | {key: value}

    (scratch / "params.safetensors").write_bytes(header(change))
    opens_or_is_refused(scratch / "params.safetensors")


@settings(max_examples=times(100, 6000))
@given(changes=changes, backwards=st.booleans(), cut=st.integers(0, 40))
def test_mutated_npz_directories(changes: list[tuple[int, int]], backwards: bool, cut: int, scratch: Path) -> None:
    data = bytearray(PLAIN_NPZ)
    for place, value in changes:
        # The directory stands at the end, headers of the members throughout.
        data[-1 - place % 400 if backwards else place % len(data)] = value
    (scratch / "params.npz").write_bytes(data[: len(data) - cut])
    opens_or_is_refused(scratch / "params.npz")
