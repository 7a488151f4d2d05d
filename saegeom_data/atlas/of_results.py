"""What results say of the features of one SAE: groups, crystals, numbers, a map, and which claims hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from saegeom_data.atlas.facts import Family, Grouping, Layout, Number, Part
from saegeom_data.atlas.layout import method_words
from saegeom_data.declare.group import Group
from saegeom_data.metrics.brain._shared.wording import lobes_in_words
from saegeom_data.results.claims import Tested
from saegeom_data.results.presentations import declared_metric
from saegeom_data.results.wording import listing, number, plural, probability
from saegeom_data.typing import Array

# A partition of so many groups is no legend that anybody reads.
_MOST_PARTS = 512
# A lobe stands for the types of which it wins at least this share of blocks.
_LEAST_SHARE = 0.5
_MOST_PAIRS = 60


@dataclass(frozen=True)
class Row:
    """One SAE among the rows of the groups of results.

    ``name`` is that of its row; one that writes to several sites has a row for each, and one by its own name, ``sae``,
    where its decoder has no part in a result.
    """

    name: str
    sae: str
    n_features: int
    groups: Sequence[Group]
    claims: Sequence[Tested]

    def values(self, group: Group, name: str) -> Array | None:
        """Values of an output of this SAE, without what pads it beside wider ones; None where there is no such row."""
        found = next((row for row in (self.name, self.sae) if row in group.rows), None)
        if not group.has(name) or group.over != "sae" or found is None:
            return None
        data = group.data[name]
        if "sae" not in data.dims:
            return None
        data = data.isel(sae=group.rows.index(found))
        if "features" in data.dims:
            if data.sizes["features"] < self.n_features:
                return None
            data = data.isel(features=slice(self.n_features))
        return np.asarray(data.values)

    def said(self, group: Group, n_lobes: int | None = None) -> list[str]:
        """What became of the claims of a group on this SAE; with a number of lobes, of all but those on another number.

        Claims on blocks of other lengths, and those that were not tested, are left to the report.
        """
        sentences = []
        for entry in self.claims:
            is_other = n_lobes is not None and entry.claim.at.get("n_lobes", n_lobes) != n_lobes
            if entry.group != group.name or entry.claim.row not in (self.name, self.sae) or is_other:
                continue
            if entry.verdict != "not tested" and "block_length" not in entry.claim.at:
                sentences.append(claim_in_words(entry))
        return sentences


def claim_in_words(entry: Tested) -> str:
    """A claim with its verdict and p, as a sentence."""
    claim = entry.claim
    statement = claim.opposite if entry.verdict == "holds on the other side" else claim.statement
    verdict = {"holds": "Holds", "holds on the other side": "Holds", "undecided": "Not decided by so few draws"}
    against = listing([test.null.words for test in claim.run])
    return f"{verdict.get(entry.verdict, 'Does not hold')}: {statement} ({probability(claim.p)} against {against})."


def widths(groups: Sequence[Group]) -> dict[str, int]:
    """Number of features of each SAE of results of which any output is over features."""
    found: dict[str, int] = {}
    for group in groups:
        if group.over == "sae" and "features" in group.data.dims:
            for row in group.rows:
                width = group.coordinate(row, "width")
                # Results of one SAE, or of SAEs of one width, need no coordinate for it.
                found.setdefault(row, int(width) if width is not None else group.data.sizes["features"])
    return found


def layout_of(row: Row) -> Layout | None:
    """The map of the results, if they have one of this SAE."""
    for group in row.groups:
        if group.metric == "feature_map":
            position = row.values(group, "position")
            if position is not None:
                return Layout(np.asarray(position, float), method_words(dict(group.parameters)))
    return None


def groupings_of(row: Row) -> list[Grouping]:
    """Lobes for each number of them, and communities: those with a function first, each number of lobes once."""
    found: dict[str, Grouping] = {}
    order = {"lobe_function": 0, "lobes": 1}
    for group in sorted(row.groups, key=lambda group: order.get(group.metric, 2)):
        for grouping in (*_lobes(row, group), *_communities(row, group)):
            found.setdefault(grouping.name, grouping)
    lobes = sorted((each for each in found.values() if each.kind == "lobe"), key=lambda each: len(each.parts))
    return [*lobes, *(each for each in found.values() if each.kind != "lobe")]


def _lobes(row: Row, group: Group) -> Iterator[Grouping]:
    values = row.values(group, "lobe")
    if values is None or "n_lobes" not in group.data.coords or group.parameters.get("estimator") == "published":
        return
    for index, count in enumerate(int(count) for count in group.data["n_lobes"].values):
        if count > _MOST_PARTS:
            continue
        member = values[index]
        used = int(member.max(initial=-1)) + 1
        shares, bounds, types = _won(row, group, index)
        parts = [_lobe(lobe, int((member == lobe).sum()), shares, bounds, types) for lobe in range(used)]
        yield Grouping(lobes_in_words(count), "lobe", member, parts, _lobe_words(row, group, index, count))


def _lobe_words(row: Row, group: Group, index: int, count: int) -> list[str]:
    """How far lobes come back, and what was tested of so many lobes, in whichever result."""
    sentences = _half_words(row, group, index)
    for other in row.groups:
        if other.has("lobe") and other.metric != "coactivation_graph":
            sentences += row.said(other, count)
    return list(dict.fromkeys(sentences))


def _won(row: Row, group: Group, index: int) -> tuple[Array | None, tuple[Array, Array] | None, list[str]]:
    """Shares (lobes, types) of blocks of each type that lobes win, their intervals, and the names of the types."""
    shares = row.values(group, "winner_share")
    if shares is None or "document_type" not in group.data.coords:
        return None, None, []
    low, high = (row.values(group, f"winner_share_{end}") for end in ("low", "high"))
    bounds = None if low is None or high is None else (low[index], high[index])
    return shares[index], bounds, [str(name) for name in group.data["document_type"].values]


def _lobe(lobe: int, size: int, shares: Array | None, bounds: tuple[Array, Array] | None, types: Sequence[str]) -> Part:
    """What a lobe is: the types in most blocks of which its features are on above their base rates."""
    if shares is None or lobe >= len(shares):
        return Part(f"Lobe {lobe}", "", plural(size, "feature"))
    order = [index for index in np.argsort(-shares[lobe], kind="stable") if shares[lobe, index] >= _LEAST_SHARE]
    ends = [
        f"{types[index]} {shares[lobe, index]:.0%} [{bounds[0][lobe, index]:.0%}, {bounds[1][lobe, index]:.0%}]"
        if bounds is not None and np.isfinite(bounds[0][lobe, index])
        else f"{types[index]} {shares[lobe, index]:.0%}"
        for index in order
    ]
    stands_for = ", ".join(types[index] for index in order)
    if not order:
        return Part(
            f"Lobe {lobe}", "no type of document", "It is the most enriched lobe in half of the blocks of no type."
        )
    return Part(
        f"Lobe {lobe}",
        stands_for,
        f"Share of the blocks of a type in which this is the most enriched lobe: {'; '.join(ends)}.",
    )


def _half_words(row: Row, group: Group, index: int) -> list[str]:
    """How far lobes come back: from other documents, and from other starts of the clustering."""
    names = {
        "half_agreement": "Lobes of two halves of the documents agree to {} (adjusted mutual information).",
        "ami_split_half": "Lobes of two halves of the documents agree to {} (adjusted mutual information).",
        "seed_agreement": "Lobes of different starts agree to {} (adjusted Rand index).",
    }
    return _filled(row, group, names, index)


def _filled(row: Row, group: Group, names: Mapping[str, str], index: int | None = None) -> list[str]:
    """Sentences with a number of this SAE in each, where it is known."""
    sentences = []
    for name, words in names.items():
        values = row.values(group, name)
        value = None if values is None else values[index] if index is not None and values.ndim else values
        if value is not None and np.ndim(value) == 0 and np.isfinite(value):
            sentences.append(words.format(number(float(value), 2)))
    return sentences


def _communities(row: Row, group: Group) -> Iterator[Grouping]:
    member = row.values(group, "community")
    if member is None:
        return
    sizes = np.bincount(member[member >= 0])
    # Most communities of a graph are single features; those of two or more are groups.
    n_groups = min(int((sizes > 1).sum()), _MOST_PARTS)
    member = np.where(member < n_groups, member, -1)
    parts = [Part(f"Community {index}", "", plural(int(sizes[index]), "feature")) for index in range(n_groups)]
    names = {
        "modularity": "Modularity {}.",
        "half_agreement": "Communities of two halves of the documents agree to {} (adjusted mutual information).",
    }
    yield Grouping("Communities", "community", member, parts, [*_filled(row, group, names), *row.said(group)])


def families_of(row: Row) -> tuple[list[Family], str]:
    """Families of crystals of this SAE, found or not, and how the search ended."""
    families: list[Family] = []
    sentences: list[str] = []
    for group in row.groups:
        pairs, owners = row.values(group, "pair"), row.values(group, "pair_family")
        if group.metric != "crystal_search" or pairs is None or owners is None:
            continue
        sentences += row.said(group)
        for index, kind in enumerate(str(name) for name in group.data["kind"].values):
            families += _families(row, group, index, kind, pairs[index], owners[index])
    return families, " ".join(sentences)


def _families(row: Row, group: Group, index: int, kind: str, pairs: Array, owners: Array) -> Iterator[Family]:
    """Families of one kind that have pairs listed."""
    rate = float(group.parameters.get("false_discovery_rate", 0.05))
    q, p, n_pairs, agreement = (
        row.values(group, name) for name in ("family_q", "family_p", "family_pairs", "family_agreement")
    )
    n_found = row.values(group, "n_families")
    for family in range(int(owners.max(initial=-1)) + 1):
        own = pairs[(owners == family) & (pairs >= 0).all(axis=1)]
        own = own[(own < row.n_features).all(axis=1)]
        if len(own) < 2:
            continue
        said = []
        if n_pairs is not None:
            said.append(plural(int(n_pairs[index, family]), "pair"))
        if agreement is not None and np.isfinite(agreement[index, family]):
            said.append(f"agreement of the best quadruple {number(float(agreement[index, family]), 2)}")
        # The largest of all null models: a family counts as far as it stands against every one.
        for letter, values in (("p", p), ("q", q)):
            largest = np.nan if values is None else np.max(values[:, index, family])
            if np.isfinite(largest):
                said.append(probability(float(largest)).replace("p", letter, 1))
        is_found = n_found is not None and family < int(n_found[index])
        if q is not None:
            largest = np.max(q[:, index, family])
            is_found = (
                bool(np.isfinite(largest) and largest <= rate) and n_found is not None and int(n_found[index]) > 0
            )
        yield Family(kind, own[:_MOST_PAIRS], ", ".join(said), is_found)


# Shown in their own places.
_SHOWN = frozenset(
    {"lobe", "lobe_within_type", "community", "position", "spatial_cluster"}
    | {f"{what}_{side}" for what in ("token", "logit") for side in ("raised", "lowered")}
)
_MOST_COLUMNS = 4


def numbers_of(row: Row) -> list[Number]:
    """Numbers that any metric of the results has for each feature, such as in how many lists of neighbours it is."""
    numbers: list[Number] = []
    for group in row.groups:
        for name, data in group.data.data_vars.items():
            further = [dim for dim in data.dims if dim not in ("sae", "features")]
            if str(name) in _SHOWN or "features" not in data.dims or data.dtype.kind not in "fiu" or len(further) > 1:
                continue
            if further and data.sizes[further[0]] > _MOST_COLUMNS:
                continue
            values = row.values(group, str(name))
            if values is not None:
                numbers += _columns(group, str(name), list(map(str, further)), values)
    return numbers


def _columns(group: Group, name: str, further: list[str], values: Array) -> Iterator[Number]:
    """An output over features, or one for each label of its further dimension."""
    metric = declared_metric(group.metric)
    declared = next((output for output in metric.outputs if output.name == name), None) if metric else None
    label = (declared.label if declared else "") or name.replace("_", " ")
    words = (
        f"{declared.description if declared else group.data[name].attrs.get('description', '')} ({group.name})".strip()
    )
    if not further:
        yield Number(label, words, np.asarray(values, float))
        return
    labels = group.data[further[0]].values if further[0] in group.data.coords else range(group.data.sizes[further[0]])
    axis = [str(dim) for dim in group.data[name].dims if dim != "sae"].index(further[0])
    for index, text in enumerate(labels):
        yield Number(f"{label}, {text}", words, np.asarray(np.take(values, index, axis), float))
