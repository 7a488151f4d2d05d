"""What a recipe says of the preprocessing of an SAE, and how its text differs from that of the SAE's training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from saegeom_data.checkpoints.checkpoint import CENTRED
from saegeom_data.checkpoints.open import Opened
from saegeom_data.errors import ParameterError, suggest
from saegeom_data.harvest.recipe import ImportedSae

_CENTRING = "center_writing_weights"
_FACTOR = "normalize_activations"
# The name that SAELens has for it, and that of sparsify and dictionary_learning.
_LENGTHS = ("context_size", "ctx_len")


def settled(opened: Opened, entry: ImportedSae, *, encode: bool) -> Opened:
    """Return an SAE with what the recipe says of its preprocessing, over what its checkpoint says.

    Parameters
    ----------
    opened
        The SAE as its checkpoint says.
    entry
        ``centred``, ``input_scale`` and ``ignored_settings`` of the recipe.
    encode
        Whether it will encode.

    Raises
    ------
    ParameterError
        If it is to encode and its configuration asks for what is not applied, or the recipe ignores a key that is
        applied.
    """
    attrs: dict[str, Any] = dict(opened.features.attrs)
    unsupported = json.loads(attrs.pop("unsupported_settings", "{}"))
    for name in entry.ignored_settings:
        if name not in unsupported:
            raise ParameterError(
                f"saes: {opened.checkpoint.file.shown}: ignored_settings: {name!r} is not among the settings that are"
                f" not applied ({', '.join(unsupported) or 'there are none'}){suggest(name, unsupported)}"
            )
    ignored = set(entry.ignored_settings)
    # Said at all, true or false: false overrides a checkpoint that says it is centred.
    if "centred" in entry.model_fields_set:
        attrs.pop("input_centring", None)
        attrs |= {"input_centring": CENTRED} if entry.centred else {}
        ignored |= {name for name in unsupported if name.endswith(_CENTRING)}
    if entry.input_scale is not None:
        attrs |= {"input_scale": entry.input_scale, "output_scale": entry.input_scale}
        ignored |= {_FACTOR} if attrs.get("input_normalisation") == "expected_average_only_in" else set()
    left = {name: problem for name, problem in unsupported.items() if name not in ignored}
    # Only for codes does it matter: a decoder alone is what it is, however activations were scaled.
    if left and encode:
        raise ParameterError(
            f"saes: {'; '.join(left.values())}; encode it with the library that trained it, or name the key under"
            " ignored_settings if codes do not depend on it"
        )
    attrs |= {"unsupported_settings": json.dumps(left)} if left else {}
    # A copy: the opened checkpoint keeps what it says itself.
    features = opened.features.copy(deep=False)
    features.attrs = attrs
    return replace(opened, features=features)


def differences(name: str, opened: Opened, entry: ImportedSae, *, length: int, has_bos: bool) -> Iterator[str]:
    """Say in which ways a text is not like the tokens that an SAE was trained on, one line each.

    Parameters
    ----------
    name
        Of the SAE.
    opened, entry
        The SAE, and the recipe's words on it.
    length
        Tokens of a sequence.
    has_bos
        Whether sequences begin with a special token.
    """
    attrs = opened.features.attrs
    trained = json.loads(attrs.get("trained_on", "{}"))
    limit = next((trained[key] for key in _LENGTHS if isinstance(trained.get(key), int)), length)
    if length > limit > 0:
        yield f"{name}: trained on sequences of {limit} tokens, and these have {length}: later positions are new to it"
    if trained.get("prepend_bos") is True and not has_bos:
        yield f"{name}: trained on sequences that begin with a BOS token, and these do not; say prepend_bos: true"
    if trained.get("prepend_bos") is False and has_bos:
        yield f"{name}: trained on sequences without a BOS token at their start, and these begin with a special token"
    positions = trained.get("seqpos_slice")
    if isinstance(positions, list) and any(part is not None for part in positions):
        parts = ":".join("" if part is None else str(part) for part in positions)
        yield f"{name}: trained on positions [{parts}] of sequences, and codes are of all positions"
    if trained.get("use_chat_formatting") is True:
        yield f"{name}: trained on chats in the template of the model's tokenizer"
    if attrs.get("model_loading") and "centred" not in entry.model_fields_set:
        yield (
            f"{name}: its configuration does not say whether the model's writing weights were centred, as early"
            " releases of SAELens had them; say centred: true or false under saes"
        )
