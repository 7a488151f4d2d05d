"""Addresses of files: paths of this machine, and URLs of the kinds that are read."""

from __future__ import annotations

import os
import re

KNOWN = ("hf", "http", "https", "s3")


def is_remote(address: str | os.PathLike[str]) -> bool:
    """Whether an address is a URL rather than a path of this machine."""
    return "://" in os.fspath(address)


def is_elsewhere(address: str | os.PathLike[str]) -> bool:
    """Whether a store is no folder of this machine: at a URL, or in an archive."""
    return is_remote(address) or (os.fspath(address).lower().endswith(".zip") and os.path.isfile(address))


def without_query(url: str) -> str:
    """An address up to its question mark."""
    return url.partition("?")[0]


def name_of(address: str) -> str:
    """Name of what is at an address, without the endings of stores, so that it fits into the name of a file.

    Examples
    --------
    >>> name_of("data/mine.zarr"), name_of("s3://bucket/wide.zarr.zip"), name_of("hf://datasets/me/set@v1/")
    ('mine', 'wide', 'set-v1')
    """
    address = re.sub(r"(?<=://)[^/?#]*@", "", address)
    name = address.split("?")[0].split("::")[0].replace("\\", "/").rstrip("/").rpartition("/")[2]
    for ending in (".zip", ".zarr"):
        name = name.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "data"
