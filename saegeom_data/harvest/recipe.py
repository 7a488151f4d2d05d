"""What a dataset spec may say: the recipe from text to a sealed store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from saegeom_data.harvest.recipe_model import Activations, LanguageModel
from saegeom_data.harvest.recipe_text import Count, GrownModel, Sequences, Source, Text
from saegeom_data.spec.checked import StrictModel
from saegeom_data.spec.models import OccurrenceSettings


class Training(GrownModel):
    """The TopK SAE that sae-lens trains on each site; the same for all, so that layers compare.

    Attributes
    ----------
    width, k
        Features, and how many of them fire at most on a token.
    epochs, batch_size, learning_rate, warm_up, decay
        The schedule; ``warm_up`` and ``decay`` are fractions of all steps.
    decoder_init_norm
        Norm of the decoder rows at the start.
    auxiliary_loss
        Weight of sae-lens's auxiliary loss, by which dead features learn the residual.
    dead_after
        Steps without firing after which a feature counts as dead for that loss.
    seed
        Seed of the weights and of the order of batches.
    input_dtype
        Precision in which activations are kept to train on, and in which codes are stored; some models have values that
        ``"float16"`` cannot hold.
    """

    _later = frozenset({"input_dtype"})

    width: Count
    k: Count
    epochs: Annotated[float, Field(gt=0)] = 1.0
    batch_size: Count = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.3
    decoder_init_norm: Annotated[float, Field(gt=0)] = 0.1
    auxiliary_loss: Annotated[float, Field(ge=0)] = 1.0
    dead_after: Count = 100
    seed: int = 0
    input_dtype: Literal["float16", "float32"] = "float16"

    def contradictions(self) -> Iterator[str]:
        """Say that more features are to be on than there are."""
        if self.k > self.width:
            yield f"k = {self.k} is more than width = {self.width}; lower k or raise width"


class ImportedSae(GrownModel):
    """SAEs that somebody else trained; see :func:`saegeom_data.open_checkpoint`.

    Attributes
    ----------
    address
        A path, ``s3://``, ``https://`` or ``hf://owner/repository@revision/path``; may lead to any number of SAEs. A
        path is relative to the spec file, or starts with a root.
    format, key, orientation, model, layer, l0, architecture
        What the checkpoint does not say of itself, as ``saegeom import`` takes it.
    site
        Where the SAEs read, as under ``activations.sites``; it takes precedence over what the checkpoint says. An
        autoencoder writes there too. A transcoder keeps the output that its checkpoint names.
    width, hidden
        Features and dimensions of each SAE: for a plan, and checked when it is read.
    centred
        Whether activations are taken less their mean over dimensions, as a model of TransformerLens gives them with
        ``center_writing_weights``; as the checkpoint says, if it is not given.
    input_scale
        By what activations were scaled in training, where the checkpoint does not say it: SAELens's
        ``norm_scaling_factor``.
    ignored_settings
        Keys of its configuration that are not applied, and that codes do not depend on.
    encoder
        Whether encoder, biases and thresholds are stored too.
    """

    _later = frozenset({"orientation", "input_scale", "ignored_settings"})

    address: Text
    format: str | None = None
    key: str | None = None
    orientation: Literal["features,hidden", "hidden,features"] | None = None
    model: str | None = None
    site: str | None = None
    layer: Annotated[int, Field(ge=0)] | None = None
    l0: Annotated[float, Field(ge=0)] | None = None
    architecture: str | None = None
    width: Count | None = None
    hidden: Count | None = None
    centred: bool = False
    input_scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    ignored_settings: list[Text] = Field(default=[])
    encoder: bool = False


class Codes(StrictModel):
    """Which codes are stored whole: those of one site, or of all if none is named, for some sequences of each type.

    Attributes
    ----------
    site
        The site; all if not given.
    sequences_per_type
        Sequences of each document type whose codes are stored.
    """

    site: Text | None = None
    sequences_per_type: Count


class Relations(GrownModel):
    """Word pairs whose activations are stored.

    Attributes
    ----------
    files
        One relation each, named by the file: CSV with the header ``source,target``, or JSON as Todd et al. (2024)
        publish it, a list of objects with ``input`` and ``output``. Spaces inside JSON strings and quotation marks are
        kept. A path may be a pattern, or a URL, or start with a root that is a folder or a URL.
    prepend_space
        Whether each word is read with a space before it, as in running text: in byte-level tokenizers that is another
        token. A word that begins with a space gets no second one. Words are stored as they are read.
    pieces
        ``"last"`` takes the last token of a word encoded alone, ``"mean"`` averages its tokens.
    special_tokens
        Whether a word is read between the tokens that the tokenizer adds, as a text is. They are never averaged.
    dtype
        Of the stored activations; some models have values that ``"float16"`` cannot hold.
    pairs
        At most that many pairs of each relation, the first ones of the file.
    languages
        Languages of sources and targets of a relation, by its name, such as ``[en, fr]``; ``[en, en]`` if not given.
    title, license, url, citation
        What the pairs are, their SPDX licence, where they came from and how to cite them; kept in the store.
    """

    _later = frozenset({"prepend_space"})

    files: Annotated[list[str], Field(min_length=1)]
    prepend_space: bool = False
    pieces: Literal["last", "mean"] = "last"
    special_tokens: bool = True
    dtype: Literal["float16", "float32"] = "float16"
    pairs: Count | None = None
    languages: dict[str, Annotated[list[Text], Field(min_length=2, max_length=2)]] = Field(default={})
    title: str = ""
    license: str = ""
    url: str = ""
    citation: str = ""

    def as_read(self, word: str) -> str:
        """Return a word as the model reads it."""
        return f" {word}" if self.prepend_space and not word.startswith(" ") else word


def _kind_of_saes(value: object) -> str:
    """Tell the two by their form before they are checked, so that an error speaks of the kind that is meant."""
    # One SAE without the dash of a list is a likely slip: it is told that a list is expected, not which
    # keys of training it lacks.
    is_one = isinstance(value, Mapping) and "address" in value
    return "ready" if is_one or isinstance(value, list | tuple) else "training"


Saes = Annotated[
    Annotated[Training, Tag("training")] | Annotated[list[ImportedSae], Field(min_length=1), Tag("ready")],
    Discriminator(_kind_of_saes),
]


class Recipe(GrownModel):
    """A recipe: text, model, SAEs and what of it all is stored.

    ``saes`` says how to train them, or is a list of ready ones. Training needs ``sources`` and ``sequences``. Ready
    SAEs encode the text if there is any: all codes are stored, and ``occurrence`` and ``cooccurrence`` are derived from
    them where they are asked for. Without ``saes`` a store holds activations of the text where they are kept, or word
    pairs, or both.

    With ``untrained: true`` an SAE that is not trained encodes the same activations beside each SAE: random unit
    directions, as many, of which as many are on. It is kept under ``/untrained`` by the name of its SAE, with codes and
    occurrence as that has them. Metrics do not measure it for itself: those that ask what training adds, as
    :func:`lobe_function` does, hold their SAE against it.

    With ``vocabulary: true`` the text of each token of the tokenizer is kept, so that tokens can be read.

    Attributes
    ----------
    name, title, description, license, citation
        What the dataset is called, what it is, its SPDX licence and how to cite it; kept in the store.
    model
        The model whose activations are read.
    sources
        Where the text comes from.
    sequences
        How documents become sequences of tokens.
    activations
        What is read of the model.
    saes
        How SAEs are trained, or where ready ones are.
    untrained, vocabulary
        As above.
    codes
        Which codes of trained SAEs are stored.
    occurrence
        How occurrence is derived from the codes.
    cooccurrence
        Whether counts of pairs of features are stored.
    relations
        Word pairs whose activations are stored.
    """

    _later = frozenset({"occurrence", "cooccurrence", "untrained", "vocabulary"})

    spec_version: Literal[1]
    kind: Literal["dataset"]
    name: Text
    title: Text
    description: Text
    license: Text
    citation: str = ""
    model: LanguageModel
    sources: list[Source] = Field(default=[])
    sequences: Sequences | None = None
    activations: Activations = Field(default=Activations())
    saes: Saes | None = None
    untrained: bool = False
    codes: Codes | None = None
    occurrence: OccurrenceSettings | None = None
    cooccurrence: bool = False
    relations: Relations | None = None
    vocabulary: bool = False

    @property
    def training(self) -> Training | None:
        """How SAEs are trained, if they are."""
        return self.saes if isinstance(self.saes, Training) else None

    @property
    def imported(self) -> list[ImportedSae]:
        """Ready SAEs."""
        return self.saes if isinstance(self.saes, list) else []

    @property
    def reads_text(self) -> bool:
        """Whether the model is needed: for a text, or for words."""
        return bool(self.sources) or self.relations is not None

    def contradictions(self) -> Iterator[str]:
        """Say which parts of the recipe need others, and which do not go together."""
        yield from self._missing_parts()
        yield from self._wrong_parts()

    def _missing_parts(self) -> Iterator[str]:
        """Say which parts of the recipe need others that are not there."""
        keeps = self.activations.keep
        if bool(self.sources) != (self.sequences is not None) or (self.sources and self.saes is None and not keeps):
            yield (
                "sources, sequences and saes go together: give all three, or activations.keep in place of saes for"
                " activations alone, or none for word pairs alone"
            )
        elif self.saes is None and self.relations is None and not keeps:
            yield "nothing to build: give sources, sequences and saes, or relations, or both"
        elif self.training is not None and (self.sequences is None or self.sequences.per_type is None):
            yield "saes are trained on drawn sequences: give sources and sequences with per_type"
        if keeps and not self.activations.sites:
            yield "activations.keep stores what is at activations.sites: name at least one, or leave it out"
        elif not self.activations.sites and (self.training is not None or self.relations is not None):
            yield "activations.sites: name at least one, to train SAEs on or to read words at"
        if (self.occurrence is not None or keeps) and not self.sources:
            yield "occurrence and activations.keep need text: give sources and sequences"
        if self.untrained and (self.saes is None or not self.sources):
            yield "untrained SAEs encode the text that others encode: give saes, sources and sequences"
        if self.cooccurrence and self.occurrence is None:
            yield "cooccurrence counts blocks of tokens: give occurrence, which says what a block is"

    def _wrong_parts(self) -> Iterator[str]:
        """Say which parts of the recipe do not go together."""
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            yield "two sources have the same name; rename one of them"
        if self.training is not None and (self.occurrence is not None or self.cooccurrence or self.activations.keep):
            yield "occurrence, cooccurrence and activations.keep are for ready SAEs: list them under saes"
        elif self.occurrence is not None and not self.imported:
            yield "occurrence follows from the codes of ready SAEs: list them under saes"
        if self.codes is None:
            return
        if self.saes is None:
            yield "codes need an SAE: give saes too"
        elif self.imported:
            yield "ready SAEs store all codes: leave codes out"
        elif self.codes.site not in (None, *self.activations.sites):
            yield f"codes.site {self.codes.site!r} is not one of activations.sites; add it there"
