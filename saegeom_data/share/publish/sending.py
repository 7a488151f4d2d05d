"""Publish a store: once, whole, compared after it arrived, and resumed where it was cut off."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saegeom_data.data import manifest_of
from saegeom_data.errors import ParameterError, StoreError, TargetExistsError, suggest
from saegeom_data.remote.address import is_elsewhere
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.share.publish.publication import Publication, publication_of
from saegeom_data.share.publish.targets import Folder, Target, ZipFile
from saegeom_data.typing import Progress

_KNOWN = ("hf", "s3")


@dataclass(frozen=True)
class Published:
    """What publishing did, or would do.

    Parameters
    ----------
    address
        Where the store is, pinned to a commit where there is one.
    root
        Root hash of everything that is published.
    store_root
        Root hash of the sealed store.
    files
        Size of each file.
    sent
        Names of files that were sent, or are to be sent; empty if the same content was there already.
    """

    address: str
    root: str
    store_root: str
    files: Mapping[str, int] = field(repr=False)
    sent: tuple[str, ...] = field(repr=False)


def publish(
    path: str | os.PathLike[str], url: str, *, dry_run: bool = False, progress: Progress | None = None
) -> Published:
    """Publish a sealed store with its card, Croissant description, citation, licences and Parquet tables.

    Parameters
    ----------
    path
        Folder of the store.
    url
        A folder, a file ending in ``.zip``, ``s3://bucket/prefix`` or ``hf://datasets/owner/name``, with ``@tag`` for
        a version of its own.
    dry_run
        Find out what would be sent, and send nothing.
    progress
        Called with the bytes sent so far and those to send.

    Returns
    -------
    Published
        Where it is and what was sent. The same content is not sent again.

    Raises
    ------
    StoreError, ValidationError
        If the store is not whole or not valid, the target cannot be reached or written to, or what arrived differs.
    TargetExistsError
        If other content is published there; it is left as it is.
    ParameterError
        If nothing can be published to that kind of address.
    MissingDependencyError
        If the extra ``hub`` is needed and not installed.

    Examples
    --------
    >>> import saegeom_data, tempfile
    >>> target = f"{tempfile.mkdtemp()}/sample.zarr"
    >>> len(publish(saegeom_data.sample_path(), target).sent) > 100
    True
    >>> publish(saegeom_data.sample_path(), target).sent
    ()
    """
    if is_elsewhere(path):
        raise ParameterError(f"{os.fspath(path)}: only a folder of this machine can be published; download it first")
    target = target_at(url)
    # Asked before the store is read: most of the work is spared if the content is there already.
    there = target.manifest()
    with publication_of(Path(path)) as publication:
        if there is not None:
            return _there_already(target, there, publication)
        names = target.missing(publication)
        if dry_run:
            return _published(target.address, publication, names)
        total = sum(publication.size(name) for name in names)
        done = 0

        def sent(name: str) -> None:
            nonlocal done
            done += publication.size(name)
            if progress is not None:
                progress(done, total)

        try:
            target.send(publication, names, sent)
            address = target.finish(publication)
        # StoreError is an OSError too: a refusal by the target and a full disk end in the same place.
        except OSError as error:
            return _after(error, target, publication)
        return _published(address, publication, names)


def target_at(url: str | os.PathLike[str]) -> Target:
    """Find the target at an address.

    Raises
    ------
    ParameterError
        If nothing can be published to that kind of address.
    """
    url = os.fspath(url)
    protocol, separator, _ = url.partition("://")
    if not separator:
        return ZipFile(url) if url.lower().endswith(".zip") else Folder(url.rstrip("/"))
    if protocol == "s3":
        from saegeom_data.share.publish.bucket import Bucket

        return Bucket(url)
    if protocol == "hf":
        from saegeom_data.share.publish.hub import Repository

        return Repository(url)
    raise ParameterError(
        f"{url}: nothing can be published to {protocol!r}{suggest(protocol, _KNOWN)}; known: a local folder, a .zip,"
        " s3://bucket/prefix, hf://datasets/owner/name"
    )


def _there_already(target: Target, there: Mapping[str, Any], publication: Publication) -> Published:
    """Return what was published before; raise if that is other content, or was damaged since."""
    if there.get("store_root") != publication.store_root:
        raise TargetExistsError(
            f"{target.address}: holds another version, root {there['root']}; give another path or @tag"
        )
    found = manifest_of.manifest_problems(target.address)
    if found:
        raise StoreError(f"{target.address}: published before, but damaged since: {found[0]}")
    sizes = {name: int(file["size"]) for name, file in there["files"].items()}
    return Published(target.address, str(there["root"]), publication.store_root, sizes, ())


def _published(address: str, publication: Publication, names: list[str]) -> Published:
    sizes = {name: publication.size(name) for name in publication.files}
    sizes[MANIFEST] = len(publication.manifest_text())
    sent = (*names, MANIFEST)
    return Published(address, publication.root, publication.store_root, sizes, sent)


def _after(error: OSError, target: Target, publication: Publication) -> Published:
    """Raise with what to do after a failure, or say what someone else has published meanwhile."""
    try:
        there = target.manifest()
    except OSError:
        there = None
    # A folder is not renamed onto one that is there: another publisher was first, whatever it published.
    if there is not None and (there.get("root") == publication.root or isinstance(target, Folder)):
        return _there_already(target, there, publication)
    if isinstance(error, StoreError):
        raise error
    # An archive is written at once: nothing of it is left to continue.
    again = "publish again" if isinstance(target, ZipFile) else "publish again, and it continues where it stopped"
    raise StoreError(f"{target.address}: {error.strerror or error}; nothing is published yet; {again}") from error
