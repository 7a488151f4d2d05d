"""Sites that an SAE writes to, where they are several: a crosscoder's, or those of a cross-layer transcoder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from saegeom_data.checkpoints.checkpoint import Checkpoint
from saegeom_data.checkpoints.shapes import oriented
from saegeom_data.checkpoints.sites import Hook, layer_of
from saegeom_data.errors import ParameterError, StoreError


def known_sites(checkpoint: Checkpoint, site: Any, layer: Any) -> dict[str, Any]:
    """Names and layers of the sites that a decoder writes to: as the user states them, or else the checkpoint.

    Parameters
    ----------
    checkpoint
        A checkpoint whose decoder writes to several sites.
    site
        Their names with commas between them, in the order in which they lie in the file, or one with ``{layer}`` for
        all layers that are given; None if not given.
    layer
        Their layers likewise, or one for all of them; None where their names say them.

    Raises
    ------
    ParameterError
        If they are not known, as many as there are, or not all different.
    """
    where, count = checkpoint.file.shown, checkpoint.parts["decoder"].n_sites
    names = _parts(site) if site is not None else [_label(place, checkpoint) for place in checkpoint.writes]
    if len(names) == 1 and "{layer}" in names[0] and layer is not None:
        names = [names[0].replace("{layer}", number) for number in _parts(layer)]
    how = f"give --site with all {count} names, such as blocks.3.hook_resid_post,blocks.7.hook_resid_post"
    if not names:
        raise ParameterError(f"{where}: it writes to {count} sites, which are not in the checkpoint; {how}")
    if len(names) != count:
        raise ParameterError(f"{where}: site: got {len(names)} ({', '.join(names[:4])}), expected {count}; {how}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f"{where}: site: {twice!r} is a duplicate; {how}, each with a name of its own")
    if layer is not None:
        layers = _numbers(where, _parts(layer), count)
        for name, number in zip(names, layers, strict=True):
            if layer_of(name) not in (None, number):
                raise ParameterError(f"{where}: layer: got {number} for site {name!r}; leave out --layer, or fix one")
    else:
        layers = [_layer(where, name, checkpoint) for name in names]
    return {"site": names, "layer": layers}


def refuse_disagreeing(checkpoints: Iterable[Checkpoint]) -> None:
    """Raise :class:`StoreError` where files of one folder that write to several sites are not of one training.

    Each of them has as many features, writes vectors of one length, and ends at the same site.
    """
    first: dict[str, tuple[str, tuple[int, ...]]] = {}
    for checkpoint in checkpoints:
        decoder = checkpoint.parts["decoder"]
        if not decoder.n_sites:
            continue
        # What is left out in front are sites before the one that its features read.
        before = decoder.first_site
        # Files of circuit-tracer do not hold those sites at all, so that none is left out of them.
        if checkpoint.architecture == "cross_layer_transcoder":
            before = checkpoint.site.layer or 0
        sizes = (*oriented(decoder), before + decoder.n_sites)
        name = checkpoint.file.shown
        other, expected = first.setdefault(str(PurePosixPath(checkpoint.file.name).parent), (name, sizes))
        if sizes != expected:
            got, wanted = (f"{n:,} features x {d:,} hidden at {sites} sites" for n, d, sites in (sizes, expected))
            raise StoreError(f"{name}: has {got}, and {other} beside it {wanted}; not of one SAE, fetch both again")


def refuse_several_sites(checkpoint: Checkpoint) -> None:
    """Raise :class:`ParameterError` where an encoder is asked for of an SAE that writes to several sites."""
    n_sites = checkpoint.parts["decoder"].n_sites
    if n_sites:
        raise ParameterError(
            f"{checkpoint.file.shown}: writes to {n_sites} sites, and encoding is supported for SAEs of one site alone;"
            " import the decoder, without --encoder"
        )


def _label(place: Hook, checkpoint: Checkpoint) -> str:
    return place.hook(checkpoint.site.model) or place.name


def _parts(text: Any) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()]


def _numbers(where: str, words: list[str], count: int) -> list[int]:
    if len(words) not in (1, count) or not all(word.isdecimal() for word in words):
        raise ParameterError(
            f"{where}: layer: got {','.join(words)[:60]!r}, expected one number for all sites, or {count} with commas"
            " between them; give --layer"
        )
    return [int(word) for word in words] * (count // len(words))


def _layer(where: str, name: str, checkpoint: Checkpoint) -> int:
    """Layer that the name of a site says, or else the one that the checkpoint has for all of them."""
    layer = layer_of(name)
    layer = checkpoint.site.layer if layer is None else layer
    if layer is None:
        raise ParameterError(f"{where}: layer: site {name!r} does not say it; give --layer, with commas for several")
    return layer
