from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr

import saegeom_data
from saegeom_data import errors
from saegeom_data.data import codes, validation, write
from saegeom_data.testing.simulate import simulate_store

Change = Callable[[xr.DataTree], xr.DataTree]


@pytest.fixture
def tree() -> xr.DataTree:
    full = simulate_store(n_saes=2, n_features=50, n_hidden=6, n_blocks=12, untrained=True)
    n_tokens = 20
    full["tokens"] = xr.DataTree(
        xr.Dataset(
            {
                "token_id": ("tokens", np.arange(n_tokens)),
                "document": ("tokens", np.zeros(n_tokens, "int32")),
                "position": ("tokens", np.arange(n_tokens)),
                "is_special": ("tokens", np.zeros(n_tokens, bool)),
            }
        )
    )
    full["activations/hidden_state_0"] = xr.DataTree(
        xr.Dataset(
            {"activation": (("tokens", "hidden"), np.zeros((n_tokens, 6), "float32"))},
            attrs={"model": "m", "source_dtype": "float32"},
        )
    )
    csr = sp.random(n_tokens, 50, 0.1, format="csr", dtype="float32", random_state=0)
    full["saes/layer_0/codes"] = xr.DataTree(codes.codes_group(csr))
    full["saes/layer_0/cooccurrence"] = xr.DataTree(
        xr.Dataset(
            {
                "n_blocks_both": (("features", "features_other"), np.zeros((50, 50), "int32")),
                "n_blocks_active": ("features", np.zeros(50, "int32")),
            },
            attrs={"threshold": 0.0, "block_length": 256},
        )
    )
    return full


def change(path: str, edit: Callable[[xr.Dataset], xr.Dataset]) -> Change:
    def changed(tree: xr.DataTree) -> xr.DataTree:
        groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
        groups[path] = edit(groups.get(path, xr.Dataset()))
        return xr.DataTree.from_dict(groups)

    return changed


def without_attr(name: str) -> Callable[[xr.Dataset], xr.Dataset]:
    def edited(dataset: xr.Dataset) -> xr.Dataset:
        return dataset.drop_attrs(deep=False).assign_attrs(
            {key: value for key, value in dataset.attrs.items() if key != name}
        )

    return edited


FEATURES, CODES = "/saes/layer_0/features", "/saes/layer_0/codes"

BROKEN: dict[str, tuple[Change, list[str]]] = {
    "another L0 in its attributes": (
        change(FEATURES, lambda dataset: dataset.assign_attrs(l0=99.0)),
        [f"{FEATURES}@l0: got 99.0, expected 8.0, the coordinate of {FEATURES}; repeat it, or leave it out"],
    ),
    "another L0 and site in another group": (
        change("/saes/layer_0/occurrence", lambda dataset: dataset.assign_coords(l0=9, site="elsewhere", layer=0)),
        [
            f"/saes/layer_0/occurrence/site: got 'elsewhere', expected 'hidden_state_0', the coordinate of {FEATURES};"
            " repeat it, or leave it out",
            f"/saes/layer_0/occurrence/l0: got 9, expected 8.0, the coordinate of {FEATURES}; repeat it, or leave it"
            " out",
        ],
    ),
    "an L0 that is an array": (
        change(FEATURES, lambda dataset: dataset.assign_attrs(l0=np.array([8.0, 9.0]))),
        [f"{FEATURES}@l0: got [8.0, 9.0], expected 8.0, the coordinate of {FEATURES}; repeat it, or leave it out"],
    ),
    "another L0 in the attributes of codes": (
        change(CODES, lambda dataset: dataset.assign_attrs(l0=7.5)),
        [f"{CODES}@l0: got 7.5, expected 8.0, the coordinate of {FEATURES}; repeat it, or leave it out"],
    ),
    "wrong dim": (
        change(FEATURES, lambda dataset: dataset.rename(hidden="neurons")),
        [f"{FEATURES}/decoder: got dims (features, neurons), expected (features, hidden); rename or transpose it"],
    ),
    "transposed": (
        change(FEATURES, lambda dataset: dataset.transpose()),
        [f"{FEATURES}/decoder: got dims (hidden, features), expected (features, hidden); rename or transpose it"],
    ),
    "wrong dtype": (
        change(FEATURES, lambda dataset: dataset.astype("int8")),
        [f"{FEATURES}/decoder: got dtype int8, expected float; convert it with .astype"],
    ),
    "misspelt variable": (
        change(FEATURES, lambda dataset: dataset.rename(decoder="decoders")),
        [f"{FEATURES}/decoder: missing; expected a float variable over (features, hidden); did you mean 'decoders'?"],
    ),
    "missing attribute": (
        change(FEATURES, without_attr("architecture")),
        [f"{FEATURES}@architecture: attribute missing; add it to the group's attrs"],
    ),
    "misspelt attribute": (
        change("/", lambda dataset: without_attr("license")(dataset).assign_attrs(licence="CC0")),
        ["/@license: attribute missing; did you mean 'licence'?; add it to the group's attrs"],
    ),
    "place that is no text": (
        change(FEATURES, lambda dataset: dataset.assign_attrs(input_module=7)),
        [
            f"{FEATURES}@input_module: got 7, expected a text: where the SAE reads: a module of the model in"
            " transformers, and its end"
        ],
    ),
    "missing scalar": (
        change(FEATURES, lambda dataset: dataset.drop_vars("l0")),
        [f"{FEATURES}/l0: scalar coordinate missing; add it with assign_coords"],
    ),
    "scalar is an array": (
        change(FEATURES, lambda dataset: dataset.drop_vars("layer").assign_coords(layer=("x", [3]))),
        [f"{FEATURES}/layer: scalar coordinate missing; did you mean 'layer'?; add it with assign_coords"],
    ),
    "scalar of a wrong kind": (
        change(FEATURES, lambda dataset: dataset.assign_coords(width="50")),
        [f"{FEATURES}/width: got dtype <U2, expected integer; convert it with .astype"],
    ),
    "width is not the number of rows": (
        change(FEATURES, lambda dataset: dataset.assign_coords(width=51)),
        [
            f"{FEATURES}/width: got 51, expected 50, the decoder's rows; of some of the features say"
            " .assign_coords(width=50)"
        ],
    ),
    "occurrence of another SAE": (
        change("/saes/layer_0/occurrence", lambda dataset: dataset.isel(features=slice(9))),
        ["/saes/layer_0/occurrence/occurrence: got 9 features, expected 50, the decoder's rows"],
    ),
    "cooccurrence of another SAE": (
        change("/saes/layer_0/cooccurrence", lambda dataset: dataset.isel(features_other=slice(9))),
        ["/saes/layer_0/cooccurrence/n_blocks_both: got 9 features_other, expected 50, the decoder's rows"],
    ),
    "codes of another SAE": (
        change(CODES, lambda dataset: dataset.assign_attrs(shape=[20, 60])),
        [f"{CODES}@shape: got 60 features, expected 50, the decoder's rows"],
    ),
    "codes with other row bounds": (
        change(CODES, lambda dataset: dataset.assign_attrs(shape=[21, 50])),
        [f"{CODES}/indptr: got 21 bounds, expected 22: one more than tokens in the shape"],
    ),
    "codes with a shape that is none": (
        change(CODES, lambda dataset: dataset.assign_attrs(shape="wide")),
        [f"{CODES}@shape: got 'wide', expected two integers: tokens and features"],
    ),
    "codes with a shape of one number": (
        change(CODES, lambda dataset: dataset.assign_attrs(shape=7)),
        [f"{CODES}@shape: got 7, expected two integers: tokens and features"],
    ),
    "codes by columns": (
        change(CODES, lambda dataset: dataset.assign_attrs({"encoding-type": "csc_matrix"})),
        [f"{CODES}@encoding-type: got 'csc_matrix', expected 'csr_matrix'"],
    ),
    "codes with wrong dims": (
        change(CODES, lambda dataset: dataset.rename(row_bounds="rows")),
        [f"{CODES}/indptr: got dims (rows), expected (row_bounds); rename or transpose it"],
    ),
    "activations of other tokens": (
        change("/activations/hidden_state_0", lambda dataset: dataset.isel(tokens=slice(7))),
        ["/activations/hidden_state_0: got 7 tokens, expected 20, as in /tokens"],
    ),
    "untrained SAE that does not say how it was made": (
        change("/untrained/layer_0/features", without_attr("untrained")),
        ["/untrained/layer_0/features@untrained: attribute missing; add it to the group's attrs"],
    ),
    "untrained SAE of other blocks": (
        change("/untrained/layer_0/occurrence", lambda dataset: dataset.isel(blocks=slice(7))),
        ["/untrained/layer_0/occurrence: got 7 blocks, expected 12, as of /saes/layer_0"],
    ),
    "untrained SAE of another width": (
        change("/untrained/layer_0/occurrence", lambda dataset: dataset.isel(features=slice(9))),
        ["/untrained/layer_0/occurrence/occurrence: got 9 features, expected 50, the decoder's rows"],
    ),
    "untrained SAE of no SAE": (
        lambda tree: change(
            "/untrained/layer_7/features", lambda _: tree["untrained/layer_0/features"].to_dataset(inherit=False)
        )(tree),
        ["/untrained/layer_7: is held against /saes/layer_7, which is not there; known: layer_0, layer_1"],
    ),
    "newer format": (
        change("/", lambda dataset: dataset.assign_attrs(format_version=2)),
        ["/@format_version: got 2, expected 1; upgrade saegeom-data or the store"],
    ),
    "unknown kind of store": (
        change("/", lambda dataset: dataset.assign_attrs(kind="result")),
        ["/@kind: got 'result', expected 'dataset' or 'results'; did you mean 'results'?"],
    ),
}


def test_full_store_is_valid(tree: xr.DataTree, tmp_path: Path) -> None:
    assert validation.validate(tree) == []
    write.write_tree(tree, tmp_path / "a.zarr")
    with saegeom_data.open(tmp_path / "a.zarr") as opened:
        assert validation.validate(opened) == []


@pytest.mark.parametrize("name", BROKEN)
def test_each_break_is_one_clear_line(tree: xr.DataTree, name: str) -> None:
    broken, expected = BROKEN[name]
    assert [str(problem) for problem in validation.validate(broken(tree))] == expected


def test_all_breaks_are_reported_at_once(tree: xr.DataTree) -> None:
    names = ["wrong dtype", "missing attribute", "missing scalar", "codes by columns", "newer format"]
    for name in names:
        tree = BROKEN[name][0](tree)
    with pytest.raises(errors.ValidationError) as refused:
        validation.check(tree)
    assert sorted(str(refused.value).splitlines()) == sorted(BROKEN[name][1][0] for name in names)


def test_unknown_group_is_named_with_the_nearest_kind(tree: xr.DataTree) -> None:
    broken = change("/saes/layer_0/feature", lambda _: xr.Dataset({"decoder": ("x", [1.0])}))(tree)
    (problem,) = validation.validate(broken)
    assert problem.where == "/saes/layer_0/feature"
    assert "no kind of group has this path; did you mean 'saes/*/features'" in problem.message


def test_folders_without_variables_are_free(tree: xr.DataTree) -> None:
    assert validation.validate(change("/saes/layer_0/notes", lambda _: xr.Dataset(attrs={"a": 1}))(tree)) == []


def test_empty_tree_lacks_its_attributes() -> None:
    assert [problem.where for problem in validation.validate(xr.DataTree())] == [
        "/@format_version",
        "/@title",
        "/@license",
    ]


@pytest.mark.parametrize("sizes", [(), (5,)])
def test_decoder_of_no_shape_is_a_problem_not_a_crash(tree: xr.DataTree, sizes: tuple[int, ...]) -> None:
    bare = xr.Dataset({"decoder": (("features", "hidden")[: len(sizes)], np.zeros(sizes))})
    broken = change(FEATURES, lambda dataset: bare.assign_attrs(dataset.attrs))(tree)
    assert f"{FEATURES}/decoder" in [problem.where for problem in validation.validate(broken)]


# Results


@pytest.fixture
def results() -> xr.DataTree:
    attrs = {"metric": "eigenvalue_slope", "metric_version": 1, "parameters": "{}"}
    group = xr.Dataset({"slope": ("sae", [1.0])}, coords={"sae": ["layer_0"]}, attrs=attrs)
    root = xr.Dataset(attrs={"format_version": 1, "kind": "results", "title": "t", "license": "l"})
    return xr.DataTree.from_dict({"/": root, "/any_name": group, "/documents": group})


def test_results_are_named_by_the_run(results: xr.DataTree, tmp_path: Path) -> None:
    assert validation.validate(results) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            without_attr("metric_version"),
            "/any_name@metric_version: attribute missing; did you mean 'metric'?; "
            "only results of a run have it, so run it again",
        ),
        (
            lambda dataset: dataset.assign_attrs(parameters="{"),
            "/any_name@parameters: not a JSON object of parameters; run the metric again",
        ),
        (
            lambda dataset: dataset.assign_attrs(parameters=5),
            "/any_name@parameters: not a JSON object of parameters; run the metric again",
        ),
        (lambda dataset: dataset.drop_vars("slope"), "/any_name: no outputs; expected those that the metric declares"),
        (
            lambda dataset: dataset.drop_vars("sae"),
            "/any_name/sae: coordinate missing; it names the SAEs or sites of the result",
        ),
        (
            lambda dataset: dataset.drop_vars("sae").rename(sae="layers"),
            "/any_name/slope: got dims (layers), expected sae or site as the first; transpose it",
        ),
    ],
)
def test_broken_result_is_one_clear_line(
    results: xr.DataTree, edit: Callable[[xr.Dataset], xr.Dataset], expected: str
) -> None:
    assert [str(problem) for problem in validation.validate(change("/any_name", edit)(results))] == [expected]


def test_results_without_a_group_are_no_results(results: xr.DataTree) -> None:
    empty = xr.DataTree(xr.Dataset(attrs=results.attrs))
    assert [str(problem) for problem in validation.validate(empty)] == [
        "/: no results; expected one group for each metric of the run"
    ]


def test_an_l0_that_is_repeated_or_not_known_is_no_problem(tree: xr.DataTree) -> None:
    same = change(FEATURES, lambda dataset: dataset.assign_attrs(l0=8))(tree)
    same = change(CODES, lambda dataset: dataset.assign_coords(l0=np.float32(8), layer=0))(same)
    assert validation.validate(same) == []
    unknown = change(FEATURES, lambda dataset: dataset.assign_coords(l0=np.nan).assign_attrs(l0=8.0))(tree)
    assert validation.validate(unknown) == []


def test_a_tree_whose_groups_disagree_is_not_sealed(tree: xr.DataTree, tmp_path: Path) -> None:
    broken = change("/saes/layer_0/occurrence", lambda dataset: dataset.assign_coords(l0=9))(tree)
    with pytest.raises(errors.ValidationError, match="/saes/layer_0/occurrence/l0: got 9, expected 8.0"):
        saegeom_data.write_tree(broken, tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []
