"""Ready SAEs of a recipe: found, held against what the recipe says of them, and made to encode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from saegeom_data.checkpoints.names import saes_by_name
from saegeom_data.checkpoints.open import Opened, open_all
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.harvest.recipe import ImportedSae
from saegeom_data.harvest.saes.settings import settled
from saegeom_data.harvest.text.roots import Roots

_SAID = ("model", "site", "layer", "l0", "architecture")
_ENCODER = ("encoder", "encoder_bias", "threshold", "gate_bias", "magnitude_bias", "log_magnitude", "scaling_factor")


@dataclass(frozen=True)
class ReadySae:
    """One SAE, and what the recipe says of it."""

    opened: Opened
    entry: ImportedSae

    @property
    def site(self) -> str:
        """Where it reads: the module that the checkpoint or the recipe names, or else the hook of TransformerLens.

        Raises
        ------
        ParameterError
            If nothing says it.
        """
        checkpoint = self.opened.checkpoint
        if checkpoint.site.reads is None:
            raise ParameterError(
                f"saes: {checkpoint.file.shown}: nothing says where this transcoder reads; give site under saes,"
                " such as layers.3.mlp.input"
            )
        return checkpoint.site.reads.name

    def stored(self) -> Opened:
        """What of it is stored."""
        # An encoder may be read to encode with, and yet not be asked for in the store.
        features = self.opened.features.drop_vars([] if self.entry.encoder else _ENCODER, errors="ignore")
        return replace(self.opened, features=features)

    def fingerprint(self) -> list[Any]:
        """What its codes depend on: the weights, and everything in the checkpoint that says how they encode."""
        # k and normalisation stand beside the weights in most formats: their checksum alone would not
        # tell that codes are others.
        said = {str(name): str(value) for name, value in self.opened.features.attrs.items()} | {"site": self.site}
        parts = self.opened.checkpoint.parts
        defaults = {name: part.default for name, part in parts.items() if part.default is not None}
        return [self.entry.model_dump(), self.opened.checkpoint.file.digest(), said, defaults]


def address_of(entry: ImportedSae, roots: Roots) -> str:
    """Address of an SAE with its root filled in; a path is relative to the spec file."""
    filled = roots.fill(entry.address)
    return filled if "://" in filled else str(roots.spec_folder / filled)


def open_saes(entries: Sequence[ImportedSae], roots: Roots, *, encoder: bool) -> Mapping[str, ReadySae]:
    """Open all SAEs of a recipe lazily, by the names that they get in the store.

    Raises
    ------
    DataValueError
        If one is not of the stated size.
    StoreError, ParameterError, UnknownNameError, MissingDependencyError
        As in :func:`saegeom_data.open_checkpoint`.
    """
    ready = []
    for entry in entries:
        said = {name: getattr(entry, name) for name in _SAID}
        address = address_of(entry, roots)
        whole = encoder or entry.encoder
        of_entry = open_all(
            [address], format=entry.format, key=entry.key, orientation=entry.orientation, encoder=whole, **said
        )
        for opened in of_entry:
            for name, dim in (("width", "features"), ("hidden", "hidden")):
                expected, got = getattr(entry, name), opened.features.sizes[dim]
                if expected is not None and got != expected:
                    raise DataValueError(
                        f"{opened.checkpoint.file.shown}: got {got} {dim}, expected {expected}; fix {name} under saes"
                    )
            ready.append(ReadySae(settled(opened, entry, encode=encoder), entry))
    # All at once: a name depends on what the others are called.
    named = saes_by_name([sae.opened for sae in ready])
    # By identity, as an SAE holds arrays and cannot be a key.
    by_opened = {id(sae.opened): sae for sae in ready}
    return {name: by_opened[id(opened)] for name, opened in named.items()}
