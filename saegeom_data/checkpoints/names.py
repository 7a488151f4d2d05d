"""Names and attributes for a store of imported SAEs: what each SAE is called, and what the root says of them all."""

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
        lambda features: f"_{plain_site(str(features.site.values.ravel()[0]))}",
        lambda features: f"_width_{int(features.width)}",
        lambda features: "" if math.isnan(float(features.l0)) else f"_l0_{float(features.l0):g}",
        lambda features: f"_{features.attrs['architecture']}",
        lambda features: f"_{plain_site(features.attrs['model'])}",
    )
    names = [_stem(sae) for sae in opened]
    for step in steps:
        repeated = {name for name in names if names.count(name) > 1}
        groups = {
            name: {step(sae.features) for sae, own in zip(opened, names, strict=True) if own == name}
            for name in repeated
        }
        # A word that all of a group share tells nothing apart and only makes names longer.
        telling = any(len(group) > 1 for group in groups.values())
        # The same words for all of them, so that they read alike and sort well.
        names = [name + step(sae.features) if telling else name for sae, name in zip(opened, names, strict=True)]
    # Architectures and models are named by files of others, and must not become paths.
    names = [re.sub(r"[^\w-]+", "_", name) for name in names]
    for name in names:
        if names.count(name) > 1:
            same = [sae.checkpoint.file.shown for sae, own in zip(opened, names, strict=True) if own == name]
            raise ParameterError(
                f"{' and '.join(same[:3])}: would all be {name}: alike in layer, site, width, L0 and model; import them"
                " one by one, or say what differs with --l0 PATTERN=VALUE"
            )
    return dict(zip(names, opened, strict=True))


def _stem(sae: Opened) -> str:
    """First words of a name: the layer of the SAE, or where it writes to several the one that it reads."""
    if not sae.features.site.ndim:
        return f"layer_{int(sae.features.layer)}"
    site = sae.checkpoint.site
    return "crosscoder" if site.reads is None else f"layer_{site.layer}"


def plain_site(text: str) -> str:
    """Return the words of a site for a name, without its layer, which the name has already.

    Examples
    --------
    >>> plain_site("blocks.6.hook_resid_post")
    'hook_resid_post'
    """
    words = [
        word
        for word in text.replace("/", ".").split(".")
        if word not in ("blocks", "model", "layers") and not word.isdigit()
    ]
    return "_".join(words)


def root_attrs(opened: Mapping[str, Opened], title: str | None, license: str | None) -> dict[str, Any]:
    """Attributes of the root of a store of imported SAEs; a licence that nobody states is ``"unknown"``."""
    stated = sorted({sae.license for sae in opened.values() if sae.license})
    models = sorted({sae.features.attrs["model"] for sae in opened.values()})
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
            "title": f"{sae.features.attrs['format']} checkpoint",
            "url": sae.features.attrs["source"],
            "file": sae.features.attrs["source_file"],
            "revision": sae.features.attrs.get("source_revision"),
            "sha256": sae.features.attrs.get("source_sha256"),
        }
        for name, sae in opened.items()
    ]
