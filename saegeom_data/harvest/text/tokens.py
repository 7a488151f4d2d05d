"""Tokens of a document, whether it is given as text, as messages of a chat, or as tokens."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.remote.files import reason

# Templates of some models write the day of the conversation; a store must not depend on when it was built.
_DAY = dt.datetime(2024, 7, 26, tzinfo=dt.UTC)
# Templates have no function for dates: each code of strftime is replaced by what it is on that day.
_CODES = "".join(f".replace('%{code}', '{_DAY.strftime('%' + code)}')" for code in "aAbBdHImMpSyYjZ")
# Shadows the function of that name in `transformers`, which takes no function from its callers.
_CLOCK = f"{{%- macro strftime_now(form) -%}}{{{{ form{_CODES} }}}}{{%- endmacro +%}}"


def check_templates(sources: Iterable[Source], tokenizer: Any) -> None:
    """Check, before anything is read, that the tokenizer has a chat template if a source needs one.

    Raises
    ------
    ParameterError
        If it has none.
    """
    for source in sources:
        if source.dataset is not None and source.dataset.chat_template and not tokenizer.chat_template:
            raise ParameterError(
                f"source {source.name!r}: chat_template: the tokenizer of the model has no chat template; take a model"
                " of chats, or give a column of plain text"
            )


def how_read(source: Source, tokenizer: Any) -> dict[str, str]:
    """Say how documents of a source become tokens, for its record in the store; nothing of plain text."""
    if source.dataset is not None and source.dataset.token_ids is not None:
        return {"read_as": "token ids"}
    if source.dataset is not None and source.dataset.chat_template:
        # A tokenizer may have several templates by name, in any order.
        template = json.dumps(tokenizer.chat_template, sort_keys=True).encode()
        return {"read_as": "chat template", "chat_template_sha256": hashlib.sha256(template).hexdigest()}
    return {}


def special_ids(source: Source, tokenizer: Any) -> frozenset[int]:
    """Return the ids that are special inside documents of a source: none of plain text.

    A chat template writes them around messages, and rows of token ids may have them between texts. The one that stands
    for unknown words is none.
    """
    if source.dataset is None or source.dataset.is_text:
        return frozenset()
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id}


def document_tokens(row: dict[str, Any], tokenizer: Any, prefix: list[int], suffix: list[int]) -> list[int]:
    """Return the tokens of a document, without those that stand around every sequence.

    Parameters
    ----------
    row
        A document with ``text``, or with ``messages`` or ``token_ids`` and ``where``, its place.
    tokenizer
        Of the model.
    prefix, suffix
        Ids around every sequence. Where a template or a row of token ids has them already, they are not given twice.

    Returns
    -------
    list of int
        Without padding: a run of the tokenizer's padding token at either end, unless an attention mask said what is
        padding. Of padding that also ends texts, one token stays.

    Raises
    ------
    DataValueError
        If the template refuses the messages, or an id is not in the vocabulary.
    """
    if "token_ids" in row:
        ids = _known(row, tokenizer)
        ids = ids if row["is_masked"] else _without_padding(ids, tokenizer)
    elif "messages" in row:
        ids = _tokenized(_rendered(row, tokenizer), tokenizer)
    else:
        return _tokenized(row["text"], tokenizer)
    ids = ids[len(prefix) :] if prefix and ids[: len(prefix)] == prefix else ids
    return ids[: -len(suffix)] if suffix and ids[-len(suffix) :] == suffix else ids


def _tokenized(text: str, tokenizer: Any) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _rendered(row: dict[str, Any], tokenizer: Any) -> str:
    """The text of a chat, by the tokenizer's own template."""
    if not row["messages"]:
        return ""
    try:
        template = _CLOCK + tokenizer.get_chat_template()
        day = _DAY.strftime("%d %b %Y")
        return str(
            tokenizer.apply_chat_template(row["messages"], chat_template=template, tokenize=False, date_string=day)
        )
    except Exception as error:  # templates raise what they like, and jinja its own
        raise DataValueError(
            f"{row['where']}: the chat template refuses the messages: {reason(error)}; fix or leave out the row"
        ) from error


def _known(row: dict[str, Any], tokenizer: Any) -> list[int]:
    """Ids of a row, all of them in the vocabulary."""
    ids: list[int] = row["token_ids"]
    size = len(tokenizer)
    if ids and not 0 <= min(ids) <= max(ids) < size:
        place = next(place for place, token in enumerate(ids) if not 0 <= token < size)
        raise DataValueError(
            f"{row['where']}: got token id {ids[place]} at place {place}, expected 0 to {size - 1}, the vocabulary of"
            " the model's tokenizer; take the model that the ids were made for"
        )
    return ids


def _without_padding(ids: list[int], tokenizer: Any) -> list[int]:
    pad = tokenizer.pad_token_id
    start, stop = 0, len(ids)
    # A token that is the beginning too is none of the padding where a row begins with it.
    while pad is not None and pad != tokenizer.bos_token_id and start < stop and ids[start] == pad:
        start += 1
    while pad is not None and stop > start and ids[stop - 1] == pad:
        stop -= 1
    ends = pad == tokenizer.eos_token_id and start < stop < len(ids)
    return ids[start : stop + ends]
