"""Word pairs and their activations: the raw material of parallelograms."""

from __future__ import annotations

import csv
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from saegeom_data.errors import DataValueError, StoreError
from saegeom_data.harvest.activations import check_sites, hidden_states, layer_of
from saegeom_data.harvest.recipe import Relations
from saegeom_data.harvest.sequences import special_tokens
from saegeom_data.harvest.text import Roots

_BATCH = 256


def read_pairs(relations: Relations, roots: Roots) -> list[tuple[str, str, str]]:
    """Read relation, source and target of all pairs.

    Raises
    ------
    StoreError
        If no file matches.
    DataValueError
        If a file has another header, an empty word or no pair.
    """
    pairs: list[tuple[str, str, str]] = []
    for pattern in relations.files:
        found = sorted(glob.glob(str(roots.resolve(pattern))))
        if not found:
            raise StoreError(f"{pattern}: no such file; check relations.files")
        for path in found:
            own = list(_read_file(Path(path)))
            pairs += own[: relations.pairs]
    return pairs


def _read_file(path: Path) -> Iterator[tuple[str, str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        header = next(reader, [])
        if header != ["source", "target"]:
            raise DataValueError(f"{path}: got header {','.join(header)!r}, expected 'source,target'")
        count = 0
        for row in reader:
            if len(row) != 2 or not all(word.strip() for word in row):
                raise DataValueError(f"{path}:{reader.line_num}: got {row!r}, expected two words")
            count += 1
            yield path.stem, row[0].strip(), row[1].strip()
    if count == 0:
        raise DataValueError(f"{path}: no pairs; add lines of source,target")


def pair_table(pairs: Sequence[tuple[str, str, str]], tokenizer: Any) -> xr.Dataset:
    """Return the pairs with what may confound them: word lengths and numbers of word-pieces."""
    names, sources, targets = zip(*pairs, strict=True)
    counts = [[len(ids) for ids in _word_pieces(words, tokenizer)] for words in (sources, targets)]
    length = [len(target) - len(source) for source, target in zip(sources, targets, strict=True)]
    columns: dict[str, npt.NDArray[Any]] = {
        "relation": np.asarray(names, dtype=object),
        "source": np.asarray(sources, dtype=object),
        "target": np.asarray(targets, dtype=object),
        "length_difference": np.asarray(length, dtype=np.int32),
        "source_token_count": np.asarray(counts[0], dtype=np.int32),
        "target_token_count": np.asarray(counts[1], dtype=np.int32),
    }
    return xr.Dataset({name: ("pairs", values) for name, values in columns.items()})


def word_activations(
    words: Sequence[str], model: Any, tokenizer: Any, sites: Sequence[str], pieces: str
) -> dict[str, npt.NDArray[np.float16]]:
    """Return activations of words, each encoded alone between the special tokens.

    Parameters
    ----------
    words
        Words.
    model, tokenizer
        Of ``transformers``.
    sites
        Hidden states.
    pieces
        ``"last"`` word-piece or ``"mean"`` of all.

    Returns
    -------
    dict
        For each site (words, hidden) float16.
    """
    check_sites(sites, model)
    prefix, suffix = special_tokens(tokenizer)
    ids = _word_pieces(words, tokenizer)
    result = {site: np.empty((len(words), model.config.hidden_size), dtype=np.float16) for site in sites}
    # Words of one length go together: padding would change their activations.
    for length in sorted({len(one) for one in ids}):
        same = [index for index, one in enumerate(ids) if len(one) == length]
        for low in range(0, len(same), _BATCH):
            batch = same[low : low + _BATCH]
            tokens = np.asarray([[*prefix, *ids[index], *suffix] for index in batch], dtype=np.int32)
            for site, state in zip(sites, hidden_states(model, tokens, sites), strict=True):
                own = state[:, len(prefix) : len(prefix) + length]
                chosen = own[:, -1] if pieces == "last" else own.mean(dim=1)
                result[site][batch] = chosen.numpy()
    return result


def _word_pieces(words: Sequence[str], tokenizer: Any) -> list[list[int]]:
    pieces: list[list[int]] = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    for word, ids in zip(words, pieces, strict=True):
        if not ids:
            raise DataValueError(f"the tokenizer leaves nothing of the word {word!r}; remove it")
    return pieces


def site_dataset(
    source: npt.NDArray[np.float16], target: npt.NDArray[np.float16], site: str, pieces: str, model_name: str
) -> xr.Dataset:
    """Return the activations of all pairs at one site as a group of a store."""
    return xr.Dataset(
        {
            "source_activation": (("pairs", "hidden"), source),
            "target_activation": (("pairs", "hidden"), target),
        },
        coords={"site": site, "layer": layer_of(site)},
        attrs={
            "model": model_name,
            "source_dtype": "float32",
            "context": "each word alone between the special tokens",
            "word_pieces": pieces,
        },
    )
