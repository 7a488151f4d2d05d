"""Outputs of the search for crystals."""

from __future__ import annotations

from saegeom_data.declare.output import Output

_NULL, _LISTED = ("null", "kind"), ("kind", "family")


def _count(name: str, dims: tuple[str, ...], description: str, *, direction: str = "") -> Output:
    return Output(
        name,
        dims,
        "count",
        description,
        0,
        dtype="int64",
        bounds=(0, None),
        direction="higher" if direction == "higher" else "",
    )


def _index(name: str, dims: tuple[str, ...], description: str) -> Output:
    return Output(name, dims, "1", description, -1, dtype="int64", bounds=(-1, None))


def _p(name: str, dims: tuple[str, ...], description: str) -> Output:
    return Output(name, dims, "1", description, bounds=(0, 1))


def _score(name: str, dims: tuple[str, ...], description: str) -> Output:
    return Output(name, dims, "nats", description, bounds=(0, None), direction="higher")


OUTPUTS = (
    _count("n_families", ("kind",), "families with family_q at most the rate under every null", direction="higher"),
    _count("n_candidates", ("kind",), "families at or above the floor, found or not"),
    _count("n_quadruples", ("kind",), "quadruples at or above the floor, in all families"),
    Output("floor", ("kind",), "1", "agreement that quadruples of a family have at least", bounds=(0, 1)),
    _score("largest_score", ("kind",), "highest score of a family; 0 if there is none"),
    _score("largest_score_null_mean", _NULL, "mean of largest_score over surrogates"),
    _p("largest_score_p", _NULL, "(b + 1) / (B + 1) for b of B surrogates with at least as high a score"),
    _count("largest_pairs", ("kind",), "pairs of features of the candidate with most of them", direction="higher"),
    Output("largest_pairs_null_mean", _NULL, "count", "mean of largest_pairs over surrogates", bounds=(0, None)),
    _score("family_score", _LISTED, "score of each family, the highest first"),
    _p("family_p", (*_NULL, "family"), "(b + 1) / (B + 1) for b of B surrogates whose highest score is as high"),
    _p(
        "family_q",
        (*_NULL, "family"),
        "least false discovery rate among families at which this one is found, at least p of the highest score",
    ),
    _count("family_pairs", _LISTED, "pairs of features of the family"),
    _count("family_features", _LISTED, "features of the family"),
    _count("family_quadruples", _LISTED, "quadruples of the family, at most 10,000 over all families"),
    Output("family_agreement", _LISTED, "1", "agreement of the family's best quadruple", bounds=(0, 1)),
    Output(
        "offset_share", _LISTED, "1", "share of the squared length of its offsets along offset_direction", bounds=(0, 1)
    ),
    Output("offset_direction", (*_LISTED, "hidden"), "1", "unit vector along which the family's offsets lie"),
    Output(
        "nuisance_rise",
        ("nuisance", *_LISTED),
        "1",
        "share of pairs along which the nuisance rises, less the share along which it falls",
        bounds=(-1, 1),
    ),
    _p(
        "nuisance_p",
        ("nuisance", *_LISTED),
        "two-sided p of nuisance_rise: values permuted among the family's features",
    ),
    _index("pair", ("kind", "pair_listed", "end"), "features of each pair of the listed families, along the offset"),
    _index("pair_family", ("kind", "pair_listed"), "family of the pair, counted from 0"),
    _count("n_pairs", (), "pairs of features that are among each other's nearest neighbours"),
    Output("n_pairs_null_mean", ("null",), "count", "mean of n_pairs over surrogates"),
    _count("n_clusters", (), "clusters of two features or more, between which offsets are exchanged"),
    _count("n_excluded", ("reason",), "combinations of two pairs left out as degenerate"),
    _count("n_features_used", (), "distinct rows of non-zero norm in use"),
    _count("n_features_dropped", (), "rows of zero norm, dropped"),
    _count("n_merged", (), "rows that copy an earlier one, merged into it"),
)

# What holds indices of features, or follows the order of features by random draws.
ORDERED = ("pair", "nuisance_p")
# What turns with the features.
TURNED = ("offset_direction",)
