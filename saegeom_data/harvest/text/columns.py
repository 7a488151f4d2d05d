"""What stands in a column of a dataset: text, messages of a chat, or token ids; anything else is refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saegeom_data.errors import DataValueError

_KEYS = ("role", "content")
# The same in the chats of ShareGPT and those who followed it, and their names of the three roles.
_SHAREGPT = {"from": "role", "value": "content"}
_ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant"}


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
        If it is no text, or holds NUL characters; says what it is, and how to read that if there is a way.

    Examples
    --------
    >>> text_in("a river", "row 0"), text_in(None, "row 0")
    ('a river', '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return without_nul(str(value), where)
    plain = _plain(value)
    raise DataValueError(f"{where}: got {described(value)}, expected text; {_way_to_read(plain)}")


def without_nul(text: str, where: str) -> str:
    """Return a text unless it holds NUL characters, as bytes that are no text do."""
    if "\0" in text:
        raise DataValueError(f"{where}: got text with NUL characters, expected none; decode the column as what it is")
    return text


def messages_in(value: Any, where: str) -> list[dict[str, Any]]:
    """Return the messages of a row as a chat template takes them; none where the row has none.

    Raises
    ------
    DataValueError
        If it is no list of messages with a role and a text; those of ShareGPT are with ``from`` and ``value``.

    Examples
    --------
    >>> messages_in({"role": ["user", "assistant"], "content": ["Where?", "There."]}, "row 0")[1]
    {'role': 'assistant', 'content': 'There.'}
    >>> messages_in([{"from": "human", "value": "Where?"}], "row 0")
    [{'role': 'user', 'content': 'Where?'}]
    """
    found = _plain(value)
    if isinstance(found, dict) and _SHAREGPT.keys() <= found.keys() and not found.keys() & set(_KEYS):
        found = {_SHAREGPT.get(key, key): part for key, part in found.items()}
        found["role"] = [_ROLES.get(role, role) for role in found["role"]] if isinstance(found["role"], list) else None
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
    found = [_renamed(message) for message in found]
    for number, message in enumerate(found):
        for key in _KEYS:
            if not isinstance(message.get(key), str):
                got = f"keys {', '.join(message)}" if key not in message else f"{described(message[key])} as its {key}"
                raise DataValueError(
                    f"{where}: message {number}: got {got}, expected role and content, both text; rewrite the column"
                )
        without_nul(message["content"], f"{where}: message {number}")
    # Arrow gives every record all keys that any of them has; templates ask whether a key is there.
    return [{key: part for key, part in message.items() if part is not None} for message in found]


def _renamed(message: dict[str, Any]) -> dict[str, Any]:
    """A message of ShareGPT with the keys and roles that templates take; any other as it is."""
    if any(message.get(key) is None for key in _SHAREGPT) or any(message.get(key) is not None for key in _KEYS):
        return message
    renamed = {_SHAREGPT.get(key, key): part for key, part in message.items() if key not in _KEYS}
    role = renamed["role"]
    return renamed | {"role": _ROLES.get(role, role) if isinstance(role, str) else role}


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
    # By type: to isinstance true and false are whole numbers too.
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


def label_in(value: Any, where: str, classes: Sequence[str] | None = None, yes: str = "") -> str:
    """Return the name or type of a document.

    Parameters
    ----------
    value
        What the column holds.
    where
        Names the source, the column and the row.
    classes
        Names of classes, where the column holds their numbers.
    yes
        What true means, where the column may hold true and false; else they are refused.

    Raises
    ------
    DataValueError
        If it is neither text nor a whole number, or the number of no class.

    Examples
    --------
    >>> label_in(1, "row 0", ["prose", "code"]), label_in(False, "row 0", yes="is_code")
    ('code', 'not is_code')
    """
    plain = _plain(value)
    # Asked first, as true and false pass for 1 and 0 below, the numbers of two classes.
    if isinstance(plain, bool) and yes:
        return yes if plain else f"not {yes}"
    if not isinstance(plain, str | int) or isinstance(plain, bool):
        raise DataValueError(f"{where}: got {described(value)}, expected text or a whole number; name another column")
    if classes is None or isinstance(plain, str):
        return str(plain)
    if not 0 <= plain < len(classes):
        raise DataValueError(f"{where}: got {plain}, expected 0 to {len(classes) - 1}, the classes of the column")
    return classes[plain]


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
    forms = (set(_KEYS), set(_SHAREGPT))
    if records and all(isinstance(part, dict) and any(form <= part.keys() for form in forms) for part in records):
        return "for messages of a chat add chat_template: true"
    if isinstance(value, dict):
        return "name a field in it as column.field"
    if isinstance(value, bytes):
        return "decode the column first"
    return "name the column that holds text"
