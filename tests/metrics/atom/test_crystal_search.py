import itertools

import numpy as np
import pytest
import xarray as xr
from sklearn.neighbors import NearestNeighbors
from soak import times

from saegeom_data.data.codes import codes_group
from saegeom_data.data.text.mean_position import mean_position
from saegeom_data.errors import ParameterError
from saegeom_data.metrics.atom.crystal_search import _quadruples, crystal_search
from saegeom_data.metrics.atom.crystal_search._false_discovery import q_values
from saegeom_data.testing.checks import assert_equal, rechunk
from saegeom_data.testing.simulate import simulate_crystals

KINDS = ("parallelogram", "trapezoid")
FEW = {"n_surrogates": 2}


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), np.asarray(rows, float))})


def random_rows(seed, n, hidden, exponent=0.0):
    rows = np.random.default_rng(seed).standard_normal((n, hidden)) * np.arange(1, hidden + 1) ** (-exponent / 2)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def brute_force(rows, k, least):
    """Quadruples as two pairs of rows with their cosine and residual, and the number of close pairs."""
    listed = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors(return_distance=False)
    lists = [set(neighbours) for neighbours in listed.tolist()]
    pairs = [(i, j) for i, j in itertools.combinations(range(len(rows)), 2) if j in lists[i] and i in lists[j]]
    found, n_shared, n_close, n_opposite = {}, 0, 0, 0
    for (a, b), (c, d) in itertools.combinations(pairs, 2):
        if {a, b} & {c, d}:
            n_shared += 1
            continue
        u, v = rows[b] - rows[a], rows[d] - rows[c]
        v = v if u @ v > 0 else -v
        cosine = u @ v / (np.linalg.norm(u) * np.linalg.norm(v))
        if cosine < least:
            continue
        near, far = (min(np.linalg.norm(rows[i] - sign * rows[j]) for i in (a, b) for j in (c, d)) for sign in (1, -1))
        longest = max(np.linalg.norm(u), np.linalg.norm(v))
        if min(near, far) < longest:
            n_close += near < longest
            n_opposite += near >= longest
            continue
        residual = np.linalg.norm(u - v) / ((np.linalg.norm(u) + np.linalg.norm(v)) / 2)
        found[(a, b), (c, d)] = cosine, residual
    return found, len(pairs), [n_shared, n_close, n_opposite]


def brute_families(agreement, floor):
    """Families of pairs, each with its score, by joining the best quadruples first."""
    owner, score = {}, {}
    for (first, second), value in sorted(agreement.items(), key=lambda item: -item[1]):
        if value < floor:
            break
        for pair in (first, second):
            owner.setdefault(pair, frozenset([pair]))
        left, right = owner[first], owner[second]
        if left != right:
            joined = left | right
            score[joined] = score.pop(left, 0) + score.pop(right, 0) + np.log((1 - floor**2) / (1 - value**2))
            owner |= dict.fromkeys(joined, joined)
    return score


def test_families_agree_with_brute_force():
    rows = random_rows(0, 70, 7, 0.5)
    result = crystal_search(dataset(rows * 2.5), k=6, least_agreement=0.6, n_best=60, **FEW)
    found, n_pairs, n_excluded = brute_force(rows, 6, 0.6)
    # Every reason for leaving a quadruple out occurs in these rows.
    assert min(n_excluded) > 0
    assert result.n_pairs == n_pairs
    np.testing.assert_array_equal(result.n_excluded, n_excluded)
    for kind in KINDS:
        of_kind = result.sel(kind=kind)
        agreement = {
            pairs: cosine if kind == "trapezoid" else 1 - residual**2 / 2 for pairs, (cosine, residual) in found.items()
        }
        floor = float(of_kind.floor)
        assert of_kind.n_quadruples == sum(value >= floor for value in agreement.values()) > 5
        expected = brute_families(agreement, floor)
        assert of_kind.n_candidates == len(expected)
        np.testing.assert_allclose(of_kind.family_score[: len(expected)], sorted(expected.values(), reverse=True))
        for place, pairs in enumerate(sorted(expected, key=expected.get, reverse=True)):
            listed = of_kind.pair.values[of_kind.pair_family.values == place]
            assert {tuple(sorted(pair)) for pair in listed.tolist()} == pairs
            assert of_kind.family_pairs[place] == len(pairs)
            assert of_kind.family_features[place] == len({row for pair in pairs for row in pair})
            best = max(value for sides, value in agreement.items() if sides[0] in pairs)
            assert of_kind.family_agreement[place] == pytest.approx(best)
            offset = rows[listed[:, 1]] - rows[listed[:, 0]]
            along = offset @ of_kind.offset_direction.values[place]
            assert (along >= 0).all()
            assert of_kind.offset_share[place] == pytest.approx((along**2).sum() / (offset**2).sum())
            assert of_kind.offset_share[place] == pytest.approx(
                np.linalg.norm(offset, 2) ** 2 / np.linalg.norm(offset) ** 2
            )


def with_family(seed, n_pairs, noise=0.2, n=120, hidden=24):
    """Random directions, of which the first 2 ``n_pairs`` are pairs with one offset, but for noise."""
    rng = np.random.default_rng((8, seed))
    rows = random_rows((8, seed, 1), n, hidden)
    step = 0.8 * random_rows((8, seed, 2), 1, hidden)
    apart = rng.standard_normal((n_pairs, hidden))
    rows[1 : 2 * n_pairs : 2] = rows[: 2 * n_pairs : 2] + step + noise / np.sqrt(hidden) * apart
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_pairs_with_one_offset_are_one_family():
    rows = with_family(0, 12)
    result = crystal_search(dataset(rows)).sel(kind="trapezoid")
    planted = {(2 * pair, 2 * pair + 1) for pair in range(12)}
    first = {tuple(sorted(pair)) for pair in result.pair.values[result.pair_family.values == 0].tolist()}
    assert len(first & planted) >= 9
    assert len(first - planted) <= 3
    assert (result.family_q[:, 0] <= 0.05).all()
    assert result.offset_share[0] > 0.6
    assert result.family_quadruples[0] > 2 * result.family_pairs[0]
    assert result.n_families <= 2


def test_planted_crystals_are_found_and_little_else():
    n_found, n_false, n_planted = np.zeros(2), np.zeros(2), 0
    for seed in range(times(1, 10)):
        sae = simulate_crystals(n_features=240, n_hidden=40, noise=0.2, seed=seed)
        # With 20 draws q is at least 1 / 21: a single draw as high would hide a family that is there.
        result = crystal_search(sae, seed=seed, n_surrogates=59)
        planted = set(map(frozenset, sae.true_corner.values.tolist()))
        sides = {frozenset(pair) for corner in sae.true_corner.values.tolist() for pair in (corner[:2], corner[2:])}
        for place, kind in enumerate(KINDS):
            of_kind = result.sel(kind=kind)
            for family in range(int(of_kind.n_families)):
                pairs = of_kind.pair.values[of_kind.pair_family.values == family].tolist()
                features = frozenset(feature for pair in pairs for feature in pair)
                n_found[place] += any(corner <= features for corner in planted)
                n_false[place] += not any(frozenset(pair) in sides for pair in pairs)
        n_planted += 5
    assert n_found[0] >= 0.9 * n_planted
    assert n_found[1] >= 0.5 * n_planted
    assert (n_false <= 1).all()


def test_what_the_steps_of_a_family_follow_is_named():
    rows = with_family(1, 15)
    rng = np.random.default_rng(0)
    rising, other = rng.uniform(1, 1.4, 120), rng.uniform(0.2, 0.6, 120)
    rising[1:30:2] += 0.5
    occurrence = rng.random((300, 120)) < other
    sae = dataset(rows * rising[:, None]).assign(occurrence=(("blocks", "features"), occurrence))
    result = crystal_search(rechunk(sae, {"features": 50, "blocks": 70}), **FEW).compute()
    first = result.sel(kind="trapezoid").isel(family=0)
    assert abs(first.nuisance_rise.sel(nuisance="norm")) > 0.6
    assert first.nuisance_p.sel(nuisance="norm") == 0.001
    assert first.nuisance_p.sel(nuisance="firing_rate") > 0.01
    assert first.nuisance_p.sel(nuisance="position").isnull()
    # Rows of one norm have none that could rise, and without an occurrence there is no firing rate.
    alike = crystal_search(dataset(rows * rng.uniform(1, 1.001, (120, 1))), **FEW)
    assert alike.nuisance_p.isnull().all()
    assert alike.nuisance_rise.isnull().all()


def test_a_family_that_follows_position_is_named():
    rng = np.random.default_rng(2)
    place = rng.uniform(2, 22, 120)
    # The second of each pair fires further down the text.
    place[1:30:2] = place[:30:2] + 8
    position = np.tile(np.arange(32), 40)
    codes = (np.abs(position[:, None] - place) < 1.5) * rng.random((len(position), 120))
    codes[:, [9, 100]] = 0
    text = {"position": ("tokens", position), "is_special": ("tokens", position == 0)}
    found = mean_position(codes_group(codes.astype("float32")), xr.Dataset(text))
    first = crystal_search(dataset(with_family(1, 15)).assign(mean_position=found), **FEW).compute()
    first = first.sel(kind="trapezoid", nuisance="position").isel(family=0)
    assert abs(first.nuisance_rise) > 0.6
    assert first.nuisance_p == 0.001


@pytest.mark.parametrize("sign", [1, -1])
def test_near_copies_and_opposites_of_a_pair_are_no_crystals(sign):
    rows = random_rows(1, 200, 40)
    rows[1] = rows[0] + 0.9 * rows[1]
    rows[2:4] = sign * rows[:2] + 0.05 * rows[2:4]
    result = crystal_search(dataset(rows), k=5, **FEW)
    assert result.n_excluded.sel(reason="close_pairs" if sign > 0 else "opposite_pairs") >= 1
    assert (result.family_agreement.fillna(0) < 0.8).all()
    assert (result.n_families == 0).all()


@pytest.mark.parametrize("name", ["_TILE", "_EXACT", "_STRIP"])
def test_result_does_not_depend_on_tiles(monkeypatch, name):
    sae = dataset(random_rows(2, 150, 10))
    expected = crystal_search(sae, n_surrogates=1)
    monkeypatch.setattr(_quadruples, name, 13)
    assert_equal(crystal_search(sae, n_surrogates=1), expected)


def test_zero_rows_are_dropped_and_copies_are_no_pairs():
    sae = simulate_crystals(n_features=200, n_hidden=48, n_parallelograms=3, n_trapezoids=0)
    padded = np.insert(sae.decoder.values, [0, 10, 200], 0.0, axis=0)
    got, expected = crystal_search(dataset(padded), **FEW), crystal_search(sae, **FEW)
    names = [name for name in expected if name not in ("pair", "n_features_dropped")]
    assert_equal(got[names], expected[names])
    assert got.n_features_dropped == 3
    kept = np.flatnonzero(padded.any(axis=1))
    np.testing.assert_array_equal(got.pair, np.where(expected.pair < 0, -1, kept[expected.pair]))
    copied = crystal_search(dataset(np.repeat(sae.decoder.values[:60], 2, axis=0)), **FEW)
    assert copied.n_merged == 60
    alone = crystal_search(dataset(sae.decoder.values[:60]), **FEW)
    assert_equal(copied[["family_score", "n_pairs"]], alone[["family_score", "n_pairs"]])
    assert (copied.family_agreement.fillna(0) <= 1).all()


@pytest.mark.parametrize("n_alive", [0, 1, 5])
def test_few_features_leave_a_written_outcome(n_alive):
    rows = np.zeros((20, 4))
    rows[:n_alive] = random_rows(0, max(n_alive, 1), 4)[:n_alive]
    result = crystal_search(rechunk(dataset(rows), {"features": 6}), k=5, **FEW).compute()
    assert (result.n_features_used.item(), result.n_features_dropped.item()) == (n_alive, 20 - n_alive)
    assert (result.n_families == 0).all()
    # Five rows have no Gaussian rows of their covariance, but clusters whose offsets can be exchanged.
    assert result.largest_score_p.sel(null="spectrum_matched").isnull().all()
    assert (result.largest_score_p.sel(null="exchanged_offsets").isnull() == (n_alive < 2)).all()


def test_equal_rows_have_no_pairs():
    result = crystal_search(dataset(np.full((30, 4), 0.3)), k=5, **FEW)
    assert result.n_pairs == 0
    assert result.n_merged == 29
    assert (result.n_families == 0).all()


def test_sampled_rows_are_searched_among_themselves():
    rows = random_rows(4, 90, 8)
    result = crystal_search(rechunk(dataset(rows), {"features": 11}), n_samples=60, seed=2, **FEW).compute()
    drawn = np.sort(np.random.default_rng((2, 0)).choice(90, 60, replace=False))
    alone = crystal_search(dataset(rows[drawn]), seed=2, **FEW)
    assert_equal(result.drop_vars("pair"), alone.drop_vars("pair"))
    np.testing.assert_array_equal(result.pair, np.where(alone.pair < 0, -1, drawn[alone.pair]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 50}, "k: got 50, expected at most 49, the other rows"),
        ({"n_samples": 51}, "n_samples: got 51, expected 1 to 50"),
        ({"least_agreement": 0.0}, "least_agreement: got 0.0"),
        ({"n_surrogates": 0}, "n_surrogates: got 0"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ParameterError, match=f"crystal_search: {message}"):
        crystal_search(rechunk(dataset(np.ones((50, 3))), {"features": 7}), **parameters)


@pytest.mark.parametrize("n_planted", [0, 4])
def test_families_are_counted_by_the_rule_that_claims_are_judged_by(n_planted):
    sae = simulate_crystals(n_features=120, n_hidden=24, n_parallelograms=n_planted, n_trapezoids=0, seed=3)
    result = crystal_search(sae, n_surrogates=19, false_discovery_rate=0.1)
    is_claimed = (result.largest_score_p <= 0.1 + 1e-12).all("null")
    np.testing.assert_array_equal(result.n_families > 0, is_claimed)
    assert bool(is_claimed.sel(kind="parallelogram")) == (n_planted > 0)
    np.testing.assert_array_equal(result.family_q[..., 0], result.largest_score_p)
    assert (result.family_q >= result.largest_score_p).where(result.family_q.notnull(), True).all()


def test_no_quadruple_is_no_evidence():
    result = crystal_search(simulate_crystals(n_parallelograms=0, n_trapezoids=0), least_agreement=0.9, **FEW)
    assert (result.n_quadruples == 0).all()
    assert (result.largest_score == 0).all()
    assert (result.largest_score_p == 1).all()


def test_rate_is_the_mean_number_in_surrogates_over_that_in_the_data():
    score = np.array([0.9, 0.8, 0.8, 0.7, 0.6])
    null = np.array([[0.85, 0.65, -np.inf], [0.61, -np.inf, -np.inf], [-np.inf] * 3, [0.62, 0.6, -np.inf]])
    # One is added to the total of four surrogates: 1/4 of 1, 2/4 of 3, 2/4 of 4, 6/4 of 5.
    expected = [1 / 8, 1 / 8, 1 / 8, 1 / 8, 3 / 10]
    np.testing.assert_allclose(q_values(score, null), expected)
    assert q_values(np.empty(0), null).shape == (0,)
    assert q_values(np.array([0.5, 0.4]), np.full((1, 2), 1.0)).tolist() == [1.0, 1.0]


@pytest.mark.statistical
@pytest.mark.parametrize("n_true", [0, 5, 60])
def test_false_discovery_rate_is_the_one_stated(n_true):
    rng = np.random.default_rng(n_true)
    share = []
    for _ in range(3000):
        # True scores overlap with those of the null; a threshold of 0.8 has 8 of 40 null ones above it.
        null = np.full((20, 80), -np.inf)
        for row in null:
            false = rng.random(rng.poisson(40))
            row[: len(false)] = false
        score = np.append(rng.random(rng.poisson(40)), 1.2 * rng.random(n_true))
        order = np.argsort(-score)
        found = q_values(score[order], null) <= 0.05
        share.append(np.mean(order[found] < len(score) - n_true) if found.any() else 0.0)
    error = np.std(share) / np.sqrt(len(share))
    assert np.mean(share) <= 0.05 + 3 * error
    # Not for want of finding anything.
    assert np.mean(share) >= 0.2 * 0.05


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_the_simulator_plants_what_it_says(exponent):
    sae = simulate_crystals(n_hidden=30, n_parallelograms=7, n_trapezoids=6, spectrum_exponent=exponent, seed=1)
    np.testing.assert_allclose(np.linalg.norm(sae.decoder, axis=1), 1)
    assert len(np.unique(sae.true_corner)) == 4 * 13
    a, b, c, d = np.moveaxis(sae.decoder.values[sae.true_corner.values], 1, 0)
    length = np.linalg.norm(b - a, axis=1), np.linalg.norm(d - c, axis=1)
    np.testing.assert_allclose(length[0], 1)
    np.testing.assert_allclose(length[1], np.where(sae.kind == "parallelogram", 1, 0.5))
    np.testing.assert_allclose(((b - a) * (d - c)).sum(axis=1), length[0] * length[1])
    parallelogram = (sae.kind == "parallelogram").values
    np.testing.assert_allclose((b - a - d + c)[parallelogram], 0, atol=1e-12)
    noisy = simulate_crystals(n_hidden=400, n_parallelograms=40, n_trapezoids=0, noise=0.5)
    a, b, c, d = np.moveaxis(noisy.decoder.values[noisy.true_corner.values], 1, 0)
    cosine = ((b - a) * (d - c)).sum(axis=1) / (np.linalg.norm(b - a, axis=1) * np.linalg.norm(d - c, axis=1))
    assert cosine.mean() == pytest.approx(1 / (1 + 2 * 0.25), abs=0.03)


def test_the_simulator_refuses_what_it_cannot_plant():
    with pytest.raises(ParameterError, match="n_features: got 10, expected at least 12, four for each crystal"):
        simulate_crystals(n_features=10, n_parallelograms=2, n_trapezoids=1)
    with pytest.raises(ParameterError, match="n_hidden: got 2"):
        simulate_crystals(n_hidden=2)
