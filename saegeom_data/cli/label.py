"""The command that adds labels of features, or the text of tokens, to a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.cli.terminal import Json, print_json, say, show_progress
from saegeom_data.errors import ParameterError


def label(
    path: Annotated[Path, typer.Argument(metavar="STORE", help="A store; it gets a new root hash.")],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="Folder or file of labels and examples, here or at s3://, https:// or hf://: a bulk export of"
            " Neuronpedia, a run of delphi, batches of SAEDashboard, or a .csv with columns feature and description.",
        ),
    ] = None,
    sae: Annotated[str | None, typer.Option(help="SAE that the labels are of, if more than one may be.")] = None,
    format: Annotated[
        str | None, typer.Option(help="csv, delphi, neuronpedia or saedashboard; recognised if not given.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Which SAE of the source, as the source names it; all that the store has.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name by which the source calls the model of the store, if it is another.")
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="tokenizer.json or vocab.txt of the model's tokenizer: adds the text of tokens.")
    ] = None,
    unembedding: Annotated[
        str | None,
        typer.Option(help="Weights of the model, a file or its folder: adds the unembedding, for feature_logits."),
    ] = None,
    license: Annotated[str | None, typer.Option(help="Licence of the labels, if known.")] = None,
    codes: Annotated[
        bool,
        typer.Option(
            "--codes", help="Of a run of delphi, add what it has cached: codes, and tokens if there are none."
        ),
    ] = False,
    examples: Annotated[
        bool,
        typer.Option(
            help="Whether examples are added beside labels: contexts with the activation on each token, of Neuronpedia"
            " and SAEDashboard. They are far larger than labels."
        ),
    ] = True,
    partial: Annotated[bool, typer.Option("--partial", help="Accept a source of which batches are missing.")] = False,
    as_json: Json = False,
) -> None:
    """Add labels and examples to a store. What is there stays, and a source is added once."""
    from saegeom_data.labels import add_codes, add_unembedding, add_vocabulary, label_store

    if source is None and vocabulary is None and unembedding is None:
        raise ParameterError(
            "label: no SOURCE, --vocabulary or --unembedding given; expected saegeom label STORE SOURCE"
        )
    places = {"SOURCE": source, "--vocabulary": vocabulary, "--unembedding": unembedding}
    given = [name for name, value in places.items() if value is not None]
    if len(given) > 1:
        # Each is added whole or not at all; of two, one could be there after the other was refused.
        raise ParameterError(f"label: got {' and '.join(given)}, expected one of them; add each by a call of its own")
    if vocabulary is not None:
        count, root = add_vocabulary(path, vocabulary)
        if not as_json:
            say(f"vocabulary: {count:,} tokens added")
    if unembedding is not None:
        words, root = add_unembedding(path, unembedding)
        if not as_json:
            say(f"unembedding: {words} added")
    if source is None:
        print_json({"path": str(path), "root": root, "saes": []}) if as_json else say(f"root {root}")
        return
    if codes:
        name, count, root = add_codes(path, source, sae=sae, part=part, is_partial=partial)
        line = f"{name}: {count:,} activations added\nroot {root}"
        print_json({"path": str(path), "root": root, "sae": name, "activations": count}) if as_json else say(line)
        return
    added = label_store(
        path,
        source,
        sae=sae,
        format=format,
        part=part,
        model=model,
        license=license,
        is_partial=partial,
        with_examples=examples,
        progress=show_progress,
    )
    if as_json:
        saes = [
            {
                "sae": each.sae,
                "labels": each.n_labels,
                "features": each.n_features,
                "examples": each.n_examples,
                "features_with_examples": each.n_features_with_examples,
            }
            for each in added
        ]
        print_json({"path": str(path), "root": added[0].root, "saes": saes})
        return
    for each in added:
        for what, n_added, n_features in (
            ("labels", each.n_labels, each.n_features),
            ("examples", each.n_examples, each.n_features_with_examples),
        ):
            if n_added:
                say(f"{each.sae}: {n_added:,} {what} of {n_features:,} features added")
            elif n_added is not None:
                say(f"{each.sae}: has the {what} of this source already, nothing added")
    say(f"root {added[0].root}")
