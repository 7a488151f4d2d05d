"""What a dataset spec may say: the recipe from text to a sealed store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from saegeom_data.spec import StrictModel

Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


class HubSource(StrictModel):
    """A source on the Hugging Face Hub or in a folder that ``datasets.load_dataset`` understands.

    Attributes
    ----------
    path, name, split, revision, streaming
        As in ``datasets.load_dataset``.
    text, document_id
        Columns with the text and with the name of each document; rows are numbered if none is given.
    """

    path: Text
    name: str | None = None
    split: str = "train"
    revision: str | None = None
    streaming: bool = True
    text: str = "text"
    document_id: str | None = None


class Source(StrictModel):
    """Where the text of one document type comes from; a type may have several sources.

    Attributes
    ----------
    name, document_type
        Name of the source, and the type its documents get.
    title, license, url, citation
        What it is, its SPDX licence, where it came from and how to cite it; kept in the store.
    archive, folder, dataset, generator
        Exactly one of them: a zip file, a folder, a ``datasets`` source, or generated text. A path is relative to the
        spec file, or starts with a root such as ``{corpora}``; ``{stdlib}`` is the running Python's library.
    sha256
        Checksum of the archive.
    members, exclude
        Patterns of the files inside the archive or folder.
    encoding
        Encoding of the files.
    markup
        ``"xml"`` keeps only the text between tags.
    lines_per_document
        Cut each file into documents of that many lines.
    documents
        How many documents to take, by a seeded draw; all if not given.
    sequences_per_document
        At most that many sequences from one document, by a seeded draw.
    seed
        Seed of generated text.
    """

    name: Text
    document_type: Text
    title: Text
    license: Text
    url: str = ""
    citation: str = ""
    archive: str | None = None
    folder: str | None = None
    dataset: HubSource | None = None
    generator: Literal["mathematics"] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    members: list[str] = Field(default=["*"])
    exclude: list[str] = Field(default=[])
    encoding: str = "utf-8"
    markup: Literal["none", "xml"] = "none"
    lines_per_document: Count | None = None
    documents: Count | None = None
    sequences_per_document: Count | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        origins = [self.archive, self.folder, self.dataset, self.generator]
        if sum(origin is not None for origin in origins) != 1:
            raise ValueError("give exactly one of archive, folder, dataset, generator")
        if self.generator is not None and self.documents is None:
            raise ValueError("generated text needs documents, the number of them")
        return self

    @property
    def location(self) -> str | None:
        """Path of the archive or folder, with its root unresolved."""
        return self.archive or self.folder


class LanguageModel(StrictModel):
    """The transformer whose activations are read.

    Attributes
    ----------
    name
        The model's name in the store.
    package, path
        An installed Python package that carries the weights, and the folder inside it; without a
        package, ``path`` is a local folder or a Hub id.
    revision
        Revision on the Hub.
    """

    name: Text
    path: Text
    package: str | None = None
    revision: str | None = None
    license: str = ""


class Sequences(StrictModel):
    """How documents become sequences: each one is a block of tokens inside one document.

    Attributes
    ----------
    length
        Tokens of a sequence, special tokens included.
    per_type
        At most that many sequences of each document type.
    held_out
        One sequence in that many is kept from training and measures the SAEs.
    seed
        Seed of every draw of documents and sequences.
    """

    length: Annotated[int, Field(ge=4)] = 256
    per_type: Count
    held_out: Annotated[int, Field(ge=2)] = 20
    seed: int = 0


class Activations(StrictModel):
    """Which hidden states of ``transformers`` are read: 0 is the embedding's output, n the output of layer n.

    The last one is after the model's final norm, if it has one.
    """

    sites: Annotated[list[Annotated[str, Field(pattern=r"^hidden_state_\d+$")]], Field(min_length=1)]
    batch_size: Count = 16

    @field_validator("sites")
    @classmethod
    def _unique(cls, sites: list[str]) -> list[str]:
        if len(set(sites)) != len(sites):
            raise ValueError("a site stands twice")
        return sites


class Training(StrictModel):
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
    """

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

    @model_validator(mode="after")
    def _k_within_width(self) -> Training:
        if self.k > self.width:
            raise ValueError(f"k = {self.k} is more than width = {self.width}")
        return self


class Codes(StrictModel):
    """Which codes are stored whole: those of one site, for some sequences of each type."""

    site: Text
    sequences_per_type: Count


class Relations(StrictModel):
    """Word pairs whose activations are stored.

    Attributes
    ----------
    files
        One relation each, named by the file: CSV with the header ``source,target``, or JSON as Todd et al. (2024)
        publish it, a list of objects with ``input`` and ``output``. A path may be a pattern, or a URL, or start with a
        root that is a folder or a URL.
    pieces
        ``"last"`` takes the last token of a word encoded alone, ``"mean"`` averages its tokens.
    special_tokens
        Whether a word stands between the tokens that the tokenizer adds, as a text would. They are never averaged.
    dtype
        Of the stored activations; some models have values that ``"float16"`` cannot hold.
    pairs
        At most that many pairs of each relation, the first ones of the file.
    languages
        Languages of sources and targets of a relation, by its name, such as ``[en, fr]``; ``[en, en]`` if not given.
    title, license, url, citation
        What the pairs are, their SPDX licence, where they came from and how to cite them; kept in the store.
    """

    files: Annotated[list[str], Field(min_length=1)]
    pieces: Literal["last", "mean"] = "last"
    special_tokens: bool = True
    dtype: Literal["float16", "float32"] = "float16"
    pairs: Count | None = None
    languages: dict[str, Annotated[list[Text], Field(min_length=2, max_length=2)]] = Field(default={})
    title: str = ""
    license: str = ""
    url: str = ""
    citation: str = ""


class Recipe(StrictModel):
    """A recipe: text, model, SAEs and what of it all is stored.

    ``sources``, ``sequences`` and ``saes`` go together; without them a store holds word pairs only.
    """

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
    activations: Activations
    saes: Training | None = None
    codes: Codes | None = None
    relations: Relations | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if len({bool(self.sources), self.sequences is not None, self.saes is not None}) > 1:
            raise ValueError("sources, sequences and saes go together: give all three, or none for word pairs alone")
        if self.saes is None and self.relations is None:
            raise ValueError("nothing to build: give sources, sequences and saes, or relations, or both")
        if self.codes is not None and self.saes is None:
            raise ValueError("codes are those of an SAE: give saes too")
        if self.codes is not None and self.codes.site not in self.activations.sites:
            raise ValueError(f"codes.site {self.codes.site!r} is not one of activations.sites")
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources have the same name")
        return self
