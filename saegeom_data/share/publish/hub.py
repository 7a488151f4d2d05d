"""Publish to the Hugging Face Hub: one commit, which is there whole or not at all, and a tag for a version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saegeom_data.errors import ParameterError, StoreError, TargetExistsError, require
from saegeom_data.remote.files import reason
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.remote.place import HUBS_OWN, place_at
from saegeom_data.remote.reading import manifest_at
from saegeom_data.share.publish.publication import Publication
from saegeom_data.share.publish.targets import Sent

_ADDRESS = re.compile(r"hf://datasets/(?P<repository>[\w.-]+/[\w.-]+?)(@(?P<tag>[\w.-]+))?/?")
_AT_A_TIME = 64
_REFUSED = {401: "no valid token; log in with 'hf auth login' or set HF_TOKEN", 403: "the token may not write there"}


class Repository:
    """A dataset repository, or a tag of one.

    Contents are sent by their digest before the commit, so that another attempt sends only what is missing. The commit
    names the one it follows: of two that publish at once, one is refused.
    """

    def __init__(self, address: str) -> None:
        require("huggingface_hub", "hub")
        require("aiohttp", "hub")
        from huggingface_hub import HfApi

        parts = _ADDRESS.fullmatch(address)
        if parts is None:
            raise ParameterError(f"{address}: cannot be published to; expected hf://datasets/owner/name or ...@tag")
        self.address = address.rstrip("/")
        self._repository, self._tag = parts["repository"], parts["tag"]
        self._main = f"hf://datasets/{self._repository}"
        self._api = HfApi()
        self._head: Any = None
        self._additions: list[Any] = []

    def manifest(self) -> Mapping[str, Any] | None:
        """Return the manifest of what is published there; None if nothing is."""
        self._head = self._info(None)
        wanted = self._info(self._tag) if self._tag else self._head
        if wanted is None or MANIFEST not in _names(wanted):
            return None
        return manifest_at(place_at(f"{self._main}@{wanted.sha}"))

    def missing(self, publication: Publication) -> list[str]:
        """Names of files that the last version does not hold as they are."""
        there = {} if self._head is None else {file.rfilename: file for file in self._head.siblings}
        return [name for name in publication.files if not _same(there.get(name), publication, name)]

    def send(self, publication: Publication, names: Iterable[str], sent: Sent) -> None:
        """Make the repository if need be, and send contents; none of it shows yet."""
        from huggingface_hub import CommitOperationAdd

        with self._named_errors():
            if self._head is None:
                self._api.create_repo(self._repository, repo_type="dataset", exist_ok=True)
                self._head = self._info(None)
            wanted = list(names)
            # In batches: what an attempt has sent when it is cut off, the next need not send.
            for start in range(0, len(wanted), _AT_A_TIME):
                batch = wanted[start : start + _AT_A_TIME]
                additions = [CommitOperationAdd(name, str(publication.files[name])) for name in batch]
                self._api.preupload_lfs_files(self._repository, additions, repo_type="dataset", free_memory=False)
                # Large contents have arrived by now, and the commit names them by their digests.
                self._additions += additions
                for name in batch:
                    sent(name)

    def finish(self, publication: Publication) -> str:
        """Commit everything at once, compare what the Hub then holds, and tag it."""
        revision = self._head.sha if self._is_committed(publication) else self._commit(publication)
        there = {file.rfilename: file for file in self._info(revision).siblings}
        for name in publication.files:
            if not _same(there.get(name), publication, name):
                raise StoreError(f"{self.address}: {name} did not arrive whole; publish again with another tag")
        if self._tag:
            with self._named_errors():
                self._api.create_tag(self._repository, tag=self._tag, revision=revision, repo_type="dataset")
        return f"{self._main}@{revision}"

    def _is_committed(self, publication: Publication) -> bool:
        """Whether the last version is this one already, left without its tag or published under another."""
        if self._additions or MANIFEST not in _names(self._head) or self._gone(publication):
            return False
        return bool(manifest_at(place_at(f"{self._main}@{self._head.sha}"))["root"] == publication.root)

    def _gone(self, publication: Publication) -> set[str]:
        return _names(self._head) - {*publication.files, MANIFEST, *HUBS_OWN}

    def _commit(self, publication: Publication) -> str:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations = [
            *self._additions,
            CommitOperationAdd(MANIFEST, publication.manifest_text()),
            # Files of the version before would otherwise stay, beside a manifest that does not name them.
            *(CommitOperationDelete(name) for name in sorted(self._gone(publication))),
        ]
        with self._named_errors():
            commit = self._api.create_commit(
                self._repository,
                operations,
                commit_message=f"Publish {publication.root[:16]}",
                repo_type="dataset",
                # The Hub refuses a commit whose parent is no longer the last one: two writers cannot mix.
                parent_commit=self._head.sha,
            )
        return str(commit.oid)

    def _info(self, revision: str | None) -> Any:
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        with self._named_errors():
            try:
                return self._api.dataset_info(self._repository, revision=revision, files_metadata=True)
            except (RepositoryNotFoundError, RevisionNotFoundError):
                return None

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (StoreError, ParameterError):
            raise
        except Exception as error:  # client libraries have roots of their own
            status = getattr(getattr(error, "response", None), "status_code", None)
            # Precondition failed: the parent that the commit names is not the last one any more.
            if status == 412:
                raise TargetExistsError(f"{self.address}: someone else has just committed; publish again") from error
            causes = " because of ".join(reason(cause) for cause in (error, error.__cause__) if cause is not None)
            why = _REFUSED.get(status or 0) or f"{causes}; publish again, and it continues where it stopped"
            raise StoreError(f"{self.address}: cannot be published to: {why}") from error


def _names(info: Any) -> set[str]:
    return {file.rfilename for file in info.siblings or ()}


def _same(file: Any, publication: Publication, name: str) -> bool:
    """Whether the Hub's size and digest of a file are those of ours: sha256 of large ones, that of git for others."""
    if file is None or file.size != publication.size(name):
        return False
    if file.lfs is not None:
        return bool(file.lfs.sha256 == publication.sha256(name))
    return bool(file.blob_id == _git_digest(publication.files[name]))


def _git_digest(file: Path) -> str:
    """The sha1 by which git knows a file: of the word blob, its size, a zero byte and its contents."""
    found = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    found.update(file.read_bytes())
    return found.hexdigest()
