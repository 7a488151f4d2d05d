"""Which SAEs can be compared layer by layer: those that agree in L0 and width."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saegeom_data.data.schema import input_site

if TYPE_CHECKING:
    import xarray as xr


# L0 is measured on a sample of tokens, so equal SAEs differ in it a little; widths are exact.
_TOLERANCES = {"width": 0.0, "l0": 0.05}
_MOST_NAMES = 4


def unmatched(saes: Sequence[xr.Dataset]) -> list[str]:
    """Say in which ways SAEs are not matched, so that comparing them would mix that with depth.

    Parameters
    ----------
    saes
        Datasets with scalar coordinates ``width``, ``l0``, ``site`` and ``layer`` and attributes ``model`` and
        ``architecture``.

    Returns
    -------
    list of str
        One sentence for each of width, L0, site, input site, model and architecture that differs or is not known for
        every SAE; empty when they are matched. L0 may differ by 5 percent. Sites that differ only in the number of
        their layer are the same.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> unmatched([simulate_sae(n_features=10), simulate_sae(n_features=20)])
    ['width differs between the SAEs (10 to 20): differences between layers may come from it']
    """
    return [f"{sentence}: differences between layers may come from it" for sentence in _unmatched(saes)]


def matched(name: str, values: Sequence[Any]) -> bool | None:
    """Whether SAEs agree in their widths, or in their L0 within 5 percent; None if not all are known.

    Parameters
    ----------
    name
        ``"width"`` or ``"l0"``.
    values
        One for each SAE; None or NaN where it is not known.

    Examples
    --------
    >>> matched("l0", [100, 104]), matched("l0", [100, 106]), matched("width", [1024, None])
    (True, False, None)
    """
    numbers = [math.nan if value is None else float(value) for value in values]
    if any(map(math.isnan, numbers)):
        return None
    # Largest to smallest: of neighbours alone, small steps could add up over many layers.
    return not numbers or max(numbers) <= min(numbers) * (1 + _TOLERANCES[name])


def differing_numbers(values: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Say which of width and L0 differ between SAEs, or are not known; each has one value for each SAE.

    Examples
    --------
    >>> list(differing_numbers({"width": [64, 64], "l0": [16, 32]}))
    ['l0 differs between the SAEs (16 to 32)']
    """
    for name, numbers in values.items():
        agree = matched(name, numbers)
        if agree is None:
            yield f"{name} is not known for every SAE"
        elif not agree:
            yield f"{name} differs between the SAEs ({min(numbers):g} to {max(numbers):g})"


def site_kinds(sites: Sequence[str], layers: Sequence[float]) -> list[str]:
    """Names of sites with ``#`` for the number that follows the layer, so that one site at several layers is one kind.

    A number follows the layer if it differs between sites that are else alike, and by as much as their layers do.

    Parameters
    ----------
    sites, layers
        Name of the site and layer of each SAE.

    Examples
    --------
    >>> site_kinds(["blocks.3.hook_resid_pre", "blocks.5.hook_resid_pre"], [3, 5])
    ['blocks.#.hook_resid_pre', 'blocks.#.hook_resid_pre']
    >>> site_kinds(["blocks.3.head.1", "blocks.3.head.2"], [3, 3])
    ['blocks.3.head.1', 'blocks.3.head.2']
    """
    alike: dict[str, list[int]] = {}
    for index, site in enumerate(sites):
        alike.setdefault(re.sub(r"\d+", "#", site), []).append(index)
    kinds = list(sites)
    for members in alike.values():
        numbers = [[int(digits) for digits in re.findall(r"\d+", sites[index])] for index in members]
        places = range(len(numbers[0]))
        following = {
            place for place in places if _follows([row[place] for row in numbers], [layers[i] for i in members])
        }
        for index in members:
            parts = re.split(r"(\d+)", sites[index])
            kinds[index] = "".join("#" if i % 2 and i // 2 in following else part for i, part in enumerate(parts))
    return kinds


def _unmatched(saes: Sequence[xr.Dataset]) -> Iterator[str]:
    """Yield one clause for each way in which SAEs are not matched; a single SAE is matched."""
    if len(saes) < 2:
        return
    yield from differing_numbers(
        {name: [float(sae.coords.get(name, math.nan)) for sae in saes] for name in _TOLERANCES}
    )
    layers = [float(sae.coords.get("layer", math.nan)) for sae in saes]
    sites = [str(sae.coords["site"].item()) if "site" in sae.coords else "" for sae in saes]
    kinds = site_kinds(sites, layers)
    yield from _differing("site", kinds)
    inputs = site_kinds([input_site(sae) for sae in saes], layers)
    # Where SAEs read what they reconstruct, one sentence tells of both.
    if inputs != kinds:
        yield from _differing("input site", inputs)
    for name in ("model", "architecture"):
        yield from _differing(name, [str(sae.attrs.get(name, "")) for sae in saes])


def _differing(what: str, names: Sequence[str]) -> Iterator[str]:
    different = list(dict.fromkeys(names))
    if "" in different:
        yield f"{what} is not known for every SAE"
    elif len(different) > 1:
        more = [] if len(different) <= _MOST_NAMES else [f"{len(different) - _MOST_NAMES} more"]
        yield f"{what} differs between the SAEs ({', '.join([*different[:_MOST_NAMES], *more])})"


def _follows(numbers: Sequence[int], layers: Sequence[float]) -> bool:
    """Whether a number in the names of sites differs between them, and number minus layer does not."""
    return len(set(numbers)) > 1 and len({number - layer for number, layer in zip(numbers, layers, strict=True)}) == 1
