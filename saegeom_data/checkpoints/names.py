"""Several SAEs in one store: what each is called, and what the store says of itself."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saegeom_data.checkpoints.open import Opened
from saegeom_data.data import provenance, schema
from saegeom_data.errors import ParameterError

if TYPE_CHECKING:
    import xarray as xr


def saes_by_name(opened: Sequence[Opened]) -> dict[str, Opened]:
    """Name SAEs by their layer, and by what else tells those of a layer apart: site, width, L0, architecture.

    Raises
    ------
    ParameterError
        If nothing tells two of them apart.
    """
    steps: tuple[Callable[[xr.Dataset], str], ...] = (
        lambda sae: f"_{plain_site(str(sae.site.item()))}",
        lambda sae: f"_width_{int(sae.width)}",
        lambda sae: "" if math.isnan(float(sae.l0)) else f"_l0_{float(sae.l0):g}",
        lambda sae: f"_{sae.attrs['architecture']}",
        lambda sae: f"_{plain_site(sae.attrs['model'])}",
    )
    names = [f"layer_{int(one.features.layer)}" for one in opened]
    for step in steps:
        repeated = {name for name in names if names.count(name) > 1}
        groups = {
            name: {step(one.features) for one, its in zip(opened, names, strict=True) if its == name}
            for name in repeated
        }
        telling = any(len(group) > 1 for group in groups.values())
        # The same words for all of them, so that they read alike and sort well.
        names = [name + step(one.features) if telling else name for one, name in zip(opened, names, strict=True)]
    # Architectures and models are named by files of others, and must not become paths.
    names = [re.sub(r"[^\w-]+", "_", name) for name in names]
    for name in names:
        if names.count(name) > 1:
            same = [one.checkpoint.file.name for one, its in zip(opened, names, strict=True) if its == name]
            raise ParameterError(
                f"{' and '.join(same[:3])}: would all be {name}: alike in layer, site, width, L0 and model; import them"
                " one by one, or say what differs with --l0 PATTERN=VALUE"
            )
    return dict(zip(names, opened, strict=True))


def plain_site(text: str) -> str:
    """The words of a site that may stand in a name: without its layer, which the name has already."""
    words = [
        word
        for word in text.replace("/", ".").split(".")
        if word not in ("blocks", "model", "layers") and not word.isdigit()
    ]
    return "_".join(words)


def root_attrs(opened: Mapping[str, Opened], title: str | None, license: str | None) -> dict[str, Any]:
    """Attributes of the root of a store of imported SAEs; a licence that nobody states is ``"unknown"``."""
    stated = sorted({one.license for one in opened.values() if one.license})
    models = sorted({one.features.attrs["model"] for one in opened.values()})
    return {
        "format_version": schema.FORMAT_VERSION,
        "title": title or f"{len(opened)} imported {'SAE' if len(opened) == 1 else 'SAEs'} of {', '.join(models)}",
        "license": license or " and ".join(stated) or "unknown",
        "sources": json.dumps(source_records(opened)),
        "versions": json.dumps(provenance.versions(("saegeom-data", "numpy", "xarray", "zarr"))),
    }


def source_records(opened: Mapping[str, Opened]) -> list[dict[str, Any]]:
    """Where each SAE is from, for the attributes of the root."""
    return [
        {
            "name": name,
            "title": f"{one.features.attrs['format']} checkpoint",
            "url": one.features.attrs["source"],
            "file": one.features.attrs["source_file"],
            "revision": one.features.attrs.get("source_revision"),
            "sha256": one.features.attrs.get("source_sha256"),
        }
        for name, one in opened.items()
    ]
