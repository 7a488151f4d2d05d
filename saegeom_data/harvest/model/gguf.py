"""Models in GGUF files: dequantised once, and kept as a folder that ``transformers`` loads like any other."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saegeom_data.data.staging import staged_folder
from saegeom_data.errors import StoreError, TargetExistsError, require
from saegeom_data.harvest.stages import Progress, silent
from saegeom_data.harvest.text.sources import quiet
from saegeom_data.remote.cache import cache_folder
from saegeom_data.remote.files import reason

_MAGIC = b"GGUF"
# Files of models may be larger than memory, and are read in pieces.
_PIECE_BYTES = 8 * 2**20
_FACTS = "gguf.json"
# Formats of numbers that are no quantisation.
_WHOLE = frozenset({"F32", "F16", "BF16"})


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file, which may lie in pieces.

    Parameters
    ----------
    name
        What messages call it.
    pieces
        Files whose bytes, one after another, are those of the file.
    expected
        The sha256 that it must have, if it is known.
    """

    name: str
    pieces: tuple[Path, ...]
    expected: str | None = None

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return sum(piece.stat().st_size for piece in self.pieces)

    def sha256(self) -> str:
        """Return the checksum of the file.

        Raises
        ------
        StoreError
            If it is no GGUF file, or another checksum is expected.
        """
        with self.pieces[0].open("rb") as stream:
            first = stream.read(len(_MAGIC))
        if first != _MAGIC:
            raise StoreError(
                f"{self.name}: got a file that begins with {first!r}, expected {_MAGIC!r}; give a GGUF file as"
                " model.path"
            )
        found = _sha256(tuple((str(piece), piece.stat().st_size, piece.stat().st_mtime_ns) for piece in self.pieces))
        if self.expected not in (None, found):
            raise StoreError(
                f"{self.name}: got sha256 {found}, expected {self.expected}; fetch the file again, or correct"
                " model.sha256"
            )
        return found

    def dequantised(self, progress: Progress = silent) -> Path:
        """Return the folder of its configuration, tokenizer and float32 weights; made once for a checksum.

        It lies in the cache, where it appears whole or not at all; for this process alone, if nothing is to be cached.

        Raises
        ------
        MissingDependencyError
            If the package ``gguf`` is not installed.
        StoreError
            If it is no whole GGUF file, has another checksum, or holds no model that ``transformers`` reads.
        """
        require("gguf", "harvest")
        checksum = self.sha256()
        folder = (cache_folder() or _of_this_process()) / "models" / checksum
        if not folder.is_dir():
            progress(f"model: dequantising {self.name}, once")
            # Another process may have been quicker; what it made is the same.
            with suppress(TargetExistsError), staged_folder(folder) as staging:
                self._write(staging, checksum)
        return folder

    def facts(self) -> dict[str, Any]:
        """Return what a store says of the weights: their checksum, and how they were quantised, if they were."""
        return dict(json.loads((self.dequantised() / _FACTS).read_text()))

    def _write(self, folder: Path, checksum: str) -> None:
        import torch
        from safetensors.torch import save_file
        from transformers import AutoModel, AutoTokenizer

        with self._joined(folder) as file:
            quantisation = _checked(file, self.name)
            place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
            try:
                with quiet():
                    tokenizer = AutoTokenizer.from_pretrained(**place)
                    model, loaded = AutoModel.from_pretrained(**place, dtype=torch.float32, output_loading_info=True)
            except Exception as error:  # transformers raises errors of every kind
                raise StoreError(
                    f"{self.name}: transformers cannot read the model: {reason(error)}; check model.path"
                ) from error
        # What a file lacks, transformers would fill with random numbers.
        if missing := sorted(loaded["missing_keys"]):
            raise StoreError(
                f"{self.name}: got no weights for {missing[0]!r} and {len(missing) - 1} others, expected all of the"
                f" architecture {model.config.model_type!r}; give a file of the whole model"
            )
        tokenizer.save_pretrained(folder)
        _write_config(model.config, folder)
        # safetensors refuses views that lie in another order in memory.
        weights = {name: weight.contiguous() for name, weight in model.state_dict().items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        facts = {"weights_sha256": checksum} | ({} if quantisation in _WHOLE else {"quantisation": quantisation})
        (folder / _FACTS).write_text(json.dumps(facts))

    @contextmanager
    def _joined(self, folder: Path) -> Iterator[Path]:
        """Yield the file itself, or where it lies in pieces a copy in one piece, for as long as it is needed."""
        if len(self.pieces) == 1:
            yield self.pieces[0]
            return
        with tempfile.TemporaryDirectory(dir=folder) as place:
            joined = Path(place) / self.name
            with joined.open("wb") as target:
                for piece in self.pieces:
                    with piece.open("rb") as source:
                        shutil.copyfileobj(source, target, _PIECE_BYTES)
            yield joined


@functools.lru_cache
def _sha256(pieces: Sequence[tuple[str, int, int]]) -> str:
    """Checksum of the bytes of some files, named with their size and time of change: those of one are read once."""
    found = hashlib.sha256()
    for name, _, _ in pieces:
        with open(name, "rb") as stream:
            while block := stream.read(_PIECE_BYTES):
                found.update(block)
    return found.hexdigest()


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="saegeom-models-")


def _of_this_process() -> Path:
    """A folder that goes when the process ends."""
    return Path(_scratch().name)


def _checked(file: Path, name: str) -> str:
    """Return how the weights of a whole file of a known architecture are quantised, such as ``Q4_K_M``."""
    from gguf import GGUFReader, LlamaFileType
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    try:
        reader = GGUFReader(file)
        architecture = reader.fields["general.architecture"].contents()
        stated = reader.fields.get("general.file_type")
        # A file need not say it; then what most of it is in stands for the whole.
        kind = LlamaFileType(stated.contents()) if stated else max(reader.tensors, key=lambda t: t.n_bytes).tensor_type
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise StoreError(
            f"{name}: got {file.stat().st_size:,} bytes that are no whole GGUF file of a model ({reason(error)});"
            " fetch it again"
        ) from error
    if architecture not in GGUF_SUPPORTED_ARCHITECTURES:
        raise StoreError(
            f"{name}: got the architecture {architecture!r}, expected one that transformers reads from GGUF, such as"
            f" {', '.join(sorted(GGUF_SUPPORTED_ARCHITECTURES)[:5])}; give the folder of the model instead"
        )
    # Types of files are called MOSTLY_Q4_K_M and ALL_F32, those of tensors Q4_K and F32.
    return str(kind.name).removeprefix("ALL_").removeprefix("MOSTLY_")


def _write_config(config: Any, folder: Path) -> None:
    """Write the configuration of a model whose weights are dequantised."""
    # It would be told to read a GGUF file again.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.save_pretrained(folder)
