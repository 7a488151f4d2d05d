"""Rows divided to norms: their law, and scores on axes that are found without a full eigen-decomposition."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from saegeom_data.lazy import eigen
from saegeom_data.metrics._statistics.entropy import neighbour_entropy
from saegeom_data.metrics.nulls import angular_central_gaussian
from saegeom_data.metrics.nulls.angular_central_gaussian import (
    _exact_scores,
    _iterated_scores,
    _measured_spectrum,
    _rows,
    _unit,
    projected_scores,
)
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
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1) * _unit(cloud), cloud.norm, rtol=1e-6)
    first = np.random.default_rng((0, 0, 1)).standard_normal((1, 30), dtype=np.float32) * np.sqrt(spectrum)
    np.testing.assert_allclose(
        rows[2048] / np.linalg.norm(rows[2048]), first[0] / np.linalg.norm(first), rtol=2**-13, atol=1e-7
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
    np.testing.assert_array_equal(first, second)


def test_rows_without_mean_or_variance_along_an_axis_are_rounded_alike():
    spectrum = np.r_[np.arange(1, 21.0) ** -1.0, np.zeros(20)]
    mean = np.r_[np.linspace(-0.3, 0.3, 20), 1e-17 * np.random.default_rng(3).standard_normal(20)]
    clouds = [replace(cloud_of(50, spectrum, 6), mean=values) for values in (mean, np.round(mean, 15))]
    first, second = (_rows(cloud, spectrum, functools.partial(block_stream, 0)) for cloud in clouds)
    np.testing.assert_array_equal(first, second)


def sampled(n, spectrum, d, seed):
    """Cloud of unit rows of Gaussian directions, and their scores on axes fitted to them."""
    rows = np.random.default_rng(seed).standard_normal((n, len(spectrum))) * np.sqrt(spectrum)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centred = rows - rows.mean(axis=0)
    variance, axes = np.linalg.eigh(centred.T @ centred / (n - 1))
    variance, axes = variance[::-1].copy(), axes[:, ::-1]
    rank = min(n - 1, np.count_nonzero(spectrum))
    variance[rank:] = 0
    mean = np.abs(rows.mean(axis=0) @ axes)
    mean[rank:] = np.eye(len(spectrum) - rank)[0] * np.linalg.norm(mean[rank:]) if rank < len(spectrum) else 0
    scores = centred @ axes[:, :d]
    return Cloud(np.cov(scores, rowvar=False), variance, mean, np.ones(n), True), scores


# Dimensions that rows cannot span, many more of them, about as many as rows, and rows that truly span a few.
@pytest.mark.parametrize(
    ("n", "hidden", "spanned"), [(120, 160, 160), (120, 300, 300), (120, 121, 121), (120, 160, 30), (120, 90, 90)]
)
@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_entropies_of_surrogates_are_those_of_the_law_that_rows_come_from(n, hidden, spanned, exponent):
    spectrum = np.where(np.arange(hidden) < spanned, np.arange(1, hidden + 1.0) ** -exponent, 0)
    differences = []
    for seed in range(12):
        cloud, scores = sampled(n, spectrum, 8, seed)
        of_surrogates = angular_central_gaussian.projected_spectrum(cloud, seed)
        drawn = projected_scores(cloud, of_surrogates, functools.partial(block_stream, seed))
        differences.append(neighbour_entropy(scores, (3,))[0] - neighbour_entropy(drawn, (3,))[0])
    error = np.std(differences, ddof=1) / np.sqrt(len(differences))
    assert abs(np.mean(differences)) < 3 * error + 0.03


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_surrogates_have_the_spectrum_of_the_data(exponent):
    cloud, _ = sampled(400, np.arange(1, 181.0) ** -exponent, 8, 5)

    def far(spectrum):
        draws = [_measured_spectrum(cloud, spectrum, functools.partial(block_stream, draw)) for draw in range(20)]
        return np.sqrt(np.mean(np.log(np.mean(draws, axis=0) / cloud.spectrum) ** 2))

    # Surrogates of the data's own spectrum have one that sampling and division have spread once more.
    assert far(angular_central_gaussian.projected_spectrum(cloud, seed=0)) < 0.1 * far(cloud.spectrum)


def test_dimensions_without_variance_stay_so_where_rows_could_span_them():
    cloud, _ = sampled(200, np.r_[np.ones(10), np.zeros(20)], 4, 0)
    spectrum = angular_central_gaussian.projected_spectrum(cloud, seed=0)
    assert np.all(spectrum[:10] > 0)
    assert not spectrum[10:].any()


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
