"""Labels from a source into a store: joined by model, SAE and index, checked, and added to those that are there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data import schema, store
from saegeom_data.data.labels import Label, labels_group, labels_of, sources_of
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.data.write import write_group
from saegeom_data.errors import DataValueError, ParameterError, UnknownNameError
from saegeom_data.labels.extend import extended
from saegeom_data.labels.formats import FORMATS
from saegeom_data.labels.found import Format, Found
from saegeom_data.labels.source import LabelSource

if TYPE_CHECKING:
    import xarray as xr

# Names of one model: Neuronpedia's and TransformerLens's beside that on the Hub.
_SAME_MODEL = {"gpt2-small": "gpt2", "gpt2-sm": "gpt2", "llama3.1-8b": "llama-3.1-8b", "gemma2-2b": "gemma-2-2b"}
_ENDINGS = ("-deduped", "-base", "-pt", "-it")


@dataclass(frozen=True)
class Labelled:
    """What was added to one SAE.

    Parameters
    ----------
    sae
        Its name.
    n_labels, n_features
        Labels that were added, and features that have one of them; 0 if the source had been added before.
    root
        Root hash of the store now.
    """

    sae: str
    n_labels: int
    n_features: int
    root: str


def label_store(
    path: str | os.PathLike[str],
    source: str | os.PathLike[str],
    *,
    sae: str | None = None,
    format: str | None = None,
    part: str | None = None,
    model: str | None = None,
    license: str | None = None,
    is_partial: bool = False,
    progress: Callable[[str], None] = lambda message: None,
) -> list[Labelled]:
    """Add labels of features to a store, all of a source or none of it. Labels that are there stay as they are.

    Parameters
    ----------
    path
        Store of this machine. It gets a new root hash.
    source
        File or folder, here or at ``s3://``, ``https://`` or ``hf://``: see ``FORMATS``.
    sae
        SAE that the labels are of. Found by the key of Neuronpedia, by layer, or as the only one, if not given.
    format
        One of ``FORMATS``; recognised if not given.
    part
        Which of several SAEs of the source, as it names them; all that the store has if not given.
    model
        Name by which the source calls the model of the store, if the two names do not show that it is one model.
    license
        Licence of the labels, if known.
    is_partial
        Whether batches may be missing.
    progress
        Called with what is done next.

    Returns
    -------
    list of Labelled
        One for each SAE that the source has labels of.

    Raises
    ------
    DataValueError
        If labels are of another model or width, name a feature twice or one that is not there, or are damaged.
    StoreError, ParameterError, UnknownNameError
        If store or source cannot be read, or it is not clear which SAE the labels are of.
    """
    opened = LabelSource(os.fspath(source))
    reader, parts = _recognised(opened, format)
    with store.open(path) as tree:
        if "saes" not in tree.children:
            raise ParameterError(f"{path}: holds no SAEs, so that there are no features to label")
        joined = _joined(tree, opened, parts, sae, part)
        groups: dict[str, xr.Dataset] = {}
        added: dict[str, tuple[int, int]] = {}
        for name, which in joined.items():
            progress(f"{name}: reading {which or opened.name}")
            # Read by a source of its own, so that the checksum is that of what this SAE's labels are from.
            own = opened.anew()
            found = reader.read(own, which, is_partial=is_partial)
            features = _features(tree, name)
            where = own.address if not which else f"{own.address}: {which}"
            _check_join(found, features, name, model, where)
            record = _record(own, which, found, license)
            group = _with_labels(tree, name, found, record)
            added[name] = (0, 0)
            if group is not None:
                groups[f"saes/{name}/labels"] = group
                added[name] = sum(map(len, found.labels.values())), len(found.labels)
    if groups:
        with extended(path, list(groups)) as folder:
            for group_path, group in groups.items():
                write_group(Path(folder), group_path, group)
    root = root_hash(path)
    return [Labelled(name, *counts, root) for name, counts in added.items()]


def _recognised(source: LabelSource, format: str | None) -> tuple[Format, list[str]]:
    """The format of a source, and the SAEs that it has labels of."""
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format of labels", format, FORMATS)
    for reader in [FORMATS[format]] if format is not None else FORMATS.values():
        if parts := reader.parts(source):
            return reader, parts
    known = "; ".join(f"{name}: {reader.WHAT}" for name, reader in FORMATS.items() if format in (None, name))
    raise DataValueError(f"{source.address}: holds no labels of a known layout; expected {known}")


def _joined(
    tree: xr.DataTree, source: LabelSource, parts: list[str], sae: str | None, part: str | None
) -> dict[str, str]:
    """Part of the source for each SAE that it has labels of."""
    names = schema.sae_names(tree)
    if sae is not None and sae not in names:
        raise UnknownNameError("SAE", sae, names)
    if part is not None and part not in parts:
        raise UnknownNameError("SAE of the source", part, parts)
    parts = [part] if part is not None else parts
    if len(parts) == 1 and (sae is not None or len(names) == 1):
        return {sae or names[0]: parts[0]}
    found: dict[str, str] = {}
    for each in parts:
        fitting = [name for name in names if _fits(_features(tree, name), each)]
        if len(fitting) == 1 and fitting[0] not in found and sae in (None, fitting[0]):
            found[fitting[0]] = each
        elif len(fitting) > 1 or (fitting and fitting[0] in found):
            raise ParameterError(
                f"{source.address}: {each} may be of {', '.join(fitting)}; say which by --sae and --part"
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
    joined = _joined(tree, source, parts, sae, part)
    if len(joined) > 1:
        raise ParameterError(f"{source.address}: may be of {', '.join(joined)}; say which by --sae")
    return next(iter(joined.items()))


def _features(tree: xr.DataTree, name: str) -> xr.Dataset:
    return tree["saes"].children[name].children["features"].to_dataset(inherit=False)


def _fits(features: xr.Dataset, part: str) -> bool:
    """Whether a part of a source is of an SAE, by its key of Neuronpedia, or else by its layer."""
    key = str(features.attrs.get("neuronpedia", ""))
    if key:
        return key.rpartition("/")[2] == part
    numbers = re.findall(r"\d+", part)
    layer = features.coords.get("layer")
    return bool(numbers) and layer is not None and not layer.ndim and int(numbers[0]) == int(layer)


def _check_join(found: Found, features: xr.Dataset, name: str, model: str | None, where: str) -> None:
    """Refuse labels of another model or of another width."""
    own = str(features.attrs.get("model", ""))
    if found.model and found.model != model and own and _plain(found.model) != _plain(own):
        raise DataValueError(
            f"{where}: of the model {found.model!r}, expected {own!r}, that of {name}; if they are one model, give"
            f" --model {found.model}"
        )
    n_features = features.sizes["features"]
    _check_place(found, features, name, where)
    if not found.labels:
        raise DataValueError(f"{where}: no labels in it; expected at least one")
    last = max(found.labels)
    if last >= n_features:
        raise DataValueError(
            f"{where}: has a label of feature {last}, expected 0 to {n_features - 1}, those of {name}; give its own"
            " labels"
        )


def _check_place(found: Found, features: xr.Dataset, name: str, where: str) -> None:
    """Refuse labels that say by their own name that they are of another SAE: another key, layer or width."""
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


def _record(source: LabelSource, part: str, found: Found, license: str | None) -> dict[str, Any]:
    """What is kept of a source beside its labels."""
    facts = {"model": found.model, "source_id": part, "license": license or ""}
    known = {"url": source.address, "sha256": source.sha256, "date": time.strftime("%Y-%m-%d", time.gmtime())}
    return known | {key: value for key, value in facts.items() if value} | dict(found.facts)


def _with_labels(tree: xr.DataTree, name: str, found: Found, record: Mapping[str, Any]) -> xr.Dataset | None:
    """Labels that an SAE has, followed by those that were found; None if that source has been added before."""
    node = tree["saes"].children[name]
    n_features = node.children["features"].sizes["features"]
    sources: list[Mapping[str, Any]] = []
    labels: dict[int, list[Label]] = {}
    if "labels" in node.children:
        held = node.children["labels"].to_dataset(inherit=False)
        sources = list(sources_of(held))
        labels = {feature: listed for feature, listed in enumerate(labels_of(held)) if listed}
    if any(source["sha256"] == record["sha256"] for source in sources):
        return None
    for feature, listed in found.labels.items():
        new = [replace(label, source=len(sources)) for label in listed]
        labels[feature] = [*labels.get(feature, []), *new]
    return labels_group(labels, n_features, [*sources, record])
