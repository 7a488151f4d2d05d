"""Commands that say what there is: list, and describe."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from saegeom_data.cli import share
from saegeom_data.cli.terminal import Json, print_json, say
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.remote.address import is_elsewhere

KINDS = ("metrics", "datasets", "runs", "benchmarks")


def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="metrics, datasets, runs or benchmarks, all of them if not given; or saes."
        ),
    ] = "",
    catalogue: Annotated[
        str | None, typer.Option(help="File or URL of a catalogue, to list its datasets too; for datasets only.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Open each dataset of the catalogue, and compare its root hash.")
    ] = False,
    search: Annotated[
        str, typer.Option(help="Words that a name, model or key of Neuronpedia must have; for SAEs only.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List metrics, datasets, runs and benchmarks. All but metrics are specs that come with the package.

    list saes lists the SAEs that SAELens knows, where it is installed, for saegeom import.
    """
    if what == "saes":
        _list_saes(search, as_json)
        return
    if search:
        raise ParameterError("--search: only for SAEs; expected saegeom list saes --search WORDS")
    if what and what not in KINDS:
        raise UnknownNameError("kind of thing to list", what, (*KINDS, "saes"))
    if what == "datasets":
        share.list_datasets(catalogue, verify, as_json)
        return
    if catalogue is not None or verify:
        raise ParameterError("--catalogue, --verify: only for datasets; expected saegeom list datasets")
    found = {kind: _summaries(kind) for kind in ([what] if what else KINDS)}
    if as_json:
        print_json(found)
        return
    width = max(len(name) for entries in found.values() for name in entries)
    for kind, entries in found.items():
        say(f"{kind}:")
        for name, summary in entries.items():
            say(f"  {name:<{width}}  {summary}")


def _list_saes(words: str, as_json: bool) -> None:
    """Print the SAEs of SAELens's registry that have some words, or else its releases."""
    from saegeom_data.checkpoints.registry import search

    found = search(words)
    if as_json:
        print_json({"saes": [{"name": each.name} | asdict(each) for each in found]})
        return
    if words:
        for each in found:
            l0 = "" if each.l0 is None else f"  L0 {each.l0:g}"
            say(f"{each.name}  {each.model}{l0}{f'  {each.neuronpedia}' if each.neuronpedia else ''}")
        return
    for release, number in Counter(each.release for each in found).items():
        say(f"{release:<60} {number:>6} SAEs")


def describe(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Name of a metric or spec (benchmarks/NAME for a benchmark named like a run), or path or URL of a"
            " store; or spec, for what may stand in one.",
        ),
    ],
    kind: Annotated[str, typer.Argument(metavar="KIND", help="After spec: run, dataset, benchmark or catalogue.")] = "",
    as_json: Json = False,
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON Schema of a kind of spec, for editors.")
    ] = False,
) -> None:
    """Describe a metric, a spec or a store.

    Of a metric: inputs, outputs, parameters and source; of a spec: its text; of a store: its card. describe spec KIND
    lists every key of a kind of spec.
    """
    from saegeom_data.declare.registry import get_metric, list_metrics
    from saegeom_data.spec.models import is_spec_file

    if name == "spec":
        _describe_keys(kind, json_schema)
        return
    if kind or json_schema:
        raise ParameterError("KIND, --json-schema: only of specs; expected saegeom describe spec KIND --json-schema")
    specs = _specs()
    if name in specs:
        text = specs[name].read_text(encoding="utf-8")
        print_json({"name": name, "spec": text}) if as_json else say(text.rstrip())
        return
    if Path(name).is_dir() or is_elsewhere(name):
        _describe_store(name, as_json)
        return
    if name not in list_metrics() and (Path(name).exists() or Path(name).suffix):
        if is_spec_file(name):
            _describe_file(name, as_json)
        else:
            _describe_store(name, as_json)
        return
    if name not in list_metrics():
        raise UnknownNameError("metric or spec", name, [*list_metrics(), *specs])
    card = get_metric(name).card()
    print_json(card) if as_json else say(_metric_text(card))


def _describe_file(path: str, as_json: bool) -> None:
    """Print a spec of the user's own, if it is right."""
    from saegeom_data.cli.validate import check_spec_file
    from saegeom_data.spec.models import read_text

    check_spec_file(path)
    text = read_text(path)
    print_json({"name": path, "spec": text}) if as_json else say(text.rstrip())


def _describe_keys(kind: str, json_schema: bool) -> None:
    """Print every key of a kind of spec, for readers or for editors."""
    from saegeom_data.guide.pages.specs import kind_section
    from saegeom_data.guide.spec_schema import spec_schema

    if json_schema:
        print_json(spec_schema(kind))
    else:
        say(kind_section(kind))


def _specs() -> dict[str, Path]:
    """Files of the specs that come with the package, by name and by ``kind/name``."""
    from saegeom_data.spec.models import shipped_specs

    named = [(kind, name, path) for kind in KINDS[1:] for name, path in shipped_specs(kind).items()]
    specs = {f"{kind}/{name}": path for kind, name, path in named}
    # A benchmark may be named like its dataset or run, which come first.
    return specs | {name: path for _, name, path in reversed(named)}


def _summaries(kind: str) -> dict[str, str]:
    """One line for each metric, or each spec of a kind, by name."""
    from saegeom_data.declare.registry import get_metric, list_metrics
    from saegeom_data.spec.models import shipped_specs

    if kind == "metrics":
        return {name: get_metric(name).summary for name in list_metrics()}
    return {name: _title(path) for name, path in shipped_specs(kind).items()}


def _title(path: Path) -> str:
    import yaml

    # Only the title is wanted, and the models of specs would import much of the package.
    return str(yaml.safe_load(path.read_text(encoding="utf-8")).get("title", ""))


def _metric_text(card: dict[str, Any]) -> str:
    def variable(declared: dict[str, Any], optional: str = "") -> str:
        return f"  {declared['name']} ({', '.join(declared['dims'])}){optional}: {declared['description']}"

    lines = [
        f"{card['name']} (version {card['version']}, {card['scale']} scale, for each {card['over']})",
        card["summary"],
        "",
        "inputs:",
        *(variable(declared) for declared in card["inputs"]),
        *(variable(declared, ", optional") for declared in card["optional"]),
        "",
        "parameters:",
        *(f"  {name}: {declared['type']} = {declared['default']}" for name, declared in card["parameters"].items()),
        "",
        "outputs:",
        *(
            f"  {output['name']} ({', '.join([card['over'], *output['dims']])}) [{output['units']}]:"
            f" {output['description']}"
            for output in card["outputs"]
        ),
    ]
    return "\n".join([*lines, "", f"reference: {card['reference']}", "", card["documentation"]])


def _describe_store(path: str, as_json: bool) -> None:
    from saegeom_data.data import store
    from saegeom_data.data.card import dataset_card

    with store.open(path) as tree:
        attrs = {str(name): value for name, value in tree.attrs.items()}
        print_json({"path": path, "attrs": attrs}) if as_json else say(dataset_card(tree).rstrip())
