"""What an atlas is made of, opened: a store and results of the same data, by their addresses."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.atlas.build import Source
from saegeom_data.data import store
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.errors import ParameterError
from saegeom_data.labels.extend import earlier_roots
from saegeom_data.results.open import results_in
from saegeom_data.results.wording import listing
from saegeom_data.sample import sample_path


def opened_sources(sources: Sequence[str], data: str | None = None) -> Source:
    """What an atlas is made of: the store that is among the sources, or given, or known, and all results.

    Parameters
    ----------
    sources
        Folders of results, of several runs on the same data too, or a store of SAEs; paths or URLs.
    data
        Store that the results were measured on; the bundled sample is known without.

    Raises
    ------
    ParameterError
        If there are several stores, or results and store are of different data.
    StoreError
        If one of them cannot be read.
    """
    opened = {source: store.open(results_in(source)) for source in sources}
    results = {source: tree for source, tree in opened.items() if tree.attrs.get("kind") == "results"}
    stores = [source for source in sources if source not in results]
    if len(stores) + (data is not None) > 1:
        raise ParameterError(f"{listing([*stores, *([data] if data else [])])}: several stores, expected one")
    roots = {source: str(tree.attrs.get("dataset_root", "")) for source, tree in results.items()}
    if data is None and not stores and set(roots.values()) == {root_hash(sample_path())}:
        data = str(sample_path())
    held = opened[stores[0]] if stores else store.open(data) if data is not None else None
    expected = next(iter(roots.values())) if held is None else str(held.encoding.get("root", ""))
    # A store that was given labels later has another root, and says which it had.
    known = {expected, *([] if held is None else earlier_roots(held.attrs))}
    for source, root in roots.items():
        if root and expected and root not in known:
            raise ParameterError(
                f"{source}: was measured on a store of root {root[:12]}, expected {expected[:12]} as of "
                f"{stores[0] if stores else data or next(iter(roots))}; give results and the store of the same data"
            )
    return Source(held, tuple(results.values()))
