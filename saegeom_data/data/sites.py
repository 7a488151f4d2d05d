"""SAEs that write to several sites, as crosscoders and cross-layer transcoders do: one view for each of their sites.

Their decoder is (features, sites, hidden), and site and layer are coordinates over sites. A view of one site is what
any other SAE is: a decoder (features, hidden) with one site and one layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saegeom_data.data import group_kinds, schema
from saegeom_data.errors import ParameterError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr


def site_names(features: xr.Dataset) -> list[str]:
    """Names of the sites of an SAE that writes to several; none of any other.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_crosscoder, simulate_sae
    >>> site_names(simulate_crosscoder(layers=(2, 5))), site_names(simulate_sae())
    (['hidden_state_2', 'hidden_state_5'], [])
    """
    several = "site" in features.coords and features["site"].dims == (schema.SITES,)
    return [str(name) for name in features["site"].values] if several else []


def at_site(features: xr.Dataset, site: str, where: str) -> xr.Dataset:
    """Return the view of one site, in which no array is copied or read but for the names and layers of sites.

    Parameters
    ----------
    features
        Dataset of an SAE that writes to several sites.
    site
        Name of one of them.
    where
        Path of the SAE, for messages.

    Raises
    ------
    UnknownNameError
        If it has no such site.
    ParameterError
        If it has but one.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_crosscoder
    >>> view = at_site(simulate_crosscoder(layers=(2, 5)), "hidden_state_5", "/saes/crosscoder")
    >>> view.decoder.dims, int(view.layer)
    (('features', 'hidden'), 5)
    """
    names = site_names(features)
    if not names:
        raise ParameterError(f"{where}: site: got {site!r} for an SAE that writes to one site alone; leave it out")
    if site not in names:
        raise UnknownNameError(f"site of {where}", site, names)
    # Values, as those of any other SAE are: scalars of lazy arrays would be arrays still.
    places = {name: (schema.SITES, features[name].values) for name in group_kinds.PER_SITE if name in features.coords}
    return features.assign_coords(places).isel({schema.SITES: names.index(site)})


def site_views(features: xr.Dataset) -> list[xr.Dataset]:
    """Views of an SAE at each of its sites; of any other SAE itself."""
    return [at_site(features, site, "") for site in site_names(features)] or [features]


def sae_rows(tree: xr.DataTree) -> dict[str, tuple[str, str | None]]:
    """SAEs of a store as rows of results: by the name of the row, that of the SAE, and its site where it has several.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> list(sae_rows(simulate_store(n_saes=1, crosscoder_layers=(2, 5))))
    ['crosscoder@hidden_state_2', 'crosscoder@hidden_state_5', 'layer_0']
    """
    rows: dict[str, tuple[str, str | None]] = {}
    for name in schema.sae_names(tree):
        groups = tree.children["saes"].children[name].children
        sites = site_names(groups["features"].to_dataset(inherit=False)) if "features" in groups else []
        rows |= {f"{name}@{site}": (name, site) for site in sites} if sites else {name: (name, None)}
    return rows
