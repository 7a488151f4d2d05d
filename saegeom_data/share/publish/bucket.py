"""Publish to S3: objects are only ever created, compared by size and digest, and the manifest comes last."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from saegeom_data.errors import StoreError, TargetExistsError
from saegeom_data.remote.files import SourceFile, reason
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.remote.place import Place, place_at
from saegeom_data.remote.reading import manifest_at
from saegeom_data.remote.systems import filesystem
from saegeom_data.share.publish.publication import Publication
from saegeom_data.share.publish.targets import Sent

# The etag of an object that was sent in parts depends on their size: what is compared is cut as what was sent.
_PART_BYTES = 50 * 2**20
_AT_A_TIME = 8


class Bucket:
    """A prefix in a bucket."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._place: Place = place_at(self.address)
        self._system = filesystem("s3")

    def manifest(self) -> Mapping[str, Any] | None:
        """Return the manifest of what is published there; None if nothing is.

        Raises
        ------
        StoreError
            If there is no such bucket, or it may not be looked into.
        """
        bucket = self._place.base.partition("/")[0]
        try:
            self._system.call_s3("head_bucket", Bucket=bucket)
        except FileNotFoundError as error:
            raise StoreError(f"{self.address}: no bucket {bucket!r}; make it first, or check its name") from error
        except PermissionError as error:
            raise StoreError(f"{self.address}: no permission for bucket {bucket!r}; check the credentials") from error
        except Exception as error:  # botocore has a root of its own
            raise StoreError(f"{self.address}: cannot be reached: {reason(error)}; check the credentials") from error
        return None if self._place.lookup(MANIFEST) is None else manifest_at(self._place)

    def missing(self, publication: Publication) -> list[str]:
        """Names of files that no earlier attempt has sent.

        Raises
        ------
        TargetExistsError
            If there is an object that is not of this publication.
        """
        there = self._listed()
        for name, file in there.items():
            if name not in publication.files:
                raise TargetExistsError(f"{self.address}: holds {name}, which is not of this store; give another path")
            if not _same(file, publication, name):
                raise TargetExistsError(f"{self.address}: holds another {name}; give another path or remove it first")
        return [name for name in publication.files if name not in there]

    def send(self, publication: Publication, names: Iterable[str], sent: Sent) -> None:
        """Create objects, several at a time."""

        def send_file(name: str) -> str:
            # Someone else may be sending it too: finish() compares what is there.
            with contextlib.suppress(FileExistsError):
                self._system.put_file(
                    str(publication.files[name]), self._place.path(name), chunksize=_PART_BYTES, mode="create"
                )
            return name

        self._write(lambda: self._send_all(send_file, names, sent))

    def finish(self, publication: Publication) -> str:
        """List what arrived, compare it, and create the manifest."""
        # s3fs remembers listings from before the files were sent.
        self._system.invalidate_cache()
        there = self._listed()
        for name in publication.files:
            if name not in there or not _same(there[name], publication, name):
                raise StoreError(f"{self.address}: {name} did not arrive whole; publish again")
        # Last, and only if there is none: of two that publish at once, one fails here.
        try:
            self._write(
                lambda: self._system.pipe_file(self._place.path(MANIFEST), publication.manifest_text(), mode="create")
            )
        except FileExistsError as error:
            raise TargetExistsError(f"{self.address}: someone else has just published there") from error
        self._system.invalidate_cache()
        if manifest_at(self._place)["root"] != publication.root:
            raise StoreError(f"{self.address}: its manifest is not the one that was sent; remove it and publish again")
        return self.address

    def _listed(self) -> dict[str, SourceFile]:
        return {name: file for name, file in (self._place.files() or {}).items() if file is not None}

    @staticmethod
    def _send_all(send_file: Any, names: Iterable[str], sent: Sent) -> None:
        with ThreadPoolExecutor(_AT_A_TIME) as senders:
            tasks = [senders.submit(send_file, name) for name in names]
            try:
                for task in tasks:
                    sent(task.result())
            except BaseException:
                # Those in flight end by themselves; those that wait must not start after a failure.
                senders.shutdown(wait=True, cancel_futures=True)
                raise

    def _write(self, write: Any) -> None:
        try:
            write()
        except (StoreError, FileExistsError):
            raise
        except PermissionError as error:
            raise StoreError(f"{self.address}: no permission to write; check the credentials") from error
        except Exception as error:  # botocore and aiohttp have roots of their own
            raise StoreError(
                f"{self.address}: sending was cut off: {reason(error)}; publish again, and it continues where it"
                " stopped"
            ) from error


def _same(file: SourceFile, publication: Publication, name: str) -> bool:
    """Whether an object has the bytes of a file of ours: by its etag, or by reading it where that says nothing."""
    if file.size != publication.size(name):
        return False
    if file.etag in _etags(publication.files[name]):
        return True
    # In encrypted buckets, and where parts have another size, etags are no md5 of ours.
    return file.computed_sha256() == publication.sha256(name)


def _etags(file: Path) -> set[str]:
    """Etags that S3 gives a file: its md5 if it was sent whole, or that of the md5s of its parts with their number."""
    # Said not to be for security, md5 also works on machines that forbid it for that.
    whole, parts = hashlib.md5(usedforsecurity=False), []
    with file.open("rb") as stream:
        while part := stream.read(_PART_BYTES):
            whole.update(part)
            parts.append(hashlib.md5(part, usedforsecurity=False).digest())
    joined = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return {whole.hexdigest(), f"{joined}-{len(parts)}"}
