"""One SAE in several files: sharded weights with their index, and matrices and vectors in a file each."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePosixPath

from saegeom_data.checkpoints.choose import INDEX, log_passed_over
from saegeom_data.checkpoints.locate import Source
from saegeom_data.checkpoints.weights import NoWeightsError, open_weights
from saegeom_data.checkpoints.weights.tensors import Tensor, Weights
from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile, read_json

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")
_DECODERS = ("decoder", "W_dec", "w_dec", "dec")
_OTHERS = (
    "encoder", "W_enc", "w_enc", "enc", "encoder_bias", "encoder.bias", "b_enc", "decoder_bias", "decoder.bias",
    "b_dec", "threshold",
)  # fmt: skip
_PIECE = re.compile(rf"(?P<prefix>(?:.*?[-_.])??)(?P<part>{'|'.join(map(re.escape, (*_DECODERS, *_OTHERS)))})")


@dataclass(frozen=True)
class JoinedFile(SourceFile):
    """Several files that hold one SAE, under the path and the name of one of them.

    Parameters
    ----------
    members
        The files that hold tensors.
    """

    members: tuple[SourceFile, ...] = ()

    @property
    def suffix(self) -> str:
        """Ending of the names of its members."""
        return self.members[0].suffix

    def digest(self) -> str | None:
        """Return what ``sha256sum MEMBERS | sha256sum`` prints; None if a member would have to be fetched."""
        # By names alone, as sha256sum prints them where the files are: folders differ between machines.
        lines = [(member.digest(), PurePosixPath(member.name).name) for member in self.members]
        text = "".join(f"{digest}  {name}\n" for digest, name in lines)
        return None if any(digest is None for digest, _ in lines) else hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Bundle:
    """The weights of one SAE, with the key of its decoder where the names of files tell it."""

    file: SourceFile
    weights: Weights
    key: str | None = None


def bundles(source: Source, files: Sequence[SourceFile], encoder: bool) -> Iterator[Bundle]:
    """Open files, those that belong together as one.

    Parameters
    ----------
    source
        Where other files are looked up.
    files
        Files of weights, indices among them. Those that are no weights are passed over if there are others.
    encoder
        Whether files beside a single file are looked for that hold its encoder.

    Raises
    ------
    StoreError
        If a file is damaged, or one that an index names is missing.
    """
    left = {file.name: file for file in files}
    # Indices first: what they name is no SAE of its own, nor a shard without an index.
    for index in [file for file in files if file.name.endswith(INDEX)]:
        joined = _of_index(source, index)
        for member in (index, *joined.file.members):
            left.pop(member.name, None)
        yield joined
    # A shard that is asked for by its own name is opened alone, as the user says.
    if not source.is_file:
        yield from _of_shards(left)
    yield from _of_pieces(source, left, look=source.is_file and (encoder or files[0].is_local))
    failed: list[tuple[str, str]] = []
    for file in left.values():
        try:
            yield Bundle(file, open_weights(file))
        except NoWeightsError as error:
            if len(files) == 1:
                raise
            failed.append((file.name, error.reason.removeprefix(f"{file.shown}: ")))
    for name, why in failed:
        log_passed_over([name], why)


@dataclass(frozen=True)
class _Joined(Bundle):
    file: JoinedFile


def _joined(named: SourceFile, members: Iterable[SourceFile]) -> JoinedFile:
    own = {field.name: getattr(named, field.name) for field in fields(SourceFile)}
    return JoinedFile(**own, members=tuple(members))


def _of_index(source: Source, index: SourceFile) -> _Joined:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise StoreError(f"{index.shown}: no weight_map of keys and files in it; fetch it again")
    members, tensors = [], {}
    for name in sorted(set(places.values())):
        keys = [key for key, place in places.items() if place == name]
        # An index is from elsewhere: it must not name files outside its folder.
        inside = "/" not in name and "\\" not in name
        member = source.beside(index, name) if inside else None
        if member is None:
            raise StoreError(f"{index.shown}: {keys[0]} is in {name[:80]!r}, which is not beside it; fetch it too")
        found = open_weights(member).tensors
        for key in keys:
            if key not in found:
                raise StoreError(f"{member.shown}: no {key} in it, which {index.shown} places there; fetch both again")
            tensors[key] = found[key]
        members.append(member)
    return _Joined(_joined(index, members), Weights(tensors, {}))


def _of_shards(left: dict[str, SourceFile]) -> Iterator[Bundle]:
    """Open shards that no index names, by the numbers in their names; takes them out of what is left."""
    groups: dict[tuple[str, ...], dict[int, SourceFile]] = {}
    for file in list(left.values()):
        if match := _SHARD.fullmatch(file.name):
            shards = groups.setdefault((match["stem"], match["count"], match["suffix"]), {})
            shards[int(match["number"])] = left.pop(file.name)
    for (stem, count, suffix), shards in groups.items():
        missing = [number for number in range(1, int(count) + 1) if number not in shards]
        first = next(iter(shards.values()))
        if missing:
            raise StoreError(
                f"{stem}-{missing[0]:05d}-of-{count}{suffix}: not there, and {first.shown} is; fetch it too"
            )
        members = [shards[number] for number in sorted(shards)]
        tensors: dict[str, Tensor] = {}
        for member in members:
            found = open_weights(member).tensors
            if twice := tensors.keys() & found.keys():
                raise StoreError(f"{member.shown}: {min(twice)} is in another shard too; fetch all again")
            tensors |= found
        yield Bundle(_joined(first, members), Weights(tensors, {}))


def _of_pieces(source: Source, left: dict[str, SourceFile], *, look: bool) -> Iterator[Bundle]:
    """Open decoders that have their encoder or vectors in files beside them; takes them out of what is left."""
    # A copy, as members of what is found are taken out meanwhile.
    for file in list(left.values()):
        path = PurePosixPath(file.name)
        match = _PIECE.fullmatch(path.stem)
        if match is None or match["part"] not in _DECODERS:
            continue
        names = [f"{match['prefix']}{part}{path.suffix}" for part in _OTHERS]
        beside = [posixpath.join(str(path.parent), name) for name in names]
        found = [source.beside(file, name) for name in names] if look else [left.get(name) for name in beside]
        others = [other for other in found if other is not None]
        if not others:
            continue
        tensors: dict[str, Tensor] = {}
        for member in (file, *others):
            left.pop(member.name, None)
            part = PurePosixPath(member.name).stem.removeprefix(match["prefix"])
            tensors |= {
                _key(part, key, own): tensor for own in [open_weights(member).tensors] for key, tensor in own.items()
            }
        ours = [key for key in tensors if key.partition(".")[0] in _DECODERS and len(tensors[key].shape) == 2]
        yield Bundle(_joined(file, (file, *others)), Weights(tensors, {}), key=ours[0] if ours else None)


def _key(part: str, key: str, own: Iterable[str]) -> str:
    """Key of a tensor from a file that is named by a part: the part itself, or inside it, as in decoder.weight."""
    alone = len(list(own)) == 1
    if alone and key in ("decoder", part):
        return part
    return key if "enc" in key.lower() or "dec" in key.lower() else f"{part}.{key}"
