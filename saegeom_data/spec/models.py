"""Specs: strict YAML, checked against a model, with every problem reported at once with file, line and key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from saegeom_data.errors import Problem, SpecError, UnknownNameError
from saegeom_data.spec import strict_yaml
from saegeom_data.spec.checked import Model, StrictModel, modelled

# A spec is written by hand; what is larger is another file, and slow to parse as YAML.
LARGEST = 2**20


def _root(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("expected the root hash of a manifest, 64 hexadecimal digits")
    return text


Root = Annotated[str, AfterValidator(_root)]


class MetricRun(StrictModel):
    """One metric of a run.

    Attributes
    ----------
    metric
        Registered name of the metric.
    name
        Name of its group in the results; the metric's own if not given.
    parameters
        Keyword parameters.
    saes
        ``"all"``, ``"middle"`` (the SAE in the middle of the store's order), or a list of names; for metrics of word
        pairs, of sites.
    features
        ``"firing"``: rows of features that fire in no block of the store's text count as rows of zero, which metrics of
        decoders drop. The row of a dead feature says nothing of the text, and is what training has left of a random
        one. By default all features count.
    """

    metric: str
    name: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    saes: Literal["all", "middle"] | list[str] = "all"
    features: Literal["all", "firing"] = "all"

    @property
    def group(self) -> str:
        """Name of the group in the results."""
        return self.name or self.metric


class OccurrenceSettings(StrictModel):
    """How occurrence is derived from codes; see :func:`saegeom_data.occurrence_from_codes`.

    Attributes
    ----------
    threshold
        Activation above which a feature fires.
    block_length
        Tokens of a block, special ones not counted.
    partial_blocks
        What becomes of the last block of a sequence if it is shorter.
    max_blocks_per_document
        How many blocks of a document are kept; all by default.

    Examples
    --------
    >>> OccurrenceSettings(threshold=1, max_blocks_per_document=3).block_length
    256
    """

    threshold: Annotated[float, Field(ge=0)] = 0.0
    block_length: Annotated[int, Field(ge=1)] = 256
    partial_blocks: Literal["drop", "keep"] = "drop"
    max_blocks_per_document: Annotated[int, Field(ge=1)] | None = None


class Measurements(StrictModel):
    """Which metrics to evaluate, with which parameters.

    Attributes
    ----------
    metrics
        The metrics, each with its parameters.
    occurrence
        How occurrence is derived from the codes of each SAE. By default the stored one is taken, or, where an SAE has
        codes but no occurrence, one derived by the default settings.
    """

    metrics: Annotated[list[MetricRun], Field(min_length=1)]
    occurrence: OccurrenceSettings | None = None


class RunSpec(Measurements):
    """A run: what to measure, under a title.

    Attributes
    ----------
    title, description
        What the run is, for readers.
    draws
        ``"as_given"``: null models are drawn from as often as the parameters say. ``"until_decided"``: where p is so
        near the floor of its draws, or the bound, that it cannot tell, drawing goes on for that SAE or site; where 95
        draws or more are asked for that are measured as the data are, it ends after 19 if p is clearly too large. The
        number of draws is then a coordinate of the result.
    """

    spec_version: Literal[1]
    kind: Literal["run"]
    title: str
    description: str = ""
    draws: Literal["as_given", "until_decided"] = "as_given"


def load_spec(
    path: str | os.PathLike[str], model: type[Model], check: Callable[[Model], object] | None = None
) -> Model:
    """Read a YAML file into a model.

    Parameters
    ----------
    path
        The file.
    model
        Pydantic model that says what the file may hold.
    check
        As in :func:`modelled`.

    Raises
    ------
    SpecError
        If the file cannot be read or parsed, has a duplicate or unknown key, or a value of the wrong type; carries all
        problems, each with file, line and key path.
    """
    return parse_spec(read_text(path), model, str(path), check)


def parse_spec(
    text: str, model: type[Model], where: str = "spec", check: Callable[[Model], object] | None = None
) -> Model:
    r"""Read YAML text into a model; as :func:`load_spec`.

    Examples
    --------
    >>> text = "spec_version: 1\nkind: run\ntitle: Slopes\nmetrics:\n- metric: eigenvalue_slope\n"
    >>> parse_spec(text, RunSpec).metrics[0].group
    'eigenvalue_slope'
    """
    node, value, problems = strict_yaml.read(text, where)
    return modelled(node, value, problems, model, where, check)


def shipped_specs(kind: str) -> dict[str, Path]:
    """Specs that come with the package: ``kind`` is ``"runs"``, ``"datasets"`` or ``"benchmarks"``."""
    folder = Path(str(files("saegeom_data") / "specs" / kind))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def find_spec(name: str, kind: str) -> Path:
    """Path of a spec given by file path or by the name of a shipped one.

    Raises
    ------
    UnknownNameError
        If it is neither.
    """
    shipped = shipped_specs(kind)
    # A shipped name goes before a file of the same name: it means the same in every folder.
    if name in shipped:
        return shipped[name]
    if is_spec_file(name) or Path(name).is_file():
        return Path(name)
    raise UnknownNameError(f"{kind.removesuffix('s')} spec", name, shipped)


def is_spec_file(path: str) -> bool:
    """Whether a path is that of a spec, by how it ends."""
    return Path(path).suffix in {".yaml", ".yml"}


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a spec as UTF-8 text, or say in one line why it cannot be."""
    try:
        with open(path, "rb") as stream:
            # One byte past the limit tells that a file is too large, however large it is.
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SpecError([Problem(str(path), f"larger than {LARGEST} bytes, so it is no spec; check the path")])
        return content.decode("utf-8")
    except OSError as error:
        raise SpecError([Problem(str(path), f"cannot be read: {error.strerror}; check the path")]) from error
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text (byte {error.start}); save it as UTF-8 or check the path"
        raise SpecError([Problem(str(path), message)]) from error
