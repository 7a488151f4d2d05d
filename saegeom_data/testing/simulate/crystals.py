"""Feature directions with planted parallelograms and trapezoids."""

from __future__ import annotations

import numpy as np
import xarray as xr

from saegeom_data.errors import ParameterError


def simulate_crystals(
    *,
    n_features: int = 400,
    n_hidden: int = 64,
    n_parallelograms: int = 5,
    n_trapezoids: int = 5,
    noise: float = 0.0,
    spectrum_exponent: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate random feature directions among which some quadruples form parallelograms and trapezoids.

    Every crystal has corners a, b, c, d of its own on a circle of the unit sphere, with b - a along d - c. The sides
    a b and c d have length 1 (a cosine of 0.5) in a parallelogram, 1 and 0.5 in a trapezoid, and lie 1.2 and 1.4 apart.

    Parameters
    ----------
    n_features, n_hidden
        Sizes.
    n_parallelograms, n_trapezoids
        Crystals planted, four features each.
    noise
        Norm of the Gaussian noise added to each corner, before its norm is made 1 again. It leaves the two sides of a
        parallelogram a cosine of about 1 / (1 + 2 noise ** 2).
    spectrum_exponent
        As in :func:`simulate_sae`, for all features and the planes of crystals.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, hidden); ``true_corner`` (crystals, place), the features a, b, c, d of each crystal, with
        the coordinate ``kind`` (crystals); coordinates site, layer, width, l0.

    Raises
    ------
    ParameterError
        If crystals need more features than there are, or fewer than three dimensions are given.

    Examples
    --------
    >>> simulate_crystals(n_parallelograms=2, n_trapezoids=1).true_corner.shape
    (3, 4)
    """
    n = n_parallelograms + n_trapezoids
    if 4 * n > n_features:
        raise ParameterError(f"n_features: got {n_features}, expected at least {4 * n}, four for each crystal")
    if n_hidden < 3:
        raise ParameterError(f"n_hidden: got {n_hidden}, expected at least 3, so that crystals have different planes")
    rng = np.random.default_rng(seed)
    scale = np.arange(1, n_hidden + 1) ** (-spectrum_exponent / 2)
    decoder = rng.standard_normal((n_features, n_hidden)) * scale
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    is_parallelogram = np.arange(n) < n_parallelograms
    side, other_side = np.ones(n), np.where(is_parallelogram, 1.0, 0.5)
    # Orthonormal axes of each crystal: along its sides, across them, and to the centre of its circle. The radius gives
    # all corners of a parallelogram that share no side a cosine of 0.25 in size: near to none, and opposite to none.
    axes = np.linalg.qr(np.swapaxes(rng.standard_normal((n, 3, n_hidden)) * scale, 1, 2))[0]
    along, across, centre = (axes[:, :, column] for column in range(3))
    square = 5 / 8
    height = [np.sqrt(square - length**2 / 4) for length in (side, other_side)]
    corners = np.stack(
        [
            np.sqrt(1 - square) * centre + sign * length[:, None] / 2 * along + way * at[:, None] * across
            for length, at, way in zip((side, other_side), height, (-1, 1), strict=True)
            for sign in (-1, 1)
        ],
        axis=1,
    )
    # Noise has the spectrum of all features, and an expected squared norm of noise ** 2.
    corners += noise / np.linalg.norm(scale) * scale * rng.standard_normal(corners.shape)
    corners /= np.linalg.norm(corners, axis=2, keepdims=True)
    # Anywhere among the features, so that nothing can be found by neighbouring indices.
    place = rng.permutation(n_features)[: 4 * n].reshape(n, 4)
    decoder[place] = corners
    kinds = np.where(is_parallelogram, "parallelogram", "trapezoid").astype(object)
    return xr.Dataset(
        {"decoder": (("features", "hidden"), decoder), "true_corner": (("crystals", "place"), place)},
        coords={
            "kind": ("crystals", kinds),
            "site": "hidden_state_0",
            "layer": 0,
            "width": n_features,
            "l0": 8.0,
        },
        attrs={"model": "simulated", "architecture": "topk", "decoder_norm": "unit"},
    )
