"""Made-up facts of an SAE of any width, for pages of the atlas."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.atlas.facts import (
    Contexts,
    Family,
    Firing,
    Grouping,
    Labels,
    Layout,
    Near,
    Number,
    Part,
    SaeFacts,
    Tokens,
)
from saegeom_data.typing import Array

WORDS = ["river", "stone", "night", "clause", "ledger", "tensor", "winter", "verb", "harbour", "proof", "market"]


def simulated_facts(
    n: int, *, n_neighbours: int = 4, name: str = "layer_3", labels: bool = True, **more: Any
) -> SaeFacts:
    """An SAE of n features in clusters on the map, with neighbours at random, which deflate least."""
    rng = np.random.default_rng(n)
    member = rng.integers(0, 3, n)
    found = SaeFacts(
        name=name,
        n_features=n,
        title=name.replace("_", " "),
        layout=Layout(rng.normal(size=(n, 2)) + 4 * rng.normal(size=(40, 2))[rng.integers(0, 40, n)], "Made up.", 0.9),
        facts={"model": "made-up"},
        firing=Firing(["code", "speech"], np.array([400, 600]), rng.binomial(400, 0.05, size=(2, n))),
        groupings=[
            Grouping("Three lobes", "lobe", member, [Part(f"Lobe {i}", "code") for i in range(3)], ["Holds: x."])
        ],
        numbers=[Number("skill", "how good it is", rng.normal(size=n))],
    )
    if n_neighbours:
        found.cosine, found.cofiring = _near(rng, n, n_neighbours), _near(rng, n, n_neighbours)
    if labels:
        # Eight words of a few thousand by Zipf's law deflate to about a third, as descriptions do.
        drawn = np.minimum(rng.zipf(1.3, (n, 8)), 4000)
        text = [" ".join(f"{WORDS[i % len(WORDS)]}{i // len(WORDS) or ''}" for i in row) for row in drawn.tolist()]
        found.labels = Labels(np.arange(n + 1), text, ["someone"] * n, np.full(n, np.nan))
    for key, value in more.items():
        setattr(found, key, value)
    return found


def _near(rng: np.random.Generator, n: int, k: int) -> Near:
    return Near(rng.integers(0, n, (n, k)), np.sort(rng.uniform(0, 0.9, (n, k)))[:, ::-1])


def with_words(facts: SaeFacts) -> SaeFacts:
    """The same with tokens, contexts and crystals of its first features."""
    n = facts.n_features
    text: Array = np.full((n, 2), "", object)
    text[:, 0] = [f" {WORDS[i % len(WORDS)]}" for i in range(n)]
    text[0, 1] = " seldom"
    facts.tokens = [Tokens("Tokens", "By log-odds.", text, np.array([True, False]) * np.ones((n, 1), bool))]
    facts.contexts = Contexts(
        feature=np.array([0, 0, 5]),
        before=["the bank of the", "", "a proof by"],
        mark=[" river", "Stone", " ledger"],
        after=[" rose", " walls", "."],
        value=np.array([3.5, 2.0, 1.0]),
        quantile=np.array([1.0, 0.5, 1.0]),
        document_type=["code", "", "speech"],
        source=["", "", "Neuronpedia, made-up/3-res"],
    )
    facts.families = [Family("parallelogram", np.array([[0, 1], [2, 3], [4, 5]]), "3 pairs, p = 0.01", True)]
    facts.family_words = "Holds: features form a family."
    return facts
