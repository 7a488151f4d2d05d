"""Which numbers of the metrics of this package stand in the table, in which order and under which name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from saegeom_data.metrics.atom.crystal_search import figure as crystals
from saegeom_data.metrics.atom.parallelogram_quality.distractors_figure import LENGTH
from saegeom_data.metrics.galaxy._shared import directions_figure
from saegeom_data.metrics.galaxy.clustering_entropy import figure as galaxy_clustering
from saegeom_data.results.columns import Column, Value, plain, reader, with_interval
from saegeom_data.results.document_types import shares
from saegeom_data.results.groups import Group, find_group
from saegeom_data.results.wording import number, probability

Read = Callable[[Mapping[str, str]], Value]
Entry = tuple[Column, tuple[Read, ...]]

KNOWN_METRICS = frozenset(
    {
        "eigenvalue_slope",
        "clustering_entropy",
        "cooccurrence",
        "cooccurrence_by_type",
        "affinity",
        "coactivation_graph",
        "lobes",
        "lobe_modularity",
        "lobe_function",
        "feature_map",
        "function_vectors",
        "parallelogram_quality",
        "neighbour_angle",
        "intrinsic_dimension",
        "hubness",
        "packing",
        "isotropy",
        "crystal_search",
    }
)
FIXED = (
    Column("SAE", ("name",), plain, "Name of the SAE, or of the site where no SAE reads it"),
    Column("layer", ("layer",), plain, "Index of the hidden state that the SAE reads"),
    Column("width", ("width",), plain, "Number of features", is_shown=False),
    Column("L0", ("l0",), lambda value: "–" if value is None else f"{value:g}", "Features that are on at a time"),
)


def known_columns(groups: Sequence[Group]) -> tuple[list[Column], dict[str, Read]]:
    """Columns of the metrics that this package knows, and how to read each of their values for a row."""
    entries = [*_galaxy(groups), *_brain(groups), *_atom(groups), *_crystals(groups)]
    columns = [column for column, _ in entries]
    sources = {key: read for column, reads in entries for key, read in zip(column.keys, reads, strict=True)}
    return columns, sources


def _galaxy(groups: Sequence[Group]) -> Iterator[Entry]:
    slope = find_group(groups, "eigenvalue_slope", "slope")
    if slope is not None:
        yield _values(
            slope,
            "spectrum slope",
            ("slope", "slope_low", "slope_high"),
            with_interval,
            "Slope of log eigenvalue on log rank, with its 95 percent interval; lower is steeper",
        )
        yield _values(
            slope, "slope of noise", ("slope_null",), plain, "The same slope for isotropic rows (Marchenko-Pastur)"
        )
    yield from _clustering(groups)
    near = directions_figure.nearest(groups)
    if near is not None:
        yield _nearest(near)
    yield from _shape(groups)


def _clustering(groups: Sequence[Group]) -> Iterator[Entry]:
    right, wrong = galaxy_clustering.calibrated(groups), galaxy_clustering.published(groups)
    if right is not None:
        nulls = [str(null) for null in right.data["null"].values]
        # Decoder rows have unit norm: the null that keeps it is the one to show where there is room for one.
        shown = "angular_central_gaussian" if "angular_central_gaussian" in nulls else nulls[0]
        for null in nulls:
            where = {"null": null, "k": galaxy_clustering.first_k(right)}
            column = Column(
                "negentropy",
                (f"negentropy_{null}", f"negentropy_{null}_null_sd", f"negentropy_{null}_p"),
                _calibrated,
                "Calibrated negentropy in nats, with the standard deviation of its surrogates and p; above 0 is "
                "clustered",
                is_shown=null == shown,
            )
            yield column, tuple(reader(right, name, **where) for name in ("negentropy", "null_sd", "p"))
    if wrong is not None:
        column = Column(
            "as published",
            ("negentropy_published",),
            lambda value: number(value, 1),
            "The published estimator in nats; white noise gives 362.6 at the paper's size",
        )
        yield column, (reader(wrong, "negentropy_uncalibrated", k=galaxy_clustering.first_k(wrong)),)


def _nearest(near: Group) -> Entry:
    matched, uniform = {"null": directions_figure.MATCHED}, {"null": directions_figure.UNIFORM}
    sources: dict[str, tuple[str, dict[str, str]]] = {
        "nearest_cosine": ("mean_cosine", {}),
        "nearest_cosine_spectrum_matched": ("mean_cosine_null", matched),
        "nearest_cosine_p": ("p", matched),
        "nearest_cosine_low": ("mean_cosine_low", {}),
        "nearest_cosine_high": ("mean_cosine_high", {}),
        "nearest_cosine_uniform_sphere": ("mean_cosine_null", uniform),
    }
    column = Column(
        "nearest cosine",
        tuple(sources),
        _against_null,
        "Mean cosine of a feature and its nearest neighbour, with its mean over surrogates of the same mean and "
        "covariance, and p of lying closer than these",
    )
    return column, tuple(reader(near, name, **where) for name, where in sources.values())


def _shape(groups: Sequence[Group]) -> Iterator[Entry]:
    """Dimension, hubs, packing and isotropy, each with the surrogates that keep mean and covariance, or the sphere."""
    matched = {"null": directions_figure.MATCHED}
    dimension, hubs = directions_figure.dimension(groups), directions_figure.hubs(groups)
    packed, even = directions_figure.packed(groups), directions_figure.evenness(groups)
    if dimension is not None:
        yield _values(
            dimension,
            "local dimension",
            ("two_nn", "two_nn_null_mean", "two_nn_p", "two_nn_low", "two_nn_high"),
            _against_null,
            "Local dimension by TwoNN, with its mean over surrogates of the same mean and covariance, and p of so few "
            "dimensions among these",
            **matched,
        )
    if hubs is not None:
        yield _values(
            hubs,
            "hubs",
            ("skewness", "skewness_null_mean", "skewness_p", "skewness_low", "skewness_high"),
            _against_null,
            "Skewness of how many others have a feature among their nearest, with its mean over surrogates of the same "
            "mean and covariance, and p of hubs so pronounced among these",
            similarity="cosine",
            **matched,
        )
    if packed is not None:
        yield _values(
            packed,
            "coherence",
            ("coherence", "coherence_null_mean", "coherence_p", "welch_bound"),
            _against_null,
            "Largest absolute cosine of two features, with its mean over surrogates of the same mean and covariance, "
            "and p of one so large among these",
            **matched,
        )
    if even is not None:
        yield _values(
            even,
            "mean cosine",
            ("mean_cosine", "mean_cosine_low", "mean_cosine_high"),
            with_interval,
            "Mean cosine of two features, with its 95 percent interval; 0 for uniform directions",
        )
        yield _values(
            even,
            "IsoScore",
            ("iso_score", "iso_score_null"),
            _against_null,
            "IsoScore, with that of as many uniform directions; 1 has equal variance along every axis",
        )


def _brain(groups: Sequence[Group]) -> Iterator[Entry]:
    lobes = find_group(groups, "lobe_modularity", "ami", "ami_p", published=None)
    if lobes is not None and "n_lobes" in lobes.data.coords:
        count = int(lobes.data["n_lobes"].values[0])
        names = ("ami", "ami_p", "ami_p", "ami_split_half")
        wheres: tuple[dict[str, str], ...] = ({}, {"null": "label_permutation"}, {"null": "frequency_stratified"}, {})
        reads = tuple(reader(lobes, name, n_lobes=count, **where) for name, where in zip(names, wheres, strict=True))
        column = Column(
            f"AMI of {count} lobes",
            ("ami", "ami_p_label_permutation", "ami_p_frequency_stratified", "ami_split_half"),
            _agreement,
            "Adjusted mutual information of lobes and spatial clusters; p with lobes shuffled, and shuffled among "
            "features of like firing rate; ceiling from two halves of the documents",
        )
        yield column, reads
    function = find_group(groups, "lobe_function", "winner_share", published=None)
    if function is not None and "n_lobes" in function.data.coords:
        yield _split(function, int(function.data["n_lobes"].values[0]))
    communities = find_group(groups, "coactivation_graph", "n_communities", "half_agreement", published=None)
    if communities is not None:
        yield _values(
            communities,
            "communities",
            ("n_communities", "half_agreement"),
            lambda count, again: "–" if count is None else f"{number(count)} (come back {number(again)})",
            "Communities of the co-activation graph, and the adjusted mutual information of those of two halves of the "
            "documents",
        )


def _split(function: Group, count: int) -> Entry:
    def read(part: str) -> Read:
        def of_row(names: Mapping[str, str]) -> Value:
            found = shares(function, names["sae"], count) if names.get("sae") in function.rows else None
            return None if found is None else float(getattr(found, part))

        return of_row

    column = Column(
        "code, maths : prose",
        ("technical_winner_share", "prose_winner_share"),
        lambda technical, prose: "–" if technical is None else f"{technical:.0%} : {prose:.0%}",
        f"Share of the blocks of code and mathematics won by their lobe (of {count}), and of the blocks of all other "
        "document types",
    )
    return column, (read("technical_mean"), read("prose_mean"))


def _atom(groups: Sequence[Group]) -> Iterator[Entry]:
    pairs = find_group(groups, "parallelogram_quality", "silhouette", "improvement", published=None)
    if pairs is None:
        return
    where = {"hold_out": "pairs", "score": "silhouette", "view": "lda"}
    keys = ("silhouette_raw", "silhouette_lda", "improvement", "improvement_low", "improvement_high")
    about = (
        "Silhouette of the offsets of relations before and after LDA, on held-out word pairs; gain beyond chance with "
        "its 95 percent interval"
    )
    yield (
        Column("silhouette raw → LDA", keys, _gain, about),
        (
            *(reader(pairs, "silhouette", hold_out="pairs", view=view) for view in ("raw", "lda")),
            *(reader(pairs, name, **where) for name in keys[2:]),
        ),
    )
    yield (
        Column(
            "PC1 : word length",
            ("length_spearman", "length_p"),
            _correlation,
            "Rank correlation of the offsets' first principal component with the difference of word lengths",
        ),
        tuple(reader(pairs, name, **LENGTH, scope="all") for name in ("nuisance_spearman", "nuisance_spearman_p")),
    )


def _crystals(groups: Sequence[Group]) -> Iterator[Entry]:
    group = crystals.searched(groups)
    if group is None:
        return
    names = ("n_crystals", "n_false_expected", "largest_agreement_p")
    for kind, (words, *_) in crystals.KINDS.items():
        column = Column(
            words,
            tuple(f"{kind}_{name}" for name in names),
            _found,
            "Crystals found at the stated false discovery rate, how many are expected to be chance, and p of the "
            "best agreement",
        )
        yield column, tuple(reader(group, name, kind=kind) for name in names)


def _found(count: Value, false: Value, p: Value) -> str:
    if count is None or p is None:
        return number(None)
    parts = [f"{number(false, 1)} by chance"] * bool(count) + [probability(float(p))]
    return f"{number(count, 0)} ({', '.join(parts)})"


def _calibrated(value: Value, sd: Value, p: Value) -> str:
    if value is None:
        return number(None)
    return number(value, 2) + (
        f" (null sd {number(sd, 2)}, {probability(float(p))})" if sd is not None and p is not None else ""
    )


def _against_null(value: Value, null: Value = None, p: Value = None, *_: Value) -> str:
    parts = [f"null {number(null)}"] if null is not None else []
    parts += [probability(float(p))] if p is not None else []
    return number(value) + (f" ({', '.join(parts)})" if value is not None and parts else "")


def _agreement(ami: Value, p: Value, p_stratified: Value, ceiling: Value) -> str:
    if ami is None:
        return number(None)
    parts = [
        f"{name} {number(value)}"
        for name, value in (("p", p), ("p′", p_stratified), ("ceiling", ceiling))
        if value is not None
    ]
    return f"{number(ami)} ({', '.join(parts)})"


def _gain(raw: Value, lda: Value, gain: Value, low: Value, high: Value) -> str:
    if raw is None or lda is None:
        return number(None)
    return f"{number(raw)} → {number(lda)}" + (f", gain {with_interval(gain, low, high)}" if gain is not None else "")


def _correlation(size: Value, p: Value) -> str:
    if size is None:
        return number(None)
    return f"{number(size, 2)}" if p is None else f"{number(size, 2)} ({probability(float(p))})"


def _values(
    group: Group, label: str, names: tuple[str, ...], show: Callable[..., str], about: str, **where: object
) -> Entry:
    return Column(label, names, show, about), tuple(reader(group, name, **where) for name in names)
