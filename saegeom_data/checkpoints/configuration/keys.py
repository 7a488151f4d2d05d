"""Rows of the tables of keys, and what of a configuration is not applied when its SAE encodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from saegeom_data.errors import StoreError

# Reading the decoder asks for none of this, so that what is not applied is kept and refused by whoever encodes.
_UNKNOWN = "a key that is not known, and may change activations or codes"
_REFUSED = "which is not applied to activations or codes"
_SHOWN = 60


@dataclass(frozen=True)
class Key:
    """What a key of a configuration does to codes.

    Parameters
    ----------
    effect
        ``"applied"``: codes are as it says. ``"refused"``: codes need something that is not done for any value but the
        default. ``"recorded"``: it says on which tokens the SAE was trained, and is kept. ``"none"``: codes do not
        depend on it.
    default
        What it means to leave the key out.
    values
        Those that are applied, beside the default; empty where a format's reader checks the value itself.
    advice
        Why another value is not applied, and what to do.
    """

    effect: Literal["applied", "refused", "recorded", "none"]
    default: Any = None
    values: tuple[Any, ...] = ()
    advice: str = _REFUSED


Table = Mapping[str, Key]


def without_effect(names: str) -> dict[str, Key]:
    """Rows of keys that codes do not depend on; names are parted by spaces."""
    return dict.fromkeys(names.split(), Key("none"))


def recorded(names: str) -> dict[str, Key]:
    """Rows of keys that say on which tokens an SAE was trained."""
    return dict.fromkeys(names.split(), Key("recorded"))


def applied(names: str) -> dict[str, Key]:
    """Rows of keys whose values a format's reader checks itself."""
    return dict.fromkeys(names.split(), Key("applied"))


def as_object(value: Any) -> dict[str, Any]:
    """Return an object of a configuration; empty where something else is in its place."""
    return value if isinstance(value, dict) else {}


def stated_number(config: Mapping[str, Any], name: str, where: str) -> int | float | None:
    """Return a number that a configuration states; None where it states none.

    Parameters
    ----------
    config
        An object of the configuration.
    name
        The key.
    where
        Name of its file, for the message.

    Raises
    ------
    StoreError
        If it is true or false, which Python takes for 1 and 0.

    Examples
    --------
    >>> stated_number({"k": 32}, "k", "cfg.json"), stated_number({"k": None}, "k", "cfg.json")
    (32, None)
    """
    value = config.get(name)
    if isinstance(value, bool):
        raise StoreError(f"{where}: {name}: got {str(value).lower()}, expected a number; fetch it again")
    return value if isinstance(value, int | float) else None


def stated_count(config: Mapping[str, Any], name: str, where: str) -> int | None:
    """Return a number of features that a configuration states; None where it leaves the key out.

    Raises
    ------
    StoreError
        If it is no whole number of at least 1.

    Examples
    --------
    >>> stated_count({"k": 32}, "k", "cfg.json")
    32
    """
    value = config.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise StoreError(
            f"{where}: {name}: got {repr(value)[:_SHOWN]}, expected the number of features that fire; fetch it again"
        )
    return value


def says_nothing(value: Any) -> bool:
    """Whether a value is one by which configurations leave a key out: null, false, "none", or empty.

    Examples
    --------
    >>> [says_nothing(value) for value in (None, False, "none", [], 0, "x")]
    [True, True, True, True, False, False]
    """
    return value is None or value is False or value in ("", "none", "None") or value in ([], {})


def unsupported(table: Table, config: Mapping[str, Any], where: str, prefix: str = "") -> dict[str, str]:
    """Return what a configuration asks for that is not applied, each key with a sentence that names file and value.

    Parameters
    ----------
    table
        Rows of the object of the configuration.
    config
        That object.
    where
        Name of its file, for the sentences.
    prefix
        Names of the objects around it, with a dot behind each.

    Examples
    --------
    >>> table = {"lr": Key("none"), "gain": Key("refused", 1.0, advice="multiply activations by it")}
    >>> unsupported(table, {"lr": 0.1, "gain": 2.0, "glue": None}, "cfg.json")
    {'gain': 'cfg.json: gain is 2.0, multiply activations by it'}
    >>> unsupported(table, {"gain": 1.0, "glue": "on"}, "cfg.json", "sae.")["sae.glue"]
    "cfg.json: sae.glue is 'on', a key that is not known, and may change activations or codes"
    """
    problems = {f"{prefix}{name}": (value, _problem(table.get(name), value)) for name, value in config.items()}
    return {
        name: f"{where}: {name} is {repr(value)[:_SHOWN]}, {problem}"
        for name, (value, problem) in problems.items()
        if problem
    }


def _problem(key: Key | None, value: Any) -> str:
    """Why a value is not applied; empty if it is, or if nothing is to be done."""
    # A key of a later release may change codes: unknown is not harmless unless it says nothing.
    if key is None:
        return "" if says_nothing(value) else _UNKNOWN
    is_default = value is None or _same(value, key.default) or (says_nothing(value) and says_nothing(key.default))
    if key.effect == "refused" and not is_default:
        return key.advice
    if key.effect == "applied" and key.values and not is_default and not any(_same(value, one) for one in key.values):
        return key.advice
    return ""


def _same(value: Any, other: Any) -> bool:
    """Whether two values of JSON are one; true is not 1."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def trained_on(table: Table, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a configuration says of the tokens that its SAE was trained on."""
    return {
        name: value
        for name, value in config.items()
        if value is not None and name in table and table[name].effect == "recorded"
    }
