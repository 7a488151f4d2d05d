from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest
from atlas_facts import simulated_facts, with_words

from saegeom_data.atlas import payload
from saegeom_data.atlas.facts import Firing, Grouping, SaeFacts
from saegeom_data.atlas.page import render
from saegeom_data.errors import ParameterError


def unpacked(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts and arrays of a part, as its docstring says that they lie."""
    raw = zlib.decompress(base64.b64decode(text))
    at = 4 + int.from_bytes(raw[:4], "little")
    header = json.loads(raw[4:at])
    arrays: dict[str, Any] = {}
    for name, (kind, n, size) in header["arrays"].items():
        content, at = raw[at : at + size], at + size
        if kind == "text":
            arrays[name] = content.decode().split("\n") if n else []
        elif kind[0] == "p":
            planes = np.frombuffer(content, np.uint8).reshape(int(kind[1]), n)
            arrays[name] = sum(plane.astype(np.int64) << 8 * i for i, plane in enumerate(planes))
        else:
            arrays[name] = np.frombuffer(content, f"<{kind}")
    assert at == len(raw)
    return header["facts"], arrays


def test_what_is_packed_is_unpacked() -> None:
    facts = with_words(simulated_facts(50))
    picture, rest = (unpacked(part) for part in payload.packed(facts))
    assert [entry["name"] for entry in picture[0]["groupings"]] == ["Three lobes"]
    np.testing.assert_array_equal(picture[1]["group0"], facts.groupings[0].member)
    extent = np.ptp(facts.layout.position, axis=0).max()
    shown = np.stack([picture[1]["x"], picture[1]["y"]], axis=1) / 65534
    shown -= shown[0]
    np.testing.assert_allclose(shown, (facts.layout.position - facts.layout.position[0]) / extent, atol=2e-5)
    assert facts.cosine is not None
    np.testing.assert_array_equal(rest[1]["cosine"].reshape(50, 4) - 1, facts.cosine.index)
    np.testing.assert_allclose(rest[1]["cosineValue"].reshape(4, 50).T / 100, facts.cosine.value, atol=0.0051)
    assert facts.firing is not None
    np.testing.assert_array_equal(rest[1]["active"], facts.firing.active.sum(axis=0))
    assert facts.labels is not None
    assert rest[1]["label"] == list(facts.labels.description)
    assert [rest[1]["text"][i - 1] if i else "" for i in rest[1]["tokens0"][:4]] == [" river", " seldom", " stone", ""]
    assert rest[1]["contextMark"] == [" river", "Stone", " ledger"]
    assert np.cumsum(rest[1]["contextFeature"]).tolist() == [0, 0, 5]
    assert rest[0]["families"][0]["pairs"] == [[0, 1], [2, 3], [4, 5]]


def test_two_pages_of_the_same_are_the_same_bytes() -> None:
    one, other = (render([with_words(simulated_facts(300))], {"title": "A"}) for _ in range(2))
    assert one == other


def test_shares_of_types_are_kept_for_narrow_saes_only() -> None:
    firing = Firing(["a", "b"], np.array([10, 10]), np.ones((2, 300_000), np.int64))
    facts = simulated_facts(10, firing=firing)
    assert "share" not in unpacked(payload.packed(facts)[1])[1]
    assert "active" in unpacked(payload.packed(facts)[1])[1]


@pytest.mark.parametrize("n_groups", [3, 254, 255, 600])
def test_features_in_no_group_are_told_from_all_groups(n_groups: int) -> None:
    member = np.arange(-1, n_groups)
    facts = simulated_facts(n_groups + 1, groupings=[Grouping("g", "community", member, [])])
    said, arrays = unpacked(payload.packed(facts)[0])
    none = said["groupings"][0]["none"]
    assert arrays["group0"][0] == none
    np.testing.assert_array_equal(arrays["group0"][1:], member[1:])
    assert none not in arrays["group0"][1:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("line\nbreak\x00", "line⏎break\ufffd"),
        ("x" * 10_000, "x" * (payload.MOST_CHARACTERS - 1) + "…"),
        ("\ud800", "\ufffd"),
        ("e\u0301 👩\u200d🔬", "e\u0301 👩\u200d🔬"),
    ],
)
def test_labels_of_any_kind_are_text_of_bounded_length(text: str, expected: str) -> None:
    assert payload.clipped(text) == expected


def test_data_cannot_leave_its_script_element() -> None:
    facts = simulated_facts(4, name="</script><img src=x onerror=alert(1)>")
    page = render([facts], {"title": "</title><script>alert(1)</script>"})
    assert "<img" not in page
    assert "<script>alert" not in page


def test_an_atlas_of_nothing_is_refused() -> None:
    nothing: list[SaeFacts] = []
    with pytest.raises(ParameterError, match="got no SAE"):
        render(nothing, {})
