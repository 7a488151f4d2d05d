"""Which SAE of a store a source is of: joined by key, layer and name, and checked by model, place and width."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from saegeom_data.data import schema
from saegeom_data.errors import DataValueError, ParameterError, UnknownNameError
from saegeom_data.labels.found import Found
from saegeom_data.labels.source import LabelSource

if TYPE_CHECKING:
    import xarray as xr

# Names of one model: Neuronpedia's and TransformerLens's beside that on the Hub.
_SAME_MODEL = {"gpt2-small": "gpt2", "gpt2-sm": "gpt2", "llama3.1-8b": "llama-3.1-8b", "gemma2-2b": "gemma-2-2b"}
_ENDINGS = ("-deduped", "-base", "-pt", "-it")


def joined_parts(
    tree: xr.DataTree, source: LabelSource, parts: list[str], sae: str | None, part: str | None
) -> dict[str, str]:
    """Part of the source for each SAE that it has labels of."""
    names = schema.sae_names(tree)
    if sae is not None and sae not in names:
        raise UnknownNameError("SAE", sae, names)
    if part is not None and part not in parts:
        raise UnknownNameError("SAE of the source", part, parts)
    parts = [part] if part is not None else parts
    # With one on either side nothing is left to tell apart, whatever their names.
    if len(parts) == 1 and (sae is not None or len(names) == 1):
        return {sae or names[0]: parts[0]}
    found: dict[str, str] = {}
    for each in parts:
        fitting = [name for name in names if _fits(features_of(tree, name), each)]
        if len(fitting) == 1 and fitting[0] not in found and sae in (None, fitting[0]):
            found[fitting[0]] = each
        elif len(fitting) > 1 or (fitting and fitting[0] in found):
            raise ParameterError(
                f"{source.address}: {each} may be of {', '.join(fitting)}; say which by --sae and --part"
            )
    if not found and parts == [""]:
        raise ParameterError(
            f"{source.address}: does not say which SAE it is of; give --sae, one of {', '.join(names)}"
        )
    if not found:
        listed = ", ".join(part or "no name" for part in parts[:8])
        raise ParameterError(
            f"{source.address}: has labels of {listed}, and no SAE of the store is known to be that; give --sae, one of"
            f" {', '.join(names)}"
        )
    return found


def sae_of_part(
    tree: xr.DataTree, source: LabelSource, parts: list[str], sae: str | None, part: str | None
) -> tuple[str, str]:
    """The one SAE of a store that a source is of, and its part of the source.

    Raises
    ------
    ParameterError
        If there are several, or none.
    UnknownNameError
        If there is no such SAE or part.
    """
    joined = joined_parts(tree, source, parts, sae, part)
    if len(joined) > 1:
        raise ParameterError(f"{source.address}: may be of {', '.join(joined)}; say which by --sae")
    return next(iter(joined.items()))


def features_of(tree: xr.DataTree, name: str) -> xr.Dataset:
    """The group ``features`` of an SAE."""
    return tree["saes"].children[name].children["features"].to_dataset(inherit=False)


def _fits(features: xr.Dataset, part: str) -> bool:
    """Whether a part of a source is of an SAE, by its key of Neuronpedia, or else by its layer."""
    key = str(features.attrs.get("neuronpedia", ""))
    if key:
        return key.rpartition("/")[2] == part
    # The first number of a name is the layer, as in 20-gemmascope-res-16k.
    numbers = re.findall(r"\d+", part)
    layer = features.coords.get("layer")
    return bool(numbers) and layer is not None and not layer.ndim and int(numbers[0]) == int(layer)


def check_labels(found: Found, features: xr.Dataset, name: str, model: str | None, where: str) -> None:
    """Refuse labels of another model, place or width."""
    check_origin(found, features, name, model, where)
    if found.labels:
        check_index(max(found.labels), features, name, where, "label")


def check_index(feature: int, features: xr.Dataset, name: str, where: str, what: str) -> None:
    """Refuse what is of a feature that an SAE does not have."""
    last = features.sizes["features"] - 1
    if feature > last:
        article = "an" if what == "example" else "a"
        raise DataValueError(
            f"{where}: has {article} {what} of feature {feature}, expected 0 to {last}, those of {name}; give its own"
            f" {what}s"
        )


def check_origin(found: Found, features: xr.Dataset, name: str, model: str | None, where: str) -> None:
    """Refuse what says itself that it is of another SAE: another model, key, layer or width."""
    own = str(features.attrs.get("model", ""))
    if found.model and found.model != model and own and _plain(found.model) != _plain(own):
        raise DataValueError(
            f"{where}: of the model {found.model!r}, expected {own!r}, that of {name}; if they are one model, give"
            f" --model {found.model}"
        )
    source_id, n_features = str(found.facts.get("source_id", "")), features.sizes["features"]
    key = str(features.attrs.get("neuronpedia", ""))
    if key and source_id and key != f"{found.model}/{source_id}":
        raise DataValueError(
            f"{where}: of {found.model}/{source_id}, expected {key}, the key of {name}; give its labels"
        )
    layer, said = features.coords.get("layer"), re.match(r"(\d+)-", source_id)
    if said and layer is not None and not layer.ndim and int(said[1]) != int(layer):
        raise DataValueError(f"{where}: of layer {said[1]}, expected {int(layer)}, that of {name}; give its labels")
    if found.thousands is not None and found.thousands != n_features // 1000:
        raise DataValueError(
            f"{where}: of an SAE of {found.thousands}k features, expected {n_features}, those of {name}; give its own"
        )
    most = found.most_features
    # Features that never fire may be left out of an export, but not half of them.
    if most is not None and not n_features / 2 <= most < n_features + 1024:
        raise DataValueError(
            f"{where}: has room for {most} features, expected {n_features}, those of {name}; give its labels"
        )


def _plain(model: str) -> str:
    """Name of a model without its owner, and without what tells apart those that labels do not."""
    name = model.rpartition("/")[2].lower()
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return _SAME_MODEL.get(name, name)
