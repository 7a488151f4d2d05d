"""Write the atlas as one HTML file: own scripts and styles inlined, and a policy that lets nothing else run or load."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from saegeom_data.atlas import payload
from saegeom_data.atlas.facts import SaeFacts
from saegeom_data.data.staging import write_file
from saegeom_data.errors import ParameterError
from saegeom_data.report.page import asset, rendered, script_safe

_PACKAGE = "saegeom_data.atlas"
# In the order in which they use one another; all in one scope.
SCRIPTS = (
    "unpack.js",
    "state.js",
    "colours.js",
    "webgl.js",
    "canvas.js",
    "map.js",
    "search.js",
    "parts.js",
    "feature.js",
    "page.js",
)


def write_atlas(saes: Iterable[SaeFacts], attrs: Mapping[str, Any], path: Path) -> int:
    """Write the atlas of some SAEs, whole or not at all, and return its size in bytes.

    Parameters
    ----------
    saes
        As :func:`saegeom_data.atlas.build.gathered` yields them; one is held at a time.
    attrs
        Title, licence, citation and root of the data.
    path
        The HTML file to write. It holds everything it needs and opens from disk.
    """
    text = render(saes, attrs)
    write_file(path, text)
    return len(text.encode("utf-8"))


def render(saes: Iterable[SaeFacts], attrs: Mapping[str, Any]) -> str:
    """Return the atlas as HTML text; see :func:`write_atlas`."""
    style = asset("atlas.css", _PACKAGE)
    scripts = "\n".join(asset(name, _PACKAGE) for name in SCRIPTS)
    # The policy allows it by its digest, so that all scripts are one text.
    script = f'(() => {{\n"use strict";\n{scripts}}})();\n'
    shown: list[dict[str, Any]] = []
    parts: list[tuple[str, str]] = []
    for sae in saes:
        picture, rest = payload.packed(sae)
        parts += [(f"picture-{len(shown)}", picture), (f"rest-{len(shown)}", rest)]
        shown.append(_about(sae))
    if not shown:
        raise ParameterError("atlas: got no SAE, expected at least one")
    title = str(attrs.get("title") or "Features of sparse autoencoders")
    return rendered(
        "atlas.html",
        _PACKAGE,
        title=title,
        policy=_policy(script, style),
        style=style,
        script=script,
        facts=script_safe({"title": title, "data": {name: str(value) for name, value in attrs.items()}, "saes": shown}),
        parts=parts,
    )


def _about(sae: SaeFacts) -> dict[str, Any]:
    """What the page knows of an SAE before any of its parts is unpacked."""
    return {
        "name": sae.name,
        "title": sae.title,
        "n": sae.n_features,
        "facts": {name: payload.clipped(value) for name, value in sae.facts.items()},
        "map": sae.layout.words,
        "trust": sae.layout.trustworthiness,
        "neuronpedia": sae.neuronpedia,
        "missing": sae.missing,
    }


def _policy(script: str, style: str) -> str:
    """What the page may do: run this script, use this style, and load nothing."""
    allowed = {"default": "'none'", "script": f"'{_digest(script)}'", "style": f"'{_digest(style)}'"}
    return "; ".join(
        [*(f"{name}-src {what}" for name, what in allowed.items()), "base-uri 'none'", "form-action 'none'"]
    )


def _digest(text: str) -> str:
    """The digest by which a policy allows one script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
