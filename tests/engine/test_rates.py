from __future__ import annotations

import json
import time

import pytest

from saegeom_data.engine import rates
from saegeom_data.lazy import KINDS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "cache"))
    rates._measured.cache_clear()
    return tmp_path / "cache"


def kept(cache):
    return sorted(cache.rglob("*.json"))


def test_every_kind_of_work_has_a_rate_and_measuring_takes_under_a_second(cache):
    rates.rates()
    rates._measured.cache_clear()
    started = time.process_time()
    found = rates._measured()
    # Of processors: others may have the machine.
    assert time.process_time() - started < 1
    assert set(found) == set(rates.REFERENCE) == {*KINDS, rates.READ}
    assert all(0 < seconds < 1 for seconds in found.values())


def test_rates_are_kept_in_the_cache_and_not_measured_again(cache, monkeypatch):
    first = rates.rates()
    (file,) = kept(cache)
    assert json.loads(file.read_text()) == first
    monkeypatch.setattr(rates, "_measured", lambda: pytest.fail("measured again"))
    assert rates.rates() == first


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"products": -1}', "null"])
def test_damaged_rates_are_measured_again(cache, monkeypatch, damage):
    known = dict.fromkeys((*KINDS, rates.READ), 1e-9)
    monkeypatch.setattr(rates, "_measured", lambda: known)
    rates.rates()
    (file,) = kept(cache)
    file.write_text(damage)
    assert rates.rates() == known
    assert json.loads(file.read_text()) == known


def test_rates_of_other_versions_and_processors_are_others(cache, monkeypatch):
    monkeypatch.setattr(rates, "_measured", lambda: dict.fromkeys((*KINDS, rates.READ), 1e-9))
    rates.rates()
    monkeypatch.setattr(rates.np, "__version__", "0.0")
    rates.rates()
    monkeypatch.setattr(rates, "_processor", lambda: "another")
    rates.rates()
    assert len(kept(cache)) == 3


def test_nothing_is_kept_where_nothing_may_be(tmp_path, monkeypatch):
    measured = []
    known = dict.fromkeys((*KINDS, rates.READ), 1e-9)
    monkeypatch.setattr(rates, "_measured", lambda: measured.append(1) or known)
    monkeypatch.setenv("SAEGEOM_CACHE", "")
    assert rates.rates() == known
    # A folder that cannot be made, because a file has its name.
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "taken"))
    assert rates.rates() == known
    assert len(measured) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
