"""Rows divided to norms: their law, and scores on axes that are found without a full eigen-decomposition."""

import functools

import numpy as np
import pytest

from saegeom_data.lazy import eigen
from saegeom_data.metrics._statistics.entropy import neighbour_entropy
from saegeom_data.metrics.nulls import angular_central_gaussian
from saegeom_data.metrics.nulls.angular_central_gaussian import _exact_scores, _iterated_scores, _rows, projected_scores
from saegeom_data.metrics.nulls.gaussian_scores import Cloud, with_covariance


def block_stream(draw, block):
    return np.random.default_rng((0, draw, block))


def cloud_of(n, spectrum, d, *, refit=True):
    norm = np.sort(np.random.default_rng(1).uniform(0.5, 2, n))
    return Cloud(np.diag(spectrum[:d]), spectrum, np.zeros(len(spectrum)), norm, refit)


def exact_scores(rows, d):
    rows = rows.astype(float) - rows.mean(axis=0, dtype=float)
    return rows @ np.linalg.eigh(rows.T @ rows)[1][:, : -d - 1 : -1]


def test_rows_have_the_norms_and_are_those_of_their_streams():
    spectrum = np.arange(30, 0, -1.0)
    cloud = cloud_of(5000, spectrum, 4)
    rows = _rows(cloud, spectrum, functools.partial(block_stream, 0))
    # In units of the summed variance.
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1) * np.sqrt(spectrum.sum()), cloud.norm, rtol=1e-6)
    first = np.random.default_rng((0, 0, 1)).standard_normal((1, 30), dtype=np.float32) * np.sqrt(spectrum)
    np.testing.assert_allclose(
        rows[2048] / np.linalg.norm(rows[2048]), first[0] / np.linalg.norm(first), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 3.0])
def test_entropies_are_those_on_exact_axes(exponent):
    spectrum = np.arange(1, 301.0) ** -exponent
    differences, entropies = [], []
    for draw in range(4):
        cloud = cloud_of(900, spectrum, 20)
        rows = _rows(cloud, spectrum, functools.partial(block_stream, draw))
        expected = with_covariance(exact_scores(rows, 20), cloud.covariance)
        found = with_covariance(_iterated_scores(rows - rows.mean(axis=0), 20).astype(float), cloud.covariance)
        expected, found = (neighbour_entropy(scores, (3,))[0] for scores in (expected, found))
        differences.append(found - expected)
        entropies.append(expected)
    # A small part of what entropies of draws differ by, which is 0.03 to 0.3.
    assert abs(np.mean(differences)) < 0.02
    assert np.abs(differences).max() < max(0.05, np.std(entropies))


@pytest.mark.parametrize(("n", "hidden", "d"), [(40, 12, 12), (12, 60, 5), (300, 24, 1), (50, 100, 40)])
@pytest.mark.parametrize("leading_scores", [_exact_scores, _iterated_scores])
def test_scores_span_what_there_is(leading_scores, n, hidden, d):
    spectrum = np.arange(1, hidden + 1.0) ** -1.0
    spectrum[n - 1 :] = 0
    rows = _rows(cloud_of(n, spectrum, d), spectrum, functools.partial(block_stream, 0))
    expected = exact_scores(rows, d)
    found = leading_scores(rows - rows.mean(axis=0), d)
    assert found.shape == (n, d)
    share = np.linalg.norm(found, axis=0) / np.linalg.norm(expected, axis=0)
    np.testing.assert_allclose(share, 1, rtol=0.03)


@pytest.mark.parametrize("refit", [True, False])
def test_rounding_of_what_is_given_does_not_reach_scores(refit):
    spectrum = np.arange(1, 41.0) ** -1.0
    cloud = cloud_of(200, spectrum, 6, refit=refit)
    rounded = spectrum * (1 + 1e-14 * np.random.default_rng(2).standard_normal(40))
    stream_of = functools.partial(block_stream, 0)
    first, second = (projected_scores(cloud, values, stream_of) for values in (spectrum, rounded))
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize(("n", "hidden"), [(100, 20), (3000, 12)])
def test_the_work_of_a_spectrum_is_that_of_its_draws_and_decompositions(monkeypatch, n, hidden):
    counted = {"normals": 0, "matrices": 0}
    decompose = np.linalg.eigvalsh

    def drawn(cloud, spectrum, stream_of):
        rows = _rows(cloud, spectrum, stream_of)
        counted["normals"] += rows.size
        return rows

    def decomposed(matrix):
        counted["matrices"] += 1
        return decompose(matrix)

    monkeypatch.setattr(angular_central_gaussian, "_rows", drawn)
    monkeypatch.setattr(np.linalg, "eigvalsh", decomposed)
    angular_central_gaussian.projected_spectrum(cloud_of(n, np.arange(hidden, 0, -1.0), 4), seed=0)
    work = angular_central_gaussian.spectrum_work(n, hidden, refit=True)
    assert work.normals == counted["normals"]
    assert work.cubes == pytest.approx(0.4 * counted["matrices"] * eigen(hidden).cubes)
