"""What stands in a column of a dataset: text, messages of a chat, or token ids; anything else is refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from saegeom_data.errors import DataValueError

_KEYS = ("role", "content")


def text_in(value: Any, where: str) -> str:
    """Return the text of a row, which is empty where the row has none.

    Parameters
    ----------
    value
        What the column holds.
    where
        Names the source, the column and the row.

    Raises
    ------
    DataValueError
        If it is no text; says what it is, and how to read that if there is a way.

    Examples
    --------
    >>> text_in("a river", "row 0"), text_in(None, "row 0")
    ('a river', '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    plain = _plain(value)
    raise DataValueError(f"{where}: got {described(value)}, expected text; {_way_to_read(plain)}")


def messages_in(value: Any, where: str) -> list[dict[str, Any]]:
    """Return the messages of a row as a chat template takes them; none where the row has none.

    Raises
    ------
    DataValueError
        If it is no list of messages with a role and a text.

    Examples
    --------
    >>> messages_in({"role": ["user", "assistant"], "content": ["Where?", "There."]}, "row 0")[1]
    {'role': 'assistant', 'content': 'There.'}
    """
    found = _plain(value)
    if isinstance(found, dict) and all(isinstance(found.get(key), list) for key in _KEYS):
        # Older versions of `datasets` turn a list of records into a record of lists.
        lengths = {key: len(part) for key, part in found.items() if isinstance(part, list)}
        if len(set(lengths.values())) > 1:
            got = ", ".join(f"{count} of {key}" for key, count in lengths.items())
            raise DataValueError(f"{where}: got {got}, expected as many of each; fix the row")
        found = [dict(zip(found, parts, strict=True)) for parts in zip(*found.values(), strict=False)]
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(message, dict) for message in found):
        how = "leave out chat_template" if isinstance(found, str) else "give the column with the messages"
        raise DataValueError(f"{where}: got {described(value)}, expected a list of messages; {how}")
    for number, message in enumerate(found):
        for key in _KEYS:
            if not isinstance(message.get(key), str):
                got = f"keys {', '.join(message)}" if key not in message else f"{described(message[key])} as its {key}"
                raise DataValueError(
                    f"{where}: message {number}: got {got}, expected role and content, both text; rewrite the column"
                )
    # Arrow gives every record all keys that any of them has; templates ask whether a key is there.
    return [{key: part for key, part in message.items() if part is not None} for message in found]


def token_ids_in(value: Any, mask: Any, where: str) -> list[int]:
    """Return the token ids of a row, without those that an attention mask leaves out; none where the row has none.

    Raises
    ------
    DataValueError
        If it is no flat list of whole numbers, or the mask is not one of as many zeros and ones.

    Examples
    --------
    >>> token_ids_in([5, 6, 0], [1, 1, 0], "row 0")
    [5, 6]
    """
    ids, shown = _plain(value), _plain(mask)
    if ids is None:
        return []
    if not isinstance(ids, list) or not set(map(type, ids)) <= {int}:
        raise DataValueError(f"{where}: got {described(value)}, expected a flat list of token ids; check token_ids")
    if shown is None:
        return ids
    if not isinstance(shown, list) or len(shown) != len(ids) or not all(part in (0, 1) for part in shown):
        got = f"{len(shown)} values" if isinstance(shown, list) and len(shown) != len(ids) else described(mask)
        raise DataValueError(
            f"{where}: got an attention_mask of {got}, expected {len(ids)} zeros and ones; fix or drop that column"
        )
    return [token for token, is_shown in zip(ids, shown, strict=True) if is_shown]


def label_in(value: Any, where: str) -> str:
    """Return the name or type of a document.

    Raises
    ------
    DataValueError
        If it is neither text nor a whole number.
    """
    plain = _plain(value)
    if not isinstance(plain, str | int):
        raise DataValueError(f"{where}: got {described(value)}, expected text or a whole number; name another column")
    return str(plain)


def described(value: Any) -> str:
    """Say what a value is, in the words of an error.

    Examples
    --------
    >>> described([1, 2]), described(b"a"), described([{"role": "user"}]), described([])
    ('a list of int', 'bytes', 'a list of dict (keys role)', 'an empty list')
    """
    plain = _plain(value)
    if isinstance(plain, list):
        return f"a list of {_kinds(plain)}" if plain else "an empty list"
    if isinstance(plain, dict):
        return f"dict (keys {', '.join(map(str, plain))})"
    if isinstance(plain, float) and math.isnan(plain):
        return "NaN"
    return "None" if plain is None else type(plain).__name__


def _kinds(values: list[Any]) -> str:
    first = values[0]
    if isinstance(first, Mapping | list):
        return described(first).removeprefix("a ")
    return " and ".join(sorted({type(part).__name__ for part in values})[:3])


def _plain(value: Any) -> Any:
    """Lists of Python's own for arrays and tensors, in which a saved dataset may say that it is given."""
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _way_to_read(value: Any) -> str:
    if isinstance(value, list) and value and all(type(part) is int for part in value):
        return "for token ids of the model's tokenizer give token_ids with this column, in place of text"
    records = value if isinstance(value, list) else [value]
    if records and all(isinstance(part, dict) and "role" in part and "content" in part for part in records):
        return "for messages of a chat add chat_template: true"
    if isinstance(value, dict):
        return "name a field in it as column.field"
    if isinstance(value, bytes):
        return "decode the column first"
    return "name the column that holds text"
