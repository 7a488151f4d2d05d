"""Check a spec file of any kind, for the command line."""

from __future__ import annotations

import os

from saegeom_data.engine.check_run import check_run
from saegeom_data.errors import SpecError, suggest
from saegeom_data.spec import strict_yaml
from saegeom_data.spec.models import MISSING_KEY, RunSpec, modelled, read_text
from saegeom_data.spec.strict_yaml import Source


def check_spec_file(path: str | os.PathLike[str]) -> None:
    """Raise :class:`SpecError` with all problems of a spec file of any kind; its ``kind`` key says which."""
    where = str(path)
    node, value, problems = strict_yaml.read(read_text(path), where)
    kind = value.get("kind")
    if kind == "run":
        check_run(modelled(node, value, problems, RunSpec, where))
    elif kind == "dataset":
        from saegeom_data.harvest import Recipe

        modelled(node, value, problems, Recipe, where)
    elif kind == "benchmark":
        from saegeom_data.share.benchmark import Benchmark, check_benchmark

        check_benchmark(modelled(node, value, problems, Benchmark, where))
    elif kind == "catalogue":
        from saegeom_data.share.catalogue import Catalogue, check_catalogue

        check_catalogue(modelled(node, value, problems, Catalogue, where))
    else:
        known = ["benchmark", "catalogue", "dataset", "run"]
        message = (
            f"got {kind!r}, expected 'benchmark', 'catalogue', 'dataset' or 'run'{suggest(str(kind), known)}"
            if "kind" in value
            else MISSING_KEY
        )
        raise SpecError([*problems, Source(where, node).problem(("kind",), message)])
