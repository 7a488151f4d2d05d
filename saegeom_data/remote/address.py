"""Addresses of files: paths of this machine, and URLs of the kinds that are read."""

from __future__ import annotations

import os

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
