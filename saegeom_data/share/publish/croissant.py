"""The Croissant description of a published store: its arrays as a set of files, its tables as sets of records."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data import comparability, schema
from saegeom_data.data.sites import site_views
from saegeom_data.share.publish.documents import KEYWORDS, as_object, creators, sources, title
from saegeom_data.shown import without_secrets

if TYPE_CHECKING:
    import xarray as xr

# The context that the specification of Croissant 1.0 asks every description to carry, word for word.
_VOCABULARY = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"int32": "sc:Integer", "int64": "sc:Integer", "float": "sc:Float", "double": "sc:Float"}


def croissant(
    tree: xr.DataTree, folder: Path, tables: Mapping[str, Mapping[str, Any]], root: str, date: str | None
) -> str:
    """Describe a store in Croissant 1.0 with minimal responsible-AI fields.

    Parameters
    ----------
    tree
        The store.
    folder
        Where its Parquet tables lie.
    tables
        Path of each table with its size and sha256.
    root
        Root hash of the sealed store.
    date
        Day on which it was sealed.
    """
    name = str(tree.attrs.get("name") or title(tree))
    facts: dict[str, Any] = {
        "@context": _VOCABULARY,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        # The validator of Croissant asks for names of these characters alone.
        "name": re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-"),
        "description": str(tree.attrs.get("description") or title(tree)),
        "license": str(tree.attrs.get("license", "unknown")),
        # Not where it is put: the same store has the same description everywhere.
        "url": str(tree.attrs.get("url") or f"urn:sha256:{root}"),
        "version": f"{tree.attrs.get('format_version', 1)}.0.0",
        "datePublished": date,
        "citeAs": str(tree.attrs.get("citation") or title(tree)),
        "creator": [{"@type": "sc:Organization", "name": creator} for creator in creators(tree)],
        "keywords": list(KEYWORDS),
        "isLiveDataset": False,
        **_responsible(tree),
        "distribution": [_arrays(), *(_file(path, measured) for path, measured in tables.items())],
        "recordSet": [_records(folder, path) for path in tables],
    }
    # What nobody has stated is left out, rather than stated to be null.
    return (
        without_secrets(json.dumps({key: value for key, value in facts.items() if value is not None}, indent=1)) + "\n"
    )


def _arrays() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "zarr",
        "name": "zarr",
        "description": "One zarr v3 hierarchy with consolidated metadata; MANIFEST.json lists what is in it",
        "encodingFormat": "application/vnd.zarr",
        "includes": ["zarr.json", "**/zarr.json", "**/c", "**/c.*"],
    }


def _file(path: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{facts['size']} B",
        "encodingFormat": "application/x-parquet",
        "sha256": facts["sha256"],
    }


def _records(folder: Path, path: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    name = Path(path).stem
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column.name}",
            "name": column.name,
            # What has no type of its own in the vocabulary, such as a list, is text to readers.
            "dataType": _TYPES.get(str(column.type), "sc:Text"),
            "source": {"fileObject": {"@id": path}, "extract": {"column": column.name}},
        }
        for column in pq.read_schema(folder / path)
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _responsible(tree: xr.DataTree) -> dict[str, Any]:
    """Where the data come from, what was done to them, and what they are not fit for, as far as the store says."""
    origin = [str(source.get("title") or source.get("name")) for source in sources(tree)]
    model = as_object(tree.attrs.get("model")).get("name")
    if tree.attrs.get("kind") == "results":
        collection = f"Computed by saegeom run on: {tree.attrs.get('dataset_title', 'a dataset')}"
    else:
        texts = f" on {'; '.join(origin)}" if origin else ""
        collection = f"Feature vectors of sparse autoencoders{f' of {model}' if model else ''}{texts}"
    saes = [tree.children["saes"].children[name].children["features"] for name in schema.sae_names(tree)]
    limitations = comparability.unmatched([view for sae in saes for view in site_views(sae.to_dataset(inherit=False))])
    return {
        "rai:dataCollection": collection,
        "rai:dataPreprocessingProtocol": f"recipe: {tree.attrs['recipe']}" if "recipe" in tree.attrs else None,
        "rai:dataLimitations": "; ".join(limitations) or None,
        "rai:dataUseCases": "Measuring the geometry of features of sparse autoencoders",
        "rai:personalSensitiveInformation": str(
            tree.attrs.get("personal_information", "not assessed beyond the sources that dataCollection names")
        ),
    }
