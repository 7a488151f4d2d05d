"""Documents that are chats or tokens: the model reads what the library that made them would give it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")

from tiny_models import WORDS, full, made, sequences_of, spec, text

import saegeom_data
from saegeom_data.errors import DataValueError, ParameterError, SaegeomError
from saegeom_data.harvest import Recipe
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text import corpus
from saegeom_data.harvest.text.tokens import document_tokens

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"
)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    """Puts one token first; has a template that writes that token too."""
    found = transformers.AutoTokenizer.from_pretrained(folder / "llama")
    found.chat_template = TEMPLATE
    return found


@pytest.fixture(scope="module")
def chats() -> list[list[dict[str, str]]]:
    draw = np.random.default_rng(0)
    return [
        [{"role": role, "content": " ".join(draw.choice(WORDS, 12))} for role in ("user", "assistant")]
        for _ in range(6)
    ]


def chat_folder(folder: Path, own: Path, tokenizer: Any, chats: Any, **columns: list[Any]) -> Path:
    """A folder with a model whose tokenizer has a template, and rows of chats and of their tokens."""
    for name in ("saes", "gpt2"):
        (own / name).symlink_to(folder / name)
    (own / "llama").mkdir()
    for file in (folder / "llama").iterdir():
        (own / "llama" / file.name).write_bytes(file.read_bytes())
    tokenizer.save_pretrained(own / "llama")
    ids = [tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"] for chat in chats]
    rows = [{"chat": chat, "input_ids": row} for chat, row in zip(chats, ids, strict=True)]
    (own / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return own


def source(name: str = "own", **hub: Any) -> dict[str, Any]:
    about = {"name": name, "title": "Own", "license": "CC0-1.0", "document_type": name}
    return about | {"dataset": {"path": "json", "files": ["rows.jsonl"]} | hub}


@pytest.mark.parametrize("per_type", [None, 6])
def test_special_tokens_inside_chats_are_marked(
    folder: Path, tmp_path: Path, tokenizer: Any, chats: Any, per_type: int | None
) -> None:
    """Those of the template, and those between texts in rows of ids; plain text has none inside."""
    own = transformers.AutoTokenizer.from_pretrained(folder / "llama")
    own.chat_template = TEMPLATE.replace("[{{", "{{ eos_token }}[{{")
    end = own.eos_token_id
    place = chat_folder(folder, tmp_path, own, chats)
    both = [source("a", text="chat", chat_template=True), source("b", token_ids="input_ids")]
    sequences = {"length": 16} | ({"per_type": per_type} if per_type else {})
    with saegeom_data.open(made(spec(sources=both, sequences=sequences), place, tmp_path / "s.zarr")) as tree:
        ids, special = (tree[f"tokens/{name}"].values.reshape(-1, 16) for name in ("token_id", "is_special"))
        name = next(iter(tree["saes"].children))
        counts = np.diff(tree[f"saes/{name}/codes/indptr"].values)
    np.testing.assert_array_equal(special, (ids == end) | (np.arange(16) == 0))
    assert (special[:, 1:].any(), counts[special.reshape(-1)].sum()) == (True, 0)


def test_documents_of_one_name_stay_apart_where_sequences_are_drawn(folder: Path, tmp_path: Path) -> None:
    for name in ("saes", "llama"):
        (tmp_path / name).symlink_to(folder / name)
    rows = [{"text": f"{word} " * 24, "key": "same"} for word in WORDS[:4]]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    own = source(document_id="key")
    with saegeom_data.open(
        made(spec(sources=[own], sequences={"length": 8, "per_type": 8}), tmp_path, tmp_path / "s.zarr")
    ) as tree:
        documents, ids = tree["tokens/document"].values[::8], tree["tokens/token_id"].values.reshape(-1, 8)
        assert tree["documents/document_id"].values.tolist() == ["own/same"] * len(set(documents))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "llama")
    texts = ["".join(tokenizer.convert_ids_to_tokens(row)) for row in ids]
    words = [next(word for word in WORDS[:4] if word in text) for text in texts]
    assert len(set(documents)) == len(set(zip(documents, words, strict=True))) == len(set(words)) == 4


@pytest.mark.parametrize("cut", ["start", "windows"])
def test_chats_and_their_tokens_give_the_tokens_of_the_template(
    folder: Path, tmp_path: Path, tokenizer: Any, chats: Any, cut: str
) -> None:
    place = chat_folder(folder, tmp_path, tokenizer, chats)
    both = [source("a", text="chat", chat_template=True), source("b", token_ids="input_ids")]
    value = spec(sources=both, sequences={"length": 16, "cut": cut})
    with saegeom_data.open(made(value, place, tmp_path / "s.zarr")) as tree:
        sequences, types = sequences_of(tree), tree["documents/document_type"].values
        records = {record["name"]: record for record in json.loads(tree.attrs["sources"])[:2]}
        special = tree["tokens/is_special"].values.reshape(-1, 16)
    expected = [tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"] for chat in chats]
    own = [
        [ids[0], *ids[start : start + 15]]
        for ids in expected
        for start in range(1, len(ids) if cut == "windows" else 2, 15)
        if start + 15 <= len(ids)
    ]
    np.testing.assert_array_equal(sequences, own * 2)
    np.testing.assert_array_equal(special, np.arange(16) == np.zeros((len(special), 1)))
    assert sorted(set(types)) == ["a", "b"]
    assert records["a"]["read_as"] == "chat template"
    assert len(records["a"]["chat_template_sha256"]) == 64
    assert records["b"]["read_as"] == "token ids"
    card = (tmp_path / "s.zarr/README.md").read_text()
    assert "Own (read as chat template)" in card
    assert '"chat_template": true' in card


def test_drawn_sequences_are_of_the_same_tokens(folder: Path, tmp_path: Path, tokenizer: Any, chats: Any) -> None:
    place = chat_folder(folder, tmp_path, tokenizer, chats)
    stores = []
    for hub in ({"text": "chat", "chat_template": True}, {"token_ids": "input_ids"}):
        value = spec(sources=[source(**hub)], sequences={"length": 16, "per_type": 4})
        with saegeom_data.open(made(value, place, tmp_path / f"{len(stores)}.zarr", work=tmp_path / "work")) as tree:
            stores.append(tree["tokens"].load())
    assert stores[0].identical(stores[1])
    assert len(stores[0].token_id) == 64


def test_a_stopped_build_of_chats_goes_on(
    folder: Path, tmp_path: Path, tokenizer: Any, chats: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "SHARD_SEQUENCES", 8)
    place = chat_folder(folder, tmp_path, tokenizer, chats * 2)
    value = spec(sources=[source(text="chat", chat_template=True)], sequences={"length": 16})

    def stop(message: str) -> None:
        if message.startswith("text:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(value, place, tmp_path / "a.zarr", work=tmp_path / "a", progress=stop)
    lines: list[str] = []
    made(value, place, tmp_path / "a.zarr", work=tmp_path / "a", progress=lines.append)
    made(value, place, tmp_path / "b.zarr", work=tmp_path / "b")
    with saegeom_data.open(tmp_path / "a.zarr") as first, saegeom_data.open(tmp_path / "b.zarr") as second:
        assert first.attrs["tokens_sha256"] == second.attrs["tokens_sha256"]
        assert first["tokens"].load().identical(second["tokens"].load())


MISTAKES: dict[str, tuple[dict[str, Any], type[SaegeomError], str]] = {
    "messages as text": (text(text="chat"), DataValueError, "column 'chat': row 0: got a list of dict .*chat_template"),
    "ids as text": (text(text="input_ids"), DataValueError, "column 'input_ids': row 0: got a list of int.*token_ids"),
    "no template": (
        text(text="chat", chat_template=True),
        ParameterError,
        "source 'own': chat_template: the tokenizer of the model has no chat template",
    ),
    "other vocabulary": (
        text(token_ids="other"),
        DataValueError,
        r"column 'other': row 0: got token id 50256 at place 1, expected 0 to \d+, the vocabulary",
    ),
    "negative": (text(token_ids="labels"), DataValueError, "got token id -100 at place 0"),
}


@pytest.mark.parametrize("per_type", [None, 3])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_clear_line_for_a_mistake(folder: Path, tmp_path: Path, chats: Any, mistake: str, per_type: int) -> None:
    about, error, message = MISTAKES[mistake]
    row = {"chat": chats[0], "input_ids": [1] * 40, "other": [1, 50256], "labels": [-100, 2]}
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for _ in range(3)))
    hub = {name: value for name, value in about["dataset"].items() if name not in ("document_id", "document_type")}
    own = about | {"document_type": "note", "dataset": hub | {"files": [str(tmp_path / "rows.jsonl")]}}
    sequences = {"length": 16} | ({"per_type": per_type} if per_type else {})
    with pytest.raises(error, match=message) as caught:
        made(full(sources=[own], sequences=sequences), folder, tmp_path / "store.zarr")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store.zarr").exists()


ROWS: dict[str, tuple[dict[str, Any], list[int], list[int]]] = {
    # Ids of a row, and what a sequence gets of them beside 0, the token that the tokenizer puts first.
    "begins as a sequence does": ({}, [0, 5, 6], [5, 6]),
    "does not begin so": ({}, [5, 6], [5, 6]),
    "padded at the end": ({"pad_token": "a"}, [0, 5, 6, "a", "a"], [5, 6]),
    "padded at the start": ({"pad_token": "a"}, ["a", "a", 0, 5, 6], [5, 6]),
    "padded with the end of a text": ({"pad_token": "b", "eos_token": "b"}, [0, 5, "b", "b", "b"], [5, "b"]),
    "padding inside": ({"pad_token": "a"}, [5, "a", 6], [5, "a", 6]),
    "nothing but padding": ({"pad_token": "a"}, ["a", "a"], []),
    "empty": ({}, [], []),
}


@pytest.mark.parametrize("kind", ROWS)
def test_padding_and_the_first_token_are_not_text(folder: Path, kind: str) -> None:
    settings, ids, expected = ROWS[kind]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "llama", **settings)
    known = [[tokenizer.convert_tokens_to_ids(i) if isinstance(i, str) else i for i in row] for row in (ids, expected)]
    row = {"token_ids": known[0], "is_masked": False, "where": "here"}
    assert document_tokens(row, tokenizer, [0], []) == known[1]


def test_what_a_template_refuses_is_one_line(tokenizer: Any) -> None:
    row = {"messages": [{"role": "system", "content": "a"}], "where": "source 'own': column 'chat': row 0"}
    with pytest.raises(DataValueError, match=r"row 0: the chat template refuses the messages: .*no system") as caught:
        document_tokens(row, tokenizer, [], [])
    assert "\n" not in str(caught.value)


def test_the_day_of_a_template_is_always_the_same(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "llama")
    row = {"messages": [{"role": "user", "content": "a"}], "where": "here"}
    for template, expected in (
        ("\n{{ strftime_now('%d %b %Y') }}\n", "\n26 Jul 2024"),
        ("{{ strftime_now('%Y-%m-%d') }}", "2024-07-26"),
        ("{{ date_string }}", "26 Jul 2024"),
    ):
        tokenizer.chat_template = template
        assert document_tokens(row, tokenizer, [], []) == tokenizer(expected, add_special_tokens=False)["input_ids"]


def test_text_after_the_last_token_is_not_doubled_either(tokenizer: Any) -> None:
    row = {"token_ids": [0, 5, 6, 7], "is_masked": True, "where": "here"}
    assert document_tokens(row, tokenizer, [0], [7]) == [5, 6]
    assert document_tokens(row, tokenizer, [], []) == [0, 5, 6, 7]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"dataset": {"path": "json", "token_ids": "a", "chat_template": True}}, "token_ids stands in place of text"),
        ({"dataset": {"path": "json", "token_ids": "a", "text": "b"}}, "token_ids stands in place of text"),
        ({"dataset": {"path": "json", "chat_template": True}, "lines_per_document": 3}, "cuts plain text"),
    ],
)
def test_settings_that_contradict_each_other(keys: dict[str, Any], message: str) -> None:
    about = {"name": "a", "title": "A", "license": "MIT", "document_type": "b"}
    with pytest.raises(ValueError, match=message):
        Source.model_validate(about | keys)


def test_the_settings_are_written_only_where_they_are_used() -> None:
    for keys in ({}, {"chat_template": True}, {"token_ids": "ids"}):
        recipe = Recipe.model_validate(spec(sources=[source(**keys)], sequences={"length": 8}))
        written = recipe.model_dump()["sources"][0]["dataset"]
        assert {key: written[key] for key in ("chat_template", "token_ids") if key in written} == keys
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
