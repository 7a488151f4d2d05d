"""Every benchmark at a small size: ours and each peer must agree on the answer. Nothing is timed here."""

import importlib.util

import pytest
from cases import CASES
from checked import measure as measure_checking
from crystals import measure as measure_crystals
from demo import measure as measure_command
from galaxy import measure_shares, measure_suite
from large import measure as measure_large
from paper import measure as measure_paper
from paper import measure_wide
from soak import SOAK

import saegeom_data

PEERS = [(name, peer) for name, case in CASES.items() for peer in case.peers]


@pytest.mark.parametrize(("name", "peer"), PEERS)
def test_ours_and_the_peer_agree(name, peer, tmp_path):
    case = CASES[name]
    needs = case.peers[peer].needs
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    task = case.prepare(tmp_path, **case.small)
    case.peers[peer].agrees(case.ours(task), case.peers[peer].solve(task))


@pytest.mark.parametrize("n_workers", [None, 2])
def test_reads_of_a_run_are_made_again_with_the_check_and_without(n_workers, simulated_store, tmp_path):
    measured = measure_checking("isotropy", simulated_store, tmp_path, repeats=1, n_workers=n_workers)
    with saegeom_data.open(simulated_store) as tree:
        n_saes, decoders = len(tree["saes"]), sum(sae["features"].decoder.nbytes for sae in tree["saes"].values())
    # Each decoder is read whole, and compression takes less than half of random numbers.
    assert measured.reads >= n_saes
    assert measured.n_bytes > decoders / 2
    for times in (measured.unchecked, measured.checked):
        assert list(times) == ["disk", "HTTP"]
        assert all(0 < seconds < measured.seconds for seconds in times.values())


def test_a_command_is_timed():
    seconds, of_processors = measure_command("--help")
    assert seconds > 0
    assert of_processors > 0


@pytest.mark.slow
def test_shares_of_the_galaxy_run_are_of_all_its_metrics(tmp_path):
    seconds, shares = measure_shares(tmp_path, n=260, hidden=160)
    assert seconds > 0
    assert len(shares) == 7
    assert min(shares.values()) > 0
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.slow
def test_the_galaxy_run_on_a_suite_stays_under_its_limit(tmp_path):
    measured = measure_suite(tmp_path, n_saes=2, n=260, hidden=160, limit="900MB")
    assert measured["peak_bytes"] <= measured["planned_bytes"] <= 9e8
    assert measured["n_saes"] == 2


@pytest.mark.slow
def test_large_run_stays_under_its_limit(tmp_path):
    measured = measure_large(tmp_path, n_saes=3, n=8_000 if SOAK else 1_500, hidden=192, limit="900MB")
    assert measured["peak_bytes"] <= measured["planned_bytes"] <= 9e8
    assert measured["n_saes"] == 3


@pytest.mark.slow
def test_brain_scale_at_the_papers_size_stays_under_its_limit(tmp_path):
    measured = measure_paper(tmp_path, n_features=256, n_hidden=32, n_blocks=600, most=16, limit="900MB")
    assert measured["peak_bytes"] <= measured["planned_bytes"] <= 9e8


# Of more features than have a matrix of affinities, all are used as well.
@pytest.mark.parametrize(("n_features", "n_neighbours"), [(3000, 32), (17_000, None)])
@pytest.mark.slow
def test_lobes_of_wide_dictionaries_stay_under_their_limit(n_features, n_neighbours, tmp_path):
    measured = measure_wide(
        tmp_path, n_features=n_features, n_blocks=300, most=8, limit="900MB", n_neighbours=n_neighbours
    )
    assert measured["peak_bytes"] <= measured["planned_bytes"] <= 9e8


def test_planted_crystals_are_found_under_their_limit(tmp_path):
    sizes = {"n_features": 400, "n_hidden": 128, "n_planted": 4, "exponent": 0.0, "seed": 0}
    measured = measure_crystals(tmp_path, **sizes, limit="900MB")
    assert measured["peak_bytes"] <= measured["planned_bytes"] <= 9e8
    assert all(measured["recall"][kind, 0.0] == 1 for kind in ("parallelogram", "trapezoid"))
    assert all(measured["n_false"][kind] <= 0.1 * n for kind, n in measured["n_found"].items())
