from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from packed import packed_figures

from saegeom_data.data import schema, store, write
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.galaxy.hubness import hubness
from saegeom_data.metrics.galaxy.intrinsic_dimension import intrinsic_dimension
from saegeom_data.metrics.galaxy.isotropy import isotropy
from saegeom_data.metrics.galaxy.neighbour_angle import neighbour_angle
from saegeom_data.metrics.galaxy.packing import packing
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere
from saegeom_data.report.findings import findings, findings_of
from saegeom_data.report.page import write_report
from saegeom_data.report.panels import panels_of
from saegeom_data.results.groups import read_groups
from saegeom_data.results.presentations import Failures
from saegeom_data.results.summary import as_cells, as_records, summary_table
from saegeom_data.results.wording import number
from saegeom_data.testing.simulate import simulate_sae

HOSTILE = "</script><script>document.title='owned'</script><img src=https://example.org/x.png>%{x}"
METRICS = {metric.name: metric for metric in (neighbour_angle, intrinsic_dimension, hubness, packing, isotropy)}
# What each metric alone brings: its figure, the plots in it, its finding.
PARTS = {
    "neighbour_angle": ("neighbours", ["Nearest neighbour"], "nearest neighbours"),
    "intrinsic_dimension": ("dimension", ["Local dimension", "Dimension by scale"], "local dimension"),
    "hubness": ("hubs", ["Hubs"], "hubs"),
    "packing": ("packing", ["Packing, over the best possible"], "packing"),
    "isotropy": ("isotropy", ["Isotropy"], "isotropy"),
}
COORDS = ("site", "layer", "width", "l0")
Edit = Callable[[xr.Dataset], xr.Dataset]


def _measured(saes: list[xr.Dataset]) -> xr.DataTree:
    """Results of the five metrics, side by side as a run has them."""
    attrs = {"format_version": schema.FORMAT_VERSION, "kind": "results", "title": "Directions", "license": "CC0-1.0"}
    groups = {"/": xr.Dataset(attrs=attrs)}
    names = [f"layer_{i}" for i in range(len(saes))]
    coords = {name: ("sae", [sae[name].item() for sae in saes]) for name in COORDS}
    for name, metric in METRICS.items():
        parameters = {} if name == "isotropy" else {"n_surrogates": 19}
        results = [metric(sae, **parameters).compute() for sae in saes]
        options: dict[str, Any] = {"coords": "minimal", "compat": "override", "combine_attrs": "override"}
        side_by_side = xr.concat(results, "sae", join="override", **options)
        groups[f"/{name}"] = side_by_side.assign_coords(sae=names, **coords)
    return xr.DataTree.from_dict(groups)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[xr.DataTree]:
    """Results of the five metrics on three SAEs, reopened from disk."""
    saes = [simulate_sae(n_features=120, n_hidden=10, n_blocks=1, layer=i, seed=i) for i in range(3)]
    saes[1] = simulate_sae(n_features=120, n_hidden=10, n_lobes=12, geometry_strength=2.0, n_blocks=1, layer=1)
    path = tmp_path_factory.mktemp("directions") / "results.zarr"
    write.write_tree(_measured(saes), path)
    with store.open(path) as reopened:
        yield reopened


@pytest.fixture(scope="module")
def single() -> xr.DataTree:
    return _measured([simulate_sae(n_features=120, n_hidden=10, n_blocks=1, layer=4)])


def edited(results: xr.DataTree, edits: dict[str, Edit]) -> xr.DataTree:
    """Those groups of a tree that are edited."""
    return xr.DataTree.from_dict(
        {
            f"/{name}": edit(results[name].to_dataset(inherit=False).load().copy(deep=True))
            for name, edit in edits.items()
        }
    )


def changed(results: xr.DataTree, group: str, n_surrogates: int | None = None, **values: Any) -> xr.DataTree:
    """One group with other values: broadcast over dimensions, or of the shape of the variable."""

    def edit(data: xr.Dataset) -> xr.Dataset:
        for name, value in values.items():
            shape = data[name].shape
            value = np.asarray(value, dtype=float)
            spread = value.reshape(value.shape + (1,) * (len(shape) - value.ndim))
            data[name] = data[name].astype(float).copy(data=np.broadcast_to(spread, shape))
        if n_surrogates is not None:
            data = data.drop_dims("surrogate", errors="ignore")
            data.attrs["parameters"] = json.dumps({"n_surrogates": n_surrogates, "k": 10})
        return data

    return edited(results, {group: edit})


def said(tree: xr.DataTree, topic: str) -> str:
    failures = Failures()
    (found,) = [finding for finding in findings_of(read_groups(tree), failures) if finding.topic == topic]
    assert failures.lines == []
    assert not re.search(r"\b(nan|None|inf)\b|–", str(found), re.IGNORECASE), str(found)
    assert found.headline.endswith(".")
    assert found.evidence.endswith(".")
    return str(found)


def drawn(tree: xr.DataTree) -> dict[str, Panel]:
    failures = Failures()
    panels = {panel.id: panel for panel in panels_of(read_groups(tree), failures)}
    assert failures.lines == []
    return panels


def titles(panel: Panel) -> list[str]:
    return [re.findall(r"<b>(.*?)</b>", annotation.text)[0] for annotation in panel.figure.layout.annotations]


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.labels: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [value] if (value := values.get("id")) else []
        if values.get("aria-label") and values.get("id"):
            self.labels[values["id"] or ""] = values["aria-label"] or ""


def page(tree: xr.DataTree, folder: Path) -> tuple[Page, str]:
    write_report(tree, folder / "report.html")
    html = (folder / "report.html").read_text(encoding="utf-8")
    return Page(html), html


COLUMNS = {
    "neighbour_angle": ["nearest cosine"],
    "intrinsic_dimension": ["local dimension"],
    "hubness": ["hubs"],
    "packing": ["coherence"],
    "isotropy": ["mean cosine", "IsoScore"],
}


def test_all_five_have_figures_findings_and_columns(results: xr.DataTree, tmp_path: Path) -> None:
    panels = drawn(results)
    anchors = [anchor for anchor, _, _ in PARTS.values()]
    assert list(panels) == anchors == ["neighbours", "dimension", "hubs", "packing", "isotropy"]
    for name, (anchor, plots, _) in PARTS.items():
        assert titles(panels[anchor]) == plots
        assert panels[anchor].uses == (name,)
    found = findings(results)
    assert [finding.topic for finding in found] == [topic for _, _, topic in PARTS.values()]
    for finding in found:
        assert said(results, finding.topic)
        assert re.search(r"\d", finding.evidence)
    assert [column.label for column in summary_table(results).columns][3:] == [
        label for labels in COLUMNS.values() for label in labels
    ]
    written, html = page(results, tmp_path)
    assert [name for name in written.ids if name.startswith("plot-")] == [f"plot-{anchor}" for anchor in anchors]
    assert "Also in the results" not in html


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_alone_brings_its_own_parts_only(results: xr.DataTree, tmp_path: Path, name: str) -> None:
    tree = edited(results, {name: lambda data: data})
    anchor, plots, topic = PARTS[name]
    panels = drawn(tree)
    assert list(panels) == [anchor]
    assert titles(panels[anchor]) == plots
    assert panels[anchor].uses == (name,)
    assert [finding.topic for finding in findings(tree)] == [topic]
    columns = [column.label for column in summary_table(tree).columns][3:]
    assert columns == COLUMNS[name]
    reading = panels[anchor].reading
    assert reading.startswith("Left: " if len(plots) == 2 else ("I" if name == "isotropy" else ("M", "S", "D")))
    assert panels[anchor].figure.layout.xaxis.domain[1] == (1.0 if len(plots) == 1 else pytest.approx(0.44))
    assert ("surrogates" in reading) == (name != "isotropy")
    written, html = page(tree, tmp_path)
    assert "Also in the results" not in html
    assert written.labels[f"plot-{anchor}"] == panels[anchor].alt


def test_nothing_of_them_is_said_or_drawn_without_them(tmp_path: Path) -> None:
    values: dict[str, Any] = {name: ("sae", [-0.4]) for name in ("slope", "slope_low", "slope_high", "slope_null")}
    values |= {"slope_p": ("sae", [0.5]), "eigenvalue": (("sae", "rank"), [[2.0, 1.0]])}
    slopes = xr.Dataset(values, {"sae": ["a"]}, {"metric": "eigenvalue_slope", "scale": "galaxy"})
    tree = xr.DataTree.from_dict({"/eigenvalue_slope": slopes})
    assert list(drawn(tree)) == ["spectra"]
    assert not {finding.topic for finding in findings(tree)} & {topic for _, _, topic in PARTS.values()}
    written, _ = page(tree, tmp_path)
    assert not {anchor for anchor, _, _ in PARTS.values()} & set(written.ids)


def test_a_group_without_their_variables_gets_a_table(tmp_path: Path) -> None:
    for name in METRICS:
        other = xr.Dataset({"other": ("sae", [1.25])}, {"sae": ["a"]}, {"metric": name, "scale": "galaxy"})
        tree = xr.DataTree.from_dict({f"/{name}": other})
        assert drawn(tree) == {}
        assert findings(tree) == []
        assert "1.250" in page(tree, tmp_path)[1]


def test_plots_share_a_row_and_say_their_side(results: xr.DataTree) -> None:
    panels = drawn(edited(results, dict.fromkeys(("hubness", "intrinsic_dimension"), lambda data: data)))
    assert titles(panels["hubs"]) == ["Hubs"]
    assert panels["hubs"].figure.layout.xaxis.domain == (0.0, 1.0)
    assert re.findall(r"(Left|Right): ", panels["hubs"].reading) == []
    assert titles(panels["dimension"]) == ["Local dimension", "Dimension by scale"]
    assert re.findall(r"(Left|Right): ", panels["dimension"].reading) == ["Left", "Right"]


def test_nearest_neighbours_are_drawn_with_interval_band_and_law(results: xr.DataTree) -> None:
    panel = drawn(edited(results, {"neighbour_angle": lambda data: data}))["neighbours"]
    data = results["neighbour_angle"].to_dataset().load()
    law, surrogates, band, values = panel.figure.data
    matched = data.sel(null=spectrum_matched.LABEL)
    mean, sd = matched.mean_cosine_null.values, matched.mean_cosine_null_sd.values
    np.testing.assert_allclose(law.y, data.mean_cosine_null.sel(null=uniform_sphere.LABEL))
    np.testing.assert_allclose(surrogates.y, mean)
    np.testing.assert_allclose(band.y, [*(mean + 2 * sd), *(mean - 2 * sd)[::-1]])
    assert band.fill == "toself"
    np.testing.assert_allclose(values.y, data.mean_cosine)
    np.testing.assert_allclose(values.error_y.array, data.mean_cosine_high - data.mean_cosine)
    np.testing.assert_allclose(values.error_y.arrayminus, data.mean_cosine - data.mean_cosine_low)
    for value in (*data.mean_cosine.values, *mean):
        assert f"{value:.3f}" in panel.alt
    assert panel.alt.startswith("Mean cosine with the nearest neighbour: layer 0 ")


def test_dimension_is_drawn_by_layer_and_by_scale(results: xr.DataTree) -> None:
    panel = drawn(edited(results, {"intrinsic_dimension": lambda data: data}))["dimension"]
    data = results["intrinsic_dimension"].to_dataset().load()
    left = [trace for trace in panel.figure.data if trace.xaxis == "x" and trace.error_y.array is not None]
    np.testing.assert_allclose([trace.y for trace in left], [data.two_nn, data.maximum_likelihood.sel(k=20)])
    right = [trace for trace in panel.figure.data if trace.xaxis == "x2"]
    assert [trace.name for trace in right if trace.showlegend] == ["layer 0", "layer 1", "layer 2"]
    np.testing.assert_allclose([trace.y for trace in right if trace.showlegend], data.dimension_by_scale)
    null = data.dimension_by_scale_null_mean.sel(null=spectrum_matched.LABEL)
    np.testing.assert_allclose([trace.y for trace in right if not trace.showlegend], null)


def test_packing_is_drawn_over_its_bounds(results: xr.DataTree) -> None:
    panel = drawn(edited(results, {"packing": lambda data: data}))["packing"]
    data = results["packing"].to_dataset().load()
    surrogates, band, coherence, potential = panel.figure.data
    np.testing.assert_allclose(coherence.y, data.coherence / data.welch_bound)
    np.testing.assert_allclose(potential.y, data.frame_potential / data.frame_potential_bound)
    drawn_ratio = data.coherence_surrogate / data.welch_bound
    np.testing.assert_allclose(surrogates.y, drawn_ratio.mean("surrogate"))
    np.testing.assert_allclose(
        band.y[:3], drawn_ratio.mean("surrogate") + 2 * drawn_ratio.std("surrogate", ddof=1), rtol=1e-4
    )
    assert panel.figure.layout.yaxis.type == "log"


def test_a_single_layer_is_drawn_and_told(single: xr.DataTree) -> None:
    panels = drawn(single)
    bands = {
        anchor: [trace for trace in panel.figure.data if trace.fill == "toself"] for anchor, panel in panels.items()
    }
    assert {anchor: len(traces) for anchor, traces in bands.items()} == {
        "neighbours": 1,
        "dimension": 2,
        "hubs": 2,
        "packing": 1,
        "isotropy": 0,
    }
    near = single["neighbour_angle"].sel(null=spectrum_matched.LABEL)
    ends = near.mean_cosine_null.item() + np.array([-2, 2]) * near.mean_cosine_null_sd.item()
    np.testing.assert_allclose([min(bands["neighbours"][0].y), max(bands["neighbours"][0].y)], ends)
    for anchor in ("neighbours", "dimension", "hubs"):
        assert "Shaded bands are surrogates" in panels[anchor].reading
    hubs = [trace for trace in panels["hubs"].figure.data if trace.error_y.array is not None]
    assert hubs[0].x[0] < hubs[1].x[0]
    for _, _, topic in PARTS.values():
        text = said(single, topic)
        assert "any layer" not in text
        assert "of 1 layer" not in text


@pytest.mark.parametrize(
    ("p", "headline"),
    [
        # 0.01 is the least of 99 surrogates, and 0.02 of two sides.
        ([0.01, 0.01, 0.01], "nearest neighbours are closer at all 3 layers."),
        ([1.0, 1.0, 1.0], "nearest neighbours are farther apart at all 3 layers."),
        ([0.5, 0.3, 0.7], "nearest neighbours are neither closer nor farther apart beyond chance at any layer."),
        (
            [0.01, 0.5, 0.5],
            "whether nearest neighbours are closer or farther apart cannot be told yet: at 1 of 3 layers 99 draws are "
            "too few to tell: 119 are needed (parameter n_surrogates).",
        ),
        ([0.01, 0.01, 1.0], "nearest neighbours are closer at 2 of 3 layers and farther apart at 1 of 3 layers."),
        ([0.01, np.nan, 0.01], "nearest neighbours are closer at both layers."),
    ],
)
def test_nearest_sentence_follows_the_numbers(results: xr.DataTree, p: list[float], headline: str) -> None:
    values = {"p": p, "mean_cosine": [0.9, 0.2, 0.8], "mean_cosine_null": 0.5}
    text = said(changed(results, "neighbour_angle", 99, **values), "nearest neighbours")
    assert text.startswith(f"Compared with every null, {headline}")
    assert ("without p at 1 of 3" in text) == bool(np.isnan(p).any())
    assert "two-sided" in text


def test_a_null_by_itself_is_told_where_not_every_null_says_so(results: xr.DataTree) -> None:
    p = [[0.001, 0.4]] * 3
    text = said(
        changed(results, "neighbour_angle", 999, p=p, mean_cosine=0.9, mean_cosine_null=0.5), "nearest neighbours"
    )
    assert "are neither closer nor farther apart beyond chance at any layer." in text
    assert "two-sided p = 0.80 ± 0.03, beyond uniform directions alone at all 3 layers." in text


def test_nulls_that_were_not_run_are_named(results: xr.DataTree) -> None:
    p = [[0.001, np.nan]] * 3
    text = said(
        changed(results, "neighbour_angle", 999, p=p, mean_cosine=0.9, mean_cosine_null=0.5), "nearest neighbours"
    )
    assert text.startswith("Compared with the nulls that were run (uniform directions), nearest neighbours are closer")
    assert "not run: Gaussian directions of the same mean and covariance." in text


def test_each_side_is_found_as_often_as_chance_allows(single: xr.DataTree) -> None:
    """Under the null all ranks among 39 surrogates are equally likely: two of 40 are found, one on either side."""
    found = []
    for rank in range(1, 41):
        value = 0.9 if rank < 21 else 0.1
        tree = changed(single, "neighbour_angle", 39, p=rank / 40, mean_cosine=value, mean_cosine_null=0.5)
        text = said(tree, "nearest neighbours")
        found += [side for side in ("closer", "farther apart") if f"neighbours are {side} at" in text]
    assert found == ["closer", "farther apart"]


def test_surrogates_equal_to_the_data_are_not_on_the_other_side(results: xr.DataTree) -> None:
    text = said(changed(results, "neighbour_angle", p=1.0, mean_cosine=1.0, mean_cosine_null=1.0), "nearest neighbours")
    assert "neither closer nor farther apart beyond chance at any layer" in text


@pytest.mark.parametrize(
    ("group", "topic", "values"),
    [
        ("neighbour_angle", "nearest neighbours", ["p", "mean_cosine_null", "mean_cosine_excess"]),
        ("intrinsic_dimension", "local dimension", ["two_nn_p", "two_nn_null_mean", "maximum_likelihood_p"]),
        ("hubness", "hubs", ["skewness_p", "skewness_null_mean"]),
        ("packing", "packing", ["coherence_p", "coherence_null_mean", "coherence_surrogate"]),
    ],
)
def test_without_surrogates_nothing_is_claimed(
    results: xr.DataTree, tmp_path: Path, group: str, topic: str, values: list[str]
) -> None:
    sds = [name for name in results[group].data_vars if str(name).endswith(("null_sd", "null_mean"))]
    tree = changed(results, group, **dict.fromkeys([*values, *map(str, sds)], np.nan))
    text = said(tree, topic)
    assert "cannot be told: no null model could be drawn." in text
    assert "no p" in text
    (panel,) = drawn(tree).values()
    assert panel.reading.endswith("No surrogates of the same mean and covariance can be drawn here.")
    assert page(tree, tmp_path)


@pytest.mark.parametrize(
    ("p", "headline"),
    [
        ([0.01, 0.01, 0.01], "is lower at all 3 layers."),
        ([1.0, 1.0, 1.0], "is higher at all 3 layers."),
        ([0.3, 0.7, 0.6], "is neither lower nor higher beyond chance at any layer."),
    ],
)
def test_dimension_sentence_follows_the_numbers(results: xr.DataTree, p: list[float], headline: str) -> None:
    text = said(
        changed(results, "intrinsic_dimension", 99, two_nn_p=p, two_nn=6.0, two_nn_null_mean=8.0), "local dimension"
    )
    null = "Gaussian directions of the same mean and covariance"
    assert text.startswith(f"Compared with {null}, the local dimension {headline}")
    assert "gives 6.0 dimensions (surrogates 8.0); two-sided " in text
    assert "hold the estimator's mean, which is not the dimension itself" in text
    assert "near copies" not in text
    assert "are too low" not in text
    likelihood = results["intrinsic_dimension"].maximum_likelihood.sel(k=20).values
    assert f"Maximum likelihood from 20 neighbours gives {likelihood.min():.1f} to {likelihood.max():.1f}" in text
    farther = results["intrinsic_dimension"].dimension_by_scale.sel(scale=16).values
    assert f"by neighbours 16 and 32, it is {farther.min():.1f} to {farther.max():.1f}" in text


def test_near_copies_are_told(results: xr.DataTree) -> None:
    text = said(changed(results, "intrinsic_dimension", n_near_copies=[0, 12, 2]), "local dimension")
    assert "At 2 of 3 layers features lie a hundred times nearer to another than the median one, up to 12" in text


def test_dimension_sentence_leaves_out_what_is_missing(results: xr.DataTree) -> None:
    names = [str(name) for name in results["intrinsic_dimension"].data_vars]
    missing = [name for name in names if name.startswith(("maximum_likelihood", "dimension_by_scale"))]
    tree = edited(results, {"intrinsic_dimension": lambda data: data.drop_vars(missing)})
    text = said(tree, "local dimension")
    assert "Maximum likelihood" not in text
    assert "farther away" not in text
    assert titles(drawn(tree)["dimension"]) == ["Local dimension"]
    infinite = changed(results, "intrinsic_dimension", two_nn=[np.inf, 30.0, 30.0])
    text = said(infinite, "local dimension")
    assert "gives 30.0 dimensions" in text
    assert "Estimates above about 20 are too low, those of surrogates too" in text
    few = changed(results, "intrinsic_dimension", dimension_by_scale=[[9.0, 8.0, np.nan, np.nan, np.nan]] * 3)
    assert "by neighbours 2 and 4, it is 8.0" in said(few, "local dimension")


@pytest.mark.parametrize(
    ("p", "headlines"),
    [
        ([[0.01, 0.01]] * 3, ["By cosine and centred cosine: ", "hubs are more pronounced at all 3 layers. By"]),
        (
            [[0.01, 0.5]] * 3,
            [
                "By cosine: ",
                "are more pronounced at all 3 layers. By centred cosine: ",
                "are neither more pronounced nor less pronounced",
            ],
        ),
        ([[1.0, 1.0]] * 3, ["hubs are less pronounced at all 3 layers. By"]),
        (
            [[0.01, 0.01], [0.3, 0.01], [0.3, 0.01]],
            ["By cosine: ", "cannot be told yet: at 1 of 3 layers 99 draws", "By centred cosine: ", "at all 3 layers."],
        ),
        ([[np.nan, 0.01]] * 3, ["By centred cosine: compared with", "hubs are more pronounced at all 3 layers."]),
    ],
)
def test_hub_sentence_follows_the_numbers(results: xr.DataTree, p: list[list[float]], headlines: list[str]) -> None:
    p_of_null = np.array(p)[:, None, :]
    text = said(changed(results, "hubness", 99, skewness_p=p_of_null, skewness=0.5, skewness_null_mean=0.2), "hubs")
    places = [text.find(words) for words in headlines]
    assert min(places) >= 0
    assert places == sorted(places)
    most = results["hubness"].largest_occurrence.sel(similarity="cosine").values
    assert f"in {most.min():.0f} to {most.max():.0f} lists of nearest neighbours, where the mean is 10, and " in text


@pytest.mark.parametrize(
    ("p", "words"), [(0.01, "is larger at all 3 layers."), (1.0, "is smaller at all 3 layers."), (0.4, "is neither")]
)
def test_packing_sentence_follows_the_numbers(results: xr.DataTree, p: float, words: str) -> None:
    text = said(changed(results, "packing", 99, coherence_p=p), "packing")
    assert f"Compared with every null, the largest overlap of two features {words}" in text
    ratio = results["packing"].coherence_ratio.values
    assert f"It is {ratio.min():.2f} to {ratio.max():.2f} times the Welch bound" in text
    assert "The bound is 0" not in text


def test_packing_without_a_bound_says_so(results: xr.DataTree) -> None:
    tree = changed(results, "packing", coherence_ratio=[np.inf, 2.0, 2.5], welch_bound=[0.0, 0.4, 0.3])
    text = said(tree, "packing")
    assert "It is 2.00 to 2.50 times the Welch bound" in text
    assert "The bound is 0 at 1 of 3 layers, for lack of more features than dimensions." in text
    panel = drawn(tree)["packing"]
    assert "the Welch bound is 0, and no ratio is drawn" in panel.reading
    surrogates, _, coherence, _ = panel.figure.data
    assert coherence.y[0] is None
    assert surrogates.y[0] is None
    everywhere = changed(results, "packing", coherence_ratio=np.inf, welch_bound=0.0)
    assert "times the Welch bound" not in said(everywhere, "packing")


@pytest.mark.parametrize(
    ("axes", "common", "headline"),
    [
        (0.0, 0.0, "less evenly spread over axes at all 3 layers, and more aligned with a common direction at all 3"),
        (1.0, 1.0, "more evenly spread over axes at all 3 layers, and less aligned with a common direction at all 3"),
        (0.5, [0.001, 0.5, 0.5], "beyond chance at any layer, and more aligned with a common direction at 1 of 3"),
        (
            [0.001, 0.5, 0.999],
            0.5,
            "less evenly spread over axes at 1 of 3 layers and more evenly spread over axes at 1",
        ),
        (np.nan, 0.5, "features are neither more nor less aligned with a common direction beyond chance at any layer."),
        (np.nan, np.nan, "Whether features are spread less evenly than uniform directions cannot be told."),
    ],
)
def test_isotropy_sentence_follows_the_numbers(results: xr.DataTree, axes: Any, common: Any, headline: str) -> None:
    text = said(changed(results, "isotropy", second_moment_p=axes, mean_resultant_p=common), "isotropy")
    assert headline in text
    score = results["isotropy"].iso_score.values
    assert f"is {score.min():.3f} to {score.max():.3f} (uniform directions reach " in text


def test_summary_columns_hold_the_values_of_the_store(results: xr.DataTree) -> None:
    table = summary_table(results)
    matched, uniform = {"null": spectrum_matched.LABEL}, {"null": uniform_sphere.LABEL}
    read = {
        "nearest_cosine": ("neighbour_angle", "mean_cosine", {}),
        "nearest_cosine_low": ("neighbour_angle", "mean_cosine_low", {}),
        "nearest_cosine_spectrum_matched": ("neighbour_angle", "mean_cosine_null", matched),
        "nearest_cosine_uniform_sphere": ("neighbour_angle", "mean_cosine_null", uniform),
        "nearest_cosine_p": ("neighbour_angle", "p", matched),
        "two_nn": ("intrinsic_dimension", "two_nn", {}),
        "two_nn_null_mean": ("intrinsic_dimension", "two_nn_null_mean", matched),
        "two_nn_p": ("intrinsic_dimension", "two_nn_p", matched),
        "skewness": ("hubness", "skewness", {"similarity": "cosine"}),
        "skewness_null_mean": ("hubness", "skewness_null_mean", matched | {"similarity": "cosine"}),
        "skewness_p": ("hubness", "skewness_p", matched | {"similarity": "cosine"}),
        "coherence": ("packing", "coherence", {}),
        "coherence_null_mean": ("packing", "coherence_null_mean", matched),
        "coherence_p": ("packing", "coherence_p", matched),
        "welch_bound": ("packing", "welch_bound", {}),
        "mean_cosine": ("isotropy", "mean_cosine", {}),
        "mean_cosine_high": ("isotropy", "mean_cosine_high", {}),
        "iso_score": ("isotropy", "iso_score", {}),
        "iso_score_null": ("isotropy", "iso_score_null", {}),
    }
    labels = [column.label for column in table.columns]
    for i, (row, cells) in enumerate(zip(as_records(table), as_cells(table), strict=True)):
        for key, (metric, output, where) in read.items():
            assert row[key] == results[metric].to_dataset()[output].sel(where).values[i], key
        shown = dict(zip(labels, map(str, cells), strict=True))
        for label, keys in (
            ("nearest cosine", ("nearest_cosine", "nearest_cosine_spectrum_matched")),
            ("local dimension", ("two_nn", "two_nn_null_mean")),
            ("hubs", ("skewness", "skewness_null_mean")),
            ("coherence", ("coherence", "coherence_null_mean")),
        ):
            value, null = (number(row[key]) for key in keys)
            assert shown[label].startswith(f"{value} (null {null}, p "), label
        assert shown["IsoScore"] == f"{number(row['iso_score'])} (null {number(row['iso_score_null'])})"
        assert shown["mean cosine"].startswith(f"{number(row['mean_cosine'])} [")
    assert not any("/" in key for row in as_records(table) for key in row)
    json.dumps(as_records(table), allow_nan=False)
    bare = summary_table(changed(results, "neighbour_angle", p=np.nan, mean_cosine_null=np.nan))
    assert str(as_cells(bare)[0][labels.index("nearest cosine")]) == number(as_records(table)[0]["nearest_cosine"])


def test_missing_numbers_leave_no_sentences(results: xr.DataTree, tmp_path: Path) -> None:
    def blank(data: xr.Dataset) -> xr.Dataset:
        return data.map(lambda variable: variable * np.nan if variable.dtype.kind == "f" else variable, keep_attrs=True)

    tree = edited(results, dict.fromkeys(METRICS, blank))
    assert findings(tree) == []
    _, html = page(tree, tmp_path)
    assert not re.search(r"\bnan\b|\bNone\b", html.split("<script>")[0])


def test_hostile_names_are_inert(results: xr.DataTree, tmp_path: Path) -> None:
    def rename(data: xr.Dataset) -> xr.Dataset:
        names = [HOSTILE, *map(str, data["sae"].values[1:])]
        return data.assign_coords(sae=names).drop_vars("layer")

    written, html = page(edited(results, dict.fromkeys(METRICS, rename)), tmp_path)
    assert "img" not in written.tags
    assert written.tags.count("script") == 3
    texts = json.dumps({name: entry["figure"] for name, entry in packed_figures(html).items()})
    assert "<script" not in texts
    assert "%{x}" not in texts.replace("neighbour %{x} and twice", "")
    assert "&lt;/script&gt;" in written.labels["plot-neighbours"]
