"""Documents of a source, whatever it is: files, a dataset or a generator, streamed one at a time."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from saegeom_data.errors import StoreError
from saegeom_data.harvest.recipe import Recipe
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text.datasets import hub_rows
from saegeom_data.harvest.text.files import draw, file_rows
from saegeom_data.harvest.text.generators import generated_rows
from saegeom_data.harvest.text.roots import Roots


def check_sources(recipe: Recipe, roots: Roots) -> None:
    """Check that all files of a recipe are there and have the stated checksums.

    Raises
    ------
    ParameterError
        If a root is not given.
    StoreError
        If a file is missing or its sha256 differs.
    """
    for source in recipe.sources:
        if source.location is None:
            continue
        path = roots.resolve(source.location)
        if not path.exists():
            raise StoreError(
                f"{path}: no such file, needed by source {source.name!r}; check the root or fetch it{_from(source)}"
            )
        if source.sha256 is not None:
            # With the time of change, so that a file that is mended between two calls of one process is read again.
            got = _sha256(path, path.stat().st_mtime_ns)
            if got != source.sha256:
                raise StoreError(f"{path}: got sha256 {got}, expected {source.sha256}; fetch it again{_from(source)}")


def _from(source: Source) -> str:
    return f" from {source.url}" if source.url else ""


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stream_source(source: Source, roots: Roots, work: Path, seed: int, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the documents of one source, one in memory at a time.

    Parameters
    ----------
    source
        Where the text comes from.
    roots
        Folders by name.
    work
        Folder for copies and caches.
    seed
        Seed of the draw of documents.
    start
        Number of the first document to yield.

    Yields
    ------
    dict
        ``document_id`` and ``text``, in the order of the source; of a dataset ``document_type`` too.

    Raises
    ------
    DataValueError
        If a file is not in the stated encoding or not well-formed.
    StoreError
        If no file matches.
    """
    if source.generator is not None:
        yield from generated_rows(source.generator, source.documents or 0, source.seed, start)
    elif source.lines_per_document is None:
        whole = _whole(source, roots, work, seed, start)
        # A dataset has skipped to the start by itself.
        yield from whole if source.dataset is not None else islice(whole, start, None)
    else:

        def pieces() -> Iterator[dict[str, Any]]:
            return _cut_lines(_whole(source, roots, work, seed), source.lines_per_document or 1)

        if source.documents is None:
            yield from islice(pieces(), start, None)
        else:
            # Two readings: how many pieces there are to draw from is known only after the first.
            chosen = set(draw(sum(1 for _ in pieces()), source.documents, seed))
            drawn = (row for index, row in enumerate(pieces()) if index in chosen)
            yield from islice(drawn, start, None)


def _whole(source: Source, roots: Roots, work: Path, seed: int, start: int = 0) -> Iterator[dict[str, Any]]:
    """Documents before they are cut into lines; a dataset skips to the one numbered ``start`` by itself."""
    if source.dataset is not None:
        return hub_rows(source, source.dataset, roots, start)
    return file_rows(source, roots, work, seed)


def _cut_lines(rows: Iterable[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    for row in rows:
        lines = row["text"].splitlines()
        for start in range(0, len(lines), count):
            yield row | {
                "document_id": f"{row['document_id']}#{start // count:04d}",
                "text": "\n".join(lines[start : start + count]),
            }


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ``datasets`` and ``transformers`` from drawing progress bars, and leave their settings as they were.

    What ``datasets`` logs beside its errors is in them too.
    """
    import datasets
    from transformers.utils import logging

    restore = [datasets.enable_progress_bars] if datasets.is_progress_bar_enabled() else []
    if logging.is_progress_bar_enabled():
        restore.append(logging.enable_progress_bar)
    loud = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(loud)
        for switch_on in restore:
            switch_on()
