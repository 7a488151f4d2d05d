"""Texts of tokens: joined, they are the text that a tokenizer was given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xarray as xr

from saegeom_data.data import store, write
from saegeom_data.data.labels import vocabulary
from saegeom_data.errors import SaegeomError
from saegeom_data.labels import add_vocabulary
from saegeom_data.labels.vocabulary import texts_of_tokenizer
from saegeom_data.testing.simulate import simulate_store

TEXT = "The wide rivers of Île-de-France, 3 of them.\nflow"


def trained(kind: str) -> object:
    tokenizers = pytest.importorskip("tokenizers")
    models, trainers = tokenizers.models, tokenizers.trainers
    pre, decoders = tokenizers.pre_tokenizers, tokenizers.decoders
    if kind == "byte-level":
        made = tokenizers.Tokenizer(models.BPE())
        made.pre_tokenizer, made.decoder = pre.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre.ByteLevel.alphabet())
    elif kind == "metaspace":
        made = tokenizers.Tokenizer(models.Unigram())
        made.pre_tokenizer, made.decoder = pre.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<unk>"], unk_token="<unk>")
    else:
        made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.pre_tokenizer = pre.Whitespace()
        trainer = trainers.WordPieceTrainer(vocab_size=80, special_tokens=["[UNK]", "[CLS]"])
    made.train_from_iterator([TEXT] * 3, trainer)
    return made


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("byte-level", TEXT),
        ("metaspace", f" {TEXT}"),
        ("word pieces", " The wide rivers of Île - de - France , 3 of them . flow"),
    ],
)
def test_texts_of_tokens_join_to_the_text(kind: str, expected: str) -> None:
    made = trained(kind)
    texts = texts_of_tokenizer(json.loads(made.to_str()), "tokenizer.json")  # type: ignore[attr-defined]
    ids = made.encode(TEXT).ids  # type: ignore[attr-defined]
    # A character in two bytes has no text in either of them.
    joined = "".join(texts[index] for index in ids)
    assert joined.replace("\N{REPLACEMENT CHARACTER}" * 2, "Î") == expected


def token_store(folder: Path, last: int) -> Path:
    tree = simulate_store(n_saes=1, n_features=50, n_hidden=6, n_blocks=12)
    names = ("token_id", "document", "position")
    tokens = xr.Dataset({name: ("tokens", [0, last]) for name in names} | {"is_special": ("tokens", [False, False])})
    tree["tokens"] = xr.DataTree(tokens)
    write.write_tree(tree, folder / "a.zarr")
    return folder / "a.zarr"


def test_a_vocabulary_is_added_once_and_must_hold_all_tokens(tmp_path: Path) -> None:
    path = token_store(tmp_path, 2)
    (tmp_path / "vocab.txt").write_text("[CLS]\nriver\n")
    with pytest.raises(SaegeomError, match="holds 2 tokens, and the text of the store has token 2"):
        add_vocabulary(path, tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_text("[CLS]\nriver\n##s\n")
    assert add_vocabulary(path, tmp_path / "vocab.txt")[0] == 3
    with store.open(path, verify="checksums") as tree:
        found = vocabulary(tree)
        assert found is not None
        assert found.tolist() == ["[CLS]", " river", "s"]
    with pytest.raises(SaegeomError, match="has a vocabulary already"):
        add_vocabulary(path, tmp_path)
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(SaegeomError, match=r"notes.txt: none of its lines is a special token such as \[UNK\]"):
        add_vocabulary(path, tmp_path / "notes.txt")
    with pytest.raises(SaegeomError, match="holds no tokenizer.json and no vocab.txt"):
        add_vocabulary(path, path)
    with pytest.raises(SaegeomError, match=r"holds no vocabulary under model\.vocab"):
        texts_of_tokenizer({"model": {}}, "tokenizer.json")
    with pytest.raises(SaegeomError, match="is no table of tokens and indices"):
        texts_of_tokenizer({"model": {"vocab": {"a": "b"}}}, "tokenizer.json")
