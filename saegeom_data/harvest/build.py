"""From a dataset spec to a sealed store, in stages that a second run picks up where the first one stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from saegeom_data.data.staging import DISK_FULL, refuse_existing
from saegeom_data.engine.scheduler import Place, opened
from saegeom_data.errors import StoreError, require
from saegeom_data.harvest import assemble
from saegeom_data.harvest.assemble_encoded import Ready
from saegeom_data.harvest.devices import check_devices, refuse_idle_cluster
from saegeom_data.harvest.inputs import model_state, source_state
from saegeom_data.harvest.model.activations import write_activations
from saegeom_data.harvest.model.loading import load_model, load_tokenizer
from saegeom_data.harvest.model.place import model_path
from saegeom_data.harvest.model.sites import layer_of
from saegeom_data.harvest.recipe import Recipe, Training
from saegeom_data.harvest.recipe_text import Sequences
from saegeom_data.harvest.saes.cluster_workers import ClusterWorkers
from saegeom_data.harvest.saes.encode_ready import EncodedCorpus, Encoding, encode_corpus
from saegeom_data.harvest.saes.ready import open_saes
from saegeom_data.harvest.saes.settings import differences
from saegeom_data.harvest.saes.untrained import untrained_saes
from saegeom_data.harvest.saes.worker import Job, LocalWorkers, Workers, processors
from saegeom_data.harvest.stages import Progress, Stage, Workspace, silent
from saegeom_data.harvest.text.corpus import Corpus, write_corpus, write_table
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sequences import SequenceTable, make_sequences
from saegeom_data.harvest.text.sources import check_sources
from saegeom_data.harvest.words.activations import save_words
from saegeom_data.harvest.words.files import RelationFile, read_relations

# Of the folders that hold sequences; another one is made anew.
_TEXT_FORM = 2
_PACKAGES = ("torch", "transformers", "datasets")


def build(
    recipe: Recipe,
    output: str | os.PathLike[str],
    *,
    roots: Mapping[str, str | os.PathLike[str]] | None = None,
    spec_folder: str | os.PathLike[str] = ".",
    work: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    device: str = "cpu",
    scheduler: str = "synchronous",
    progress: Progress = silent,
) -> Path:
    """Build a dataset: text, activations, SAEs and codes, or word pairs, or both, in one sealed store.

    SAEs are trained, or ready ones are read and encode the text. A recipe of ready SAEs alone gives a store of them.

    Parameters
    ----------
    recipe
        The spec, as ``load_spec(path, Recipe)`` reads it.
    output
        Store to write; must not exist.
    roots
        Folders by the names that paths of the recipe start with, such as ``corpora``; for word pairs also URLs.
    spec_folder
        Folder that relative paths of the recipe start from: the one of the spec file.
    work
        Folder of the finished stages, from which a build that was stopped goes on. If it is not given, it is
        ``<output>.work``, and goes when the store is finished; one that is given stays. It holds what SAEs are trained
        on, all activations (2 bytes a value, or 4); of ready SAEs it holds the codes (8 bytes each).
    workers
        Processes of this machine that train and encode, one thread each; by default one for each processor.
    device
        Where torch reads the model and encodes with ready SAEs, such as ``"cuda"``; on a cluster that of each worker.
    scheduler
        Where SAEs are trained and encode: on this machine, or with the address or the scheduler file of a dask cluster
        on its workers. They must see the folders of the spec, of the store and of ``work``.
    progress
        Called with a line about each step.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    MissingDependencyError
        If the packages of the ``harvest`` extra are not installed.
    ParameterError
        If a root is not given, the model lacks a site, or a cluster has nothing to do.
    StoreError
        If a file of the recipe is missing or has another checksum, a GGUF file holds no model that can be read, or the
        disk is full; what is finished is kept.
    DataValueError
        If a file of the recipe does not hold what it must, or an activation does not fit its dtype.
    TargetExistsError
        If ``output`` exists.
    ClusterError
        If a cluster cannot encode, as in :func:`saegeom_data.engine.compute.compute`; what is finished is kept.

    Examples
    --------
    >>> from saegeom_data.spec.models import find_spec, load_spec
    >>> path = find_spec("minilm-sample", "datasets")
    >>> roots = {"corpora": "nltk_data/corpora"}
    >>> build(load_spec(path, Recipe), "sample.zarr", roots=roots, spec_folder=path.parent)  # doctest: +SKIP
    PosixPath('sample.zarr')
    """
    output = Path(output)
    folders = Roots(Path(spec_folder), {name: os.fspath(place) for name, place in (roots or {}).items()})
    # Before anything is read or made: a build would else end hours later, at its first training.
    for package in (*_PACKAGES * recipe.reads_text, *["sae_lens"] * (recipe.training is not None)):
        require(package, "harvest")
    refuse_existing(output)
    refuse_idle_cluster(recipe, scheduler)
    with opened(scheduler) as place:
        check_devices(recipe, device, place)
        _make(recipe, output, folders, work, workers or processors(), device, place, progress)
    progress(f"store: {output}")
    return output


def _make(
    recipe: Recipe,
    output: Path,
    folders: Roots,
    work: str | os.PathLike[str] | None,
    workers: int,
    device: str,
    place: Place,
    progress: Progress,
) -> None:
    """Run the stages of a build, and write its store."""
    check_sources(recipe, folders)
    pairs = read_relations(recipe.relations, folders) if recipe.relations is not None else []
    # Found before the stages, so that a model that is not there costs no hours of text.
    if recipe.reads_text:
        model_path(recipe.model, folders, progress)
    folder = Path(work) if work is not None else output.with_name(f"{output.name}.work")
    # Workers of a cluster have other working directories.
    workspace = Workspace(folder.absolute(), progress)
    try:
        with workspace.locked():
            words = _words(recipe, pairs, folders, workspace, device)
            saes = _saes(recipe, folders, workspace, device, workers, place)
            ready = _ready(recipe, folders, workspace, device, place)
            progress("store: writing")
            assemble.write_store(recipe, output, folders, saes, words, ready)
        # After the store is sealed: until then it is what a second run goes on from.
        if work is None:
            shutil.rmtree(workspace.folder, ignore_errors=True)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise StoreError(
            f"{workspace.folder}: {error.strerror}; what is finished is kept, make room and start again"
        ) from error


def _saes(
    recipe: Recipe, roots: Roots, workspace: Workspace, device: str, workers: int, place: Place
) -> assemble.Saes | None:
    """Stages from text to codes; none for a recipe of word pairs alone."""
    if recipe.sequences is None or recipe.training is None:
        return None
    sequences = _sequences(recipe, recipe.sequences, roots, workspace)
    common = sequences, _activations(recipe, recipe.training, sequences, roots, workspace, device)
    with _workers(workers, place, workspace) as pool:
        sides = [_side(recipe, recipe.training, common, workspace, pool, *tasks) for tasks in _tasks(recipe)]
    return assemble.Saes(recipe.training, sequences, *sides)


def _workers(most: int, place: Place, workspace: Workspace) -> AbstractContextManager[Workers]:
    """What trains and encodes: workers of a cluster, or processes of this machine."""
    return ClusterWorkers(place, workspace.folder) if place.rooms else LocalWorkers(most)


def _tasks(recipe: Recipe) -> list[tuple[str, str]]:
    """How SAEs are made and how they encode: those that are trained, and those that are not if they are asked for."""
    return [("train", "encode"), *([("untrained", "encode-untrained")] if recipe.untrained else [])]


def _side(
    recipe: Recipe,
    training: Training,
    common: tuple[Stage, Stage],
    workspace: Workspace,
    pool: Workers,
    make: str,
    encode: str,
) -> assemble.Made:
    made = _sites(recipe, training, make, common, [], workspace, pool)
    return assemble.Made(made, _sites(recipe, training, encode, common, made, workspace, pool))


def _ready(recipe: Recipe, roots: Roots, workspace: Workspace, device: str, place: Place) -> Ready | None:
    """Ready SAEs, and stages from text to their codes and to activations that are kept, if there is a text."""
    if not recipe.imported and not recipe.activations.keep:
        return None
    saes = open_saes(recipe.imported, roots, encoder=bool(recipe.sources))
    if recipe.sequences is None:
        return Ready(saes)
    drawn = recipe.sequences.per_type is not None
    corpus = (_corpus_of_drawn if drawn else _corpus)(recipe, recipe.sequences, roots, workspace)
    length, has_bos = recipe.sequences.length, bool(Corpus(corpus.folder).shard(0).is_special[0])
    for name, sae in saes.items():
        for line in differences(name, sae.opened, sae.entry, length=length, has_bos=has_bos):
            workspace.progress(f"saes: {line}")

    ready = Ready(saes, Corpus(corpus.folder), untrained=untrained_saes(saes) if recipe.untrained else {})

    def action(folder: Path) -> None:
        encoding = Encoding(recipe, roots.absolute(), device, corpus.folder.absolute(), saes)
        encode_corpus(folder, encoding, place, workspace.progress)

    # Whatever changes codes must be in it, the words of the recipe and the weights alike: files may
    # change under their names.
    key = [recipe.activations.model_dump(), {path: sae.fingerprint() for path, sae in ready.by_path.items()}]
    codes = workspace.run("codes", key, (corpus,), action, in_pieces=True)
    return replace(ready, encoded=EncodedCorpus(codes.folder))


def _text_key(recipe: Recipe, sequences: Sequences, roots: Roots) -> list[Any]:
    """What sequences are made from: the recipe and the files that it names, which may change under their names."""
    said = [recipe.model.model_dump(), sequences.model_dump(), [source.model_dump() for source in recipe.sources]]
    return [
        _TEXT_FORM,
        said,
        model_state(recipe.model, roots),
        [source_state(source, roots) for source in recipe.sources],
    ]


def _corpus(recipe: Recipe, sequences: Sequences, roots: Roots, workspace: Workspace) -> Stage:
    def action(folder: Path) -> None:
        tokenizer = load_tokenizer(recipe.model, roots)
        write_corpus(folder, recipe.sources, sequences, roots, tokenizer, workspace.progress)

    return workspace.run("corpus", _text_key(recipe, sequences, roots), (), action, in_pieces=True)


def _corpus_of_drawn(recipe: Recipe, sequences: Sequences, roots: Roots, workspace: Workspace) -> Stage:
    drawn = _sequences(recipe, sequences, roots, workspace)
    # No key of its own: it follows from the sequences that were drawn.
    return workspace.run("corpus", [], (drawn,), lambda folder: write_table(folder, SequenceTable.load(drawn.folder)))


def _sequences(recipe: Recipe, sequences: Sequences, roots: Roots, workspace: Workspace) -> Stage:
    def action(folder: Path) -> None:
        tokenizer = load_tokenizer(recipe.model, roots)
        make_sequences(folder, recipe.sources, sequences, roots, tokenizer, workspace.progress).save(folder)

    return workspace.run("sequences", _text_key(recipe, sequences, roots), (), action)


def _activations(
    recipe: Recipe, training: Training, sequences: Stage, roots: Roots, workspace: Workspace, device: str
) -> Stage:
    def action(folder: Path) -> None:
        model = load_model(recipe.model, recipe.activations.dtype, device, roots=roots)
        table = SequenceTable.load(sequences.folder)
        sites, size = recipe.activations.sites, recipe.activations.batch_size
        target = folder / "activations.zarr"
        write_activations(target, table, model, sites, size, workspace.progress, training.input_dtype)

    key = [recipe.activations.model_dump(), training.input_dtype]
    return workspace.run("activations", key, (sequences,), action, in_pieces=True)


def _words(recipe: Recipe, found: list[RelationFile], roots: Roots, workspace: Workspace, device: str) -> Stage | None:
    relations = recipe.relations
    if relations is None:
        return None

    def action(folder: Path) -> None:
        sites, tokenizer = recipe.activations.sites, load_tokenizer(recipe.model, roots)
        model = load_model(recipe.model, recipe.activations.dtype, device, roots=roots)
        save_words(folder, found, relations, sites, model, tokenizer)
        workspace.progress(f"words: {sum(len(relation.pairs) for relation in found)} pairs of {len(found)} relations")

    read = recipe.activations
    # Of the activations only what words depend on: another batch size would make them anew.
    said = [recipe.model.model_dump(), read.sites, read.dtype, relations.model_dump()]
    key = [said, model_state(recipe.model, roots), [asdict(relation) for relation in found]]
    return workspace.run("words", key, (), action)


def _sites(
    recipe: Recipe,
    training: Training,
    task: str,
    common: tuple[Stage, Stage],
    made: list[Stage],
    workspace: Workspace,
    workers: Workers,
) -> list[Stage]:
    """Make the SAEs of all sites, or encode all with those that are ``made``."""
    stages: list[Stage] = []
    jobs: list[Job] = []
    table = SequenceTable.load(common[0].folder)
    for index, site in enumerate(recipe.activations.sites):
        job, own = _job(recipe, training, task, site, table), tuple(made[index : index + 1])
        stage, finished = workspace.stage(f"{task}-{site}", job, (*common, *own))
        stages.append(stage)
        if not finished:
            places = {"sequences": str(common[0].folder), "activations": str(common[1].folder / "activations.zarr")}
            jobs.append((stage, job | places | {"sae": str(own[0].folder / "sae")} if own else job | places))
    before = len(stages) - len(jobs)

    def done(number: int) -> None:
        workspace.progress(f"{task}: {before + number} of {len(stages)} sites")

    done(0)
    workers.run(jobs, done)
    return stages


def _job(recipe: Recipe, training: Training, task: str, site: str, table: SequenceTable) -> dict[str, Any]:
    """Say what a worker does, places on disk aside: they are no part of what the result depends on."""
    job: dict[str, Any] = {"task": task, "site": site, "layer": layer_of(site)}
    if task in ("train", "untrained"):
        return job | {"model": recipe.model.name, "training": training.model_dump()}
    codes = recipe.codes
    if codes is None or codes.site not in (None, site):
        return job | {"keep": []}
    return job | {"keep": table.subset(codes.sequences_per_type).tolist()}
