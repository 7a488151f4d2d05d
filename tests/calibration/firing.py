"""Simulated SAEs of which it matters what fires when: independent firing, planted lobes, and firing that misleads."""

from __future__ import annotations

import numpy as np
import xarray as xr

N, HIDDEN, BLOCKS = 60, 8, 120
SHORT_BLOCKS, SHORT_OF_DOCUMENT = 480, 6

_TYPES = 2


def _sae(decoder: np.ndarray, fires: np.ndarray) -> xr.Dataset:
    """An SAE whose blocks come in documents of three, of two types in turn."""
    document = np.arange(len(fires)) // 3
    names = np.array([f"type {kind}" for kind in range(_TYPES)], dtype=object)
    return xr.Dataset(
        {
            "decoder": (("features", "hidden"), decoder / np.linalg.norm(decoder, axis=1, keepdims=True)),
            "occurrence": (("blocks", "features"), fires),
            "document": ("blocks", document.astype("int32")),
            "document_type": ("blocks", names[document % _TYPES]),
        },
        attrs={"document_types": list(names)},
    )


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 61])


def _types(n_blocks: int = BLOCKS) -> np.ndarray:
    """Type (blocks,) of the document of each block."""
    return np.arange(n_blocks) // 3 % _TYPES


def independent(seed: int, n: int = N) -> xr.Dataset:
    """Features that fire independently at their own rates in blocks of unequal activity, at any places."""
    rng = _rng(seed)
    logit = rng.normal(-1.2, 0.6, n) + rng.normal(0, 0.6, (BLOCKS, 1))
    fires = rng.random((BLOCKS, n)) < 1 / (1 + np.exp(-logit))
    return _sae(rng.standard_normal((n, HIDDEN)), fires)


def one_rate(seed: int, n: int = N) -> xr.Dataset:
    """Features that fire independently in a quarter of the blocks, so that nothing sets one apart from another."""
    rng = _rng(seed)
    return _sae(rng.standard_normal((n, HIDDEN)), rng.random((BLOCKS, n)) < 0.25)


def lobes(seed: int, n: int = N, strength: float = 0.8, geometry: float = 0.0) -> xr.Dataset:
    """Two lobes, each of which fires more in documents of one type; ``geometry`` moves the rows of a lobe together."""
    rng = _rng(seed)
    lobe = rng.permutation(np.arange(n) % 2)
    boost = np.where(_types()[:, None] == lobe, 1 + strength, 1 - strength)
    fires = rng.random((BLOCKS, n)) < rng.uniform(0.1, 0.4, n) * boost
    decoder = rng.standard_normal((n, HIDDEN)) / np.sqrt(HIDDEN)
    decoder[:, 0] += geometry * (2 * lobe - 1)
    return _sae(decoder, fires)


def _with_text(sae: xr.Dataset, words: np.ndarray) -> xr.Dataset:
    """Add the text of each block: the word pieces that ``words`` (blocks, pieces) says are in it, once each."""
    places = np.where(words, np.arange(words.shape[1]), -1)
    return sae.assign(block_token_id=(("blocks", "places"), places.astype("int32")))


def _of_types(rng: np.random.Generator, n: int, strength: float) -> np.ndarray:
    """Firing (blocks, n) that half of the features do more of in documents of one type, half in the other."""
    kind = rng.permutation(np.arange(n) % 2)
    boost = np.where(_types()[:, None] == kind, 1 + strength, 1 - strength)
    return np.asarray(rng.random((BLOCKS, n)) < rng.uniform(0.1, 0.4, n) * boost)


def words_alike(seed: int, n: int = N) -> xr.Dataset:
    """Features and word pieces of one law, so that lobes of either tell types apart as well."""
    rng = _rng(seed)
    sae = _sae(rng.standard_normal((n, HIDDEN)), _of_types(rng, n, 0.4))
    return _with_text(sae, _of_types(rng, n, 0.4))


def untrained_alike(seed: int, n: int = N, strength: float = 0.4) -> xr.Dataset:
    """An SAE and an untrained one whose features are of one law, so that lobes of either tell types apart as well."""
    rng = _rng(seed)
    sae = _sae(rng.standard_normal((n, HIDDEN)), _of_types(rng, n, strength))
    return sae.assign(untrained_occurrence=(("blocks", "untrained_features"), _of_types(rng, n, strength)))


def short_alike(seed: int, n: int = N) -> xr.Dataset:
    """The same in short blocks, six to a document: features, words and untrained features of one law."""
    rng = _rng(seed)
    document = np.arange(SHORT_BLOCKS) // SHORT_OF_DOCUMENT
    fires, untrained, words = (_of_documents(rng, document, n) for _ in range(3))
    sae = _sae(rng.standard_normal((n, HIDDEN)), _of_types(rng, n, 0.4))
    return sae.assign(
        short_occurrence=(("short_blocks", "features"), fires),
        short_untrained_occurrence=(("short_blocks", "untrained_features"), untrained),
        short_document=("short_blocks", document.astype("int32")),
        short_document_type=("short_blocks", np.array(sae.attrs["document_types"], dtype=object)[document % _TYPES]),
        short_place=("short_blocks", np.arange(SHORT_BLOCKS) % SHORT_OF_DOCUMENT),
        short_token_id=(("short_blocks", "short_places"), np.where(words, np.arange(n), -1).astype("int32")),
    )


def _of_documents(rng: np.random.Generator, document: np.ndarray, n: int) -> np.ndarray:
    """Firing (short_blocks, n) that half of the features do more of in documents of one type, half in the other."""
    kind = rng.permutation(np.arange(n) % 2)
    boost = np.where((document % _TYPES)[:, None] == kind, 1.5, 0.5)
    return np.asarray(rng.random((len(document), n)) < rng.uniform(0.05, 0.25, n) * boost)


def others_of_no_type(seed: int, n: int = N) -> xr.Dataset:
    """Two lobes of features, each of a type of document, where words and an untrained SAE are those of any type."""
    words, untrained = (_of_types(np.random.default_rng([seed, key]), n, 0.0) for key in (62, 63))
    sae = lobes(seed, n).assign(untrained_occurrence=(("blocks", "untrained_features"), untrained))
    return _with_text(sae, words)


def rates(seed: int, n: int = N) -> xr.Dataset:
    """Independent firing, whose rates also say where a feature lies: they drive both sides and nothing else does."""
    rng = _rng(seed)
    rate = rng.permutation(np.linspace(0.05, 0.6, n))
    fires = rng.random((BLOCKS, n)) < rate
    decoder = rng.standard_normal((n, HIDDEN)) / np.sqrt(HIDDEN)
    decoder[:, 0] += 4 * rate
    return _sae(decoder, fires)


def types_alone(seed: int, n: int = N) -> xr.Dataset:
    """Documents that differ in how much fires, but not in what."""
    rng = _rng(seed)
    activity = np.where(np.arange(BLOCKS) // 3 % 2, 1.6, 0.6)[:, None]
    fires = rng.random((BLOCKS, n)) < rng.uniform(0.1, 0.4, n) * activity
    return _sae(rng.standard_normal((n, HIDDEN)), fires)


def saturated(seed: int, n: int = N) -> xr.Dataset:
    """Independent firing, with a third of the features on in every block."""
    sae = independent(seed, n)
    fires = sae.occurrence.values.copy()
    fires[:, : n // 3] = True
    return _sae(sae.decoder.values, fires)


def rare_in_one_block(seed: int, n: int = N) -> xr.Dataset:
    """Independent firing, and ten features that are on in one shared block alone."""
    sae = independent(seed, n)
    fires = sae.occurrence.values.copy()
    fires[:, :10] = False
    fires[int(_rng(seed).integers(BLOCKS)), :10] = True
    return _sae(sae.decoder.values, fires)


def alike(seed: int, n: int = N) -> xr.Dataset:
    """Features that all fire in the same blocks."""
    sae = independent(seed, n)
    return _sae(sae.decoder.values, np.repeat(sae.occurrence.values[:, :1], n, axis=1))


def copied(seed: int, n: int = N) -> xr.Dataset:
    """Independent firing, with a third of the features copies of another third: they fire and lie as these do."""
    sae = independent(seed, n)
    decoder, fires = sae.decoder.values.copy(), sae.occurrence.values.copy()
    decoder[: n // 3], fires[:, : n // 3] = decoder[n // 3 : 2 * (n // 3)], fires[:, n // 3 : 2 * (n // 3)]
    return _sae(decoder, fires)


ODD = {
    "independent firing at unequal rates": independent,
    "saturated: a third fire in every block": saturated,
    "ten rare features, on in one shared block": rare_in_one_block,
    "all features alike": alike,
    "firing rates that drive both sides": rates,
    "a third exact copies": copied,
    "types differ in how much fires, not in what": types_alone,
    "two lobes of types, uniform places": lobes,
}
