"""Tokens whose logits each feature raises and lowers most, directly, through the unembedding of the model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.metrics.brain._shared.vocabulary_texts import texts, vocabulary_of
from saegeom_data.metrics.brain.feature_logits._outputs import BY_NAME, OUTPUTS, PER_FEATURE, RANKED
from saegeom_data.metrics.brain.feature_logits._ranked import Ranked, combined, ranked_in, tile_bytes
from saegeom_data.metrics.brain.feature_logits.guidance import GUIDANCE
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.metrics.nulls.uniform_sphere import uniform_rows
from saegeom_data.testing.simulate import simulate_unembedding
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_SIDES = ("raised", "lowered")
# Features are ranked in as many groups as keep the rows of one below that; the unembedding is read once for each.
_GROUP_BYTES = 2**28


def _own_tokens() -> xr.Dataset:
    return simulate_unembedding(n_features=10, strength=1.0)


@metric(
    version=1,
    scale="brain",
    inputs=(schema.decoder, schema.unembedding),
    optional=(schema.vocabulary_token,),
    outputs=OUTPUTS,
    invariances={
        "rotation": tuple(name for name in BY_NAME if name[:2] not in ("p_", "q_")),
        "scale": tuple(name for name in BY_NAME if not name.startswith("logit_")),
    },
    pattern="rows",
    reference="logit lens: nostalgebraist 2020; false discovery rate: Benjamini and Hochberg 1995",
    presentation="saegeom_data.metrics.brain.feature_logits.presentation:PRESENTATION",
    guidance=GUIDANCE,
    quick={"n_ranks": 3, "n_directions": 19},
    anchors=(
        Anchor(
            "each row is the unembedding of a token of its own",
            _own_tokens,
            {"p_raised": (0.005, 0.005), "q_raised": (0.005, 0.005)},
        ),
    ),
)
def feature_logits(
    sae: xr.Dataset,
    *,
    n_ranks: Annotated[int, Field(ge=1, le=1000)] = 10,
    n_directions: Annotated[int, Field(ge=1)] = 999,
    seed: int = 0,
) -> xr.Dataset:
    r"""List the tokens whose logits each decoder row raises and lowers most, with what random directions do beside.

    A feature with decoder row d adds :math:`l_v = d \cdot u_v` per unit of its activation to the logit of the token
    with unembedding row :math:`u_v`, if what reads the residual stream between them is left out. Adding one number to
    all logits changes no probability, so their height is :math:`z_v = (l_v - \bar l) / s`, in standard deviations s of
    a feature's logits over all tokens; ``z_raised`` is the largest, and ``z_lowered`` the negative of the least.

    The null is a direction that has nothing to do with tokens: uniform on the sphere, through the same unembedding. p
    is the share of ``n_directions`` of them, and the feature itself, whose z is at least as large, and q the false
    discovery rate over features that are not zero. Tokens themselves have no p: one of them always comes first.

    Parameters
    ----------
    sae
        ``decoder`` (features, hidden), ``unembedding`` (unembedded_tokens, hidden) with the weight of the final norm in
        it, and where there is one ``vocabulary_token``.
    n_ranks
        Tokens of each list.
    n_directions
        Random directions; p is at least 1 / (n_directions + 1).
    seed
        Seed of the directions.

    Returns
    -------
    xarray.Dataset
        Over (features, ranks) ``token_raised``, ``logit_raised``, ``text_raised``, the largest logit first, and the
        same of ``lowered``, the least first; over features ``z_raised``, ``z_lowered`` and p and q of each. Rows of
        zero and logits that are all equal have no tokens, and NaN.

    Raises
    ------
    DataValueError
        If logits are too large for any number, as of values of 1e200.

    Notes
    -----
    Tokens, logits and z are invariant under rotation of decoder and unembedding together; all but the logits under
    their scale. Logits are held in float32, and tokens of equal logits are in the order of the vocabulary.

    The unembedding is read once for each group of features whose rows fit into 256 MiB, in blocks of any size. It costs
    features * tokens * hidden multiplications, and as much again for each feature of the random directions.

    There is no interval: weights are no sample. The effect is the direct one only, which means least in early layers,
    where later ones read the feature first; and rare tokens with odd rows come up for many features.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_unembedding
    >>> found = feature_logits(simulate_unembedding(n_features=4, strength=1.0), n_ranks=2)
    >>> found.token_raised[:, 0].values.tolist(), found.text_raised[3, 0].item()
    ([0, 1, 2, 3], ' word3')
    """
    n_features, hidden = sae.decoder.shape
    n_groups = min(n_features, max(1, -(-8 * n_features * hidden // _GROUP_BYTES)))
    bounds = np.linspace(0, n_features, n_groups + 1).astype(int).tolist()
    groups = [_group(sae, sae.decoder[first:stop], n_ranks) for first, stop in pairwise(bounds)]
    null = lazy.whole(
        partial(_directions, n=n_directions, seed=seed),
        # For its number of dimensions, and to be lazy where the data is.
        sae.decoder[:1],
        outputs={"directions": lazy.Result(("features", "hidden"), (n_directions, hidden))},
        memory=lazy.Memory(finish=24 * n_directions * hidden),
        work=lazy.Work(normals=n_directions * hidden),
    )
    drawn = _group(sae, null.directions, 1)
    names = [name for name in BY_NAME if name[:2] in ("p_", "q_") or name.startswith("text_")]
    sizes = {"features": n_features, "ranks": n_ranks}
    judged = lazy.whole(
        _judged,
        z_raised=[group.z_raised for group in groups],
        z_lowered=[group.z_lowered for group in groups],
        token_raised=[group.token_raised for group in groups],
        token_lowered=[group.token_lowered for group in groups],
        drawn_raised=drawn.z_raised,
        drawn_lowered=drawn.z_lowered,
        outputs={name: BY_NAME[name].result(sizes) for name in names},
        memory=lazy.Memory(finish=400 * n_features * n_ranks),
        work=lazy.Work(sorting=lazy.ordering(n_features), calls=4 * n_features * n_ranks),
        **vocabulary_of(sae),
    )
    import xarray as xr

    found = xr.concat(groups, "features", data_vars="all", coords="minimal")
    return found.assign({name: judged[name] for name in names})[list(BY_NAME)]


def _group(sae: xr.Dataset, decoder: xr.DataArray, n_ranks: int) -> xr.Dataset:
    """Tokens, logits and z of some rows, lazy: one pass over the unembedding."""
    (n, hidden), n_tokens = decoder.shape, sae.sizes["unembedded_tokens"]
    sizes = {"features": n, "ranks": n_ranks}
    held = 24 * n * n_ranks
    found: xr.Dataset = lazy.rows(
        partial(_chunk, n_ranks=n_ranks),
        partial(combined, n_ranks=n_ranks),
        partial(_finalize, n_ranks=n_ranks),
        sae.unembedding,
        also=[decoder.drop_vars(list(decoder.coords))],
        outputs={name: BY_NAME[name].result(sizes) for name in (*RANKED, *PER_FEATURE)},
        memory=lazy.Memory(task=tile_bytes(hidden) + 8 * n * hidden + 4 * held, partial=2 * held, finish=6 * held),
        work=lazy.Work(products=n * n_tokens * hidden, passes=60 * n * n_tokens, sorting=4 * n * n_tokens, calls=500),
    )
    return found


def _directions(rows: Array, *, n: int, seed: int) -> lazy.Arrays:
    """Uniform directions (n, hidden)."""
    return {"directions": uniform_rows(n, rows.shape[1], stream("logit_directions", seed))}


def _chunk(start: int, unembedding: Array, decoder: Array, *, n_ranks: int) -> Ranked:
    """Ranked logits of all rows of a decoder on the tokens of a block."""
    return ranked_in(decoder, unembedding, start, n_ranks)


def _finalize(ranked: Ranked, *, n_ranks: int) -> lazy.Arrays:
    """Outputs (features, ...): tokens and logits from the most extreme on, and how far the first are from the mean."""
    deviation = np.sqrt(ranked.squares / max(ranked.n, 1))
    # Of equal logits no more than rounding is left.
    known = deviation > 1e-12 * np.maximum(np.abs(ranked.highest), np.abs(ranked.lowest))
    found: dict[str, Array] = {}
    for side, value, token, away in (
        ("raised", ranked.raised, ranked.raised_token, ranked.highest - ranked.mean),
        ("lowered", ranked.lowered, ranked.lowered_token, ranked.mean - ranked.lowest),
    ):
        room = ((0, 0), (0, n_ranks - value.shape[1]))
        found[f"token_{side}"] = np.pad(np.where(known[:, None], token, -1), room, constant_values=-1)
        logit = np.pad(np.where(known[:, None], value.astype(float), np.nan), room, constant_values=np.nan)
        found[f"logit_{side}"] = logit
        found[f"z_{side}"] = np.full(len(value), np.nan)
        found[f"z_{side}"][known] = np.maximum(away[known] / deviation[known], 0)
    return found


def _judged(
    z_raised: Sequence[Array],
    z_lowered: Sequence[Array],
    token_raised: Sequence[Array],
    token_lowered: Sequence[Array],
    drawn_raised: Array,
    drawn_lowered: Array,
    vocabulary: Array | None = None,
) -> lazy.Arrays:
    """Give p and q (features) against drawn directions, and texts (features, ranks) of tokens."""
    found: dict[str, Array] = {}
    for side, z, token, drawn in zip(
        _SIDES, (z_raised, z_lowered), (token_raised, token_lowered), (drawn_raised, drawn_lowered), strict=True
    ):
        found[f"p_{side}"] = _p_values(np.concatenate(z), drawn)
        found[f"q_{side}"] = _q_values(found[f"p_{side}"])
        found[f"text_{side}"] = texts(np.concatenate(token), vocabulary)
    return found


def _p_values(z: Array, drawn: Array) -> Array:
    """Share of draws and the value itself that reach it: (1 + #(draws >= z)) / (1 + draws); NaN for NaN."""
    known = np.sort(drawn[np.isfinite(drawn)])
    reached = len(known) - np.searchsorted(known, z, side="left")
    return np.where(np.isfinite(z) & (len(known) > 0), (1 + reached) / (1 + len(known)), np.nan)


def _q_values(p: Array) -> Array:
    """False discovery rates of Benjamini and Hochberg of the p that are there."""
    from scipy.stats import false_discovery_control

    q = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    if known.any():
        q[known] = false_discovery_control(p[known])
    return q
