"""What a dataset spec may say of its text: where it comes from, and how it becomes sequences of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from saegeom_data.errors import SaegeomError
from saegeom_data.harvest.text.generators import find_generator
from saegeom_data.spec.checked import StrictModel

Count = Annotated[int, Field(ge=1)]
# Endings of files, of which datasets names the format otherwise.
FORMAT_NAMES = {"jsonl": "json", "ndjson": "json", "tsv": "csv", "txt": "text", "pq": "parquet", "feather": "arrow"}
Text = Annotated[str, Field(min_length=1)]


class GrownModel(StrictModel):
    """A part of a recipe that has grown since the first stores were published.

    Each store holds the recipe that it was built from, and the bytes of published stores are promised. So a key that
    came later is written only where it differs from its default, and old recipes keep their bytes.
    """

    _later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _as_first_published(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        unsaid = {name for name in self._later if getattr(self, name) == fields[name].get_default()}
        return {name: value for name, value in handler(self).items() if name not in unsaid}


class HubSource(GrownModel):
    """Anything that ``datasets`` reads: on the Hugging Face Hub, in files, or in a folder.

    Attributes
    ----------
    path, name, split, revision, streaming
        As in ``datasets.load_dataset``: a Hub id, a folder, or ``json``, ``csv``, ``parquet``, ``text`` or ``arrow``
        with ``files``. A folder may also be one that ``Dataset.save_to_disk`` wrote.
    files
        Files or patterns of them; each may start with a root, as paths of a source do.
    text, document_id, document_type
        Columns with the text, the name and the type of each document. Rows are numbered if no name is given, and
        ``meta.pile_set_name`` is a field inside a column. A column that holds no text is refused.
    chat_template
        Whether ``text`` is a column of chats, lists of messages with ``role`` and ``content``, which the tokenizer's
        chat template turns into text; messages with ``from`` and ``value``, as ShareGPT has them, are taken too. The
        special tokens of the template are read by the model, and marked: they have no codes, and no block counts them.
        The day that a template may ask for is always the same.
    token_ids
        Column with tokens in place of text: lists of ids in the vocabulary of the model's tokenizer. Padding is left
        out: what a column ``attention_mask`` beside it says, or else the tokenizer's padding token at either end.
        Special tokens between are marked, as in chats.

    Tokens that the tokenizer puts around a text are put around each sequence, as in a text; those that a chat or a row
    of ids has already are not doubled.
    """

    _later = frozenset({"files", "document_type", "chat_template", "token_ids"})

    path: Text
    files: list[Text] = Field(default=[])
    name: str | None = None
    split: str = "train"
    revision: str | None = None
    streaming: bool = True
    text: str = "text"
    document_id: str | None = None
    document_type: str | None = None
    chat_template: bool = False
    token_ids: Text | None = None

    def contradictions(self) -> Iterator[str]:
        """Say that there is more than one content, or no format of that name."""
        if self.token_ids is not None and (self.chat_template or self.text != "text"):
            yield "token_ids stands in place of text and chat_template: give only one"
        if self.files and self.path in FORMAT_NAMES:
            yield f"path: got {self.path!r}, expected the name of a format; did you mean {FORMAT_NAMES[self.path]!r}?"

    @property
    def is_text(self) -> bool:
        """Whether documents are plain text."""
        return not self.chat_template and self.token_ids is None


class Source(StrictModel):
    """Where the text of one document type comes from; a type may have several sources.

    Attributes
    ----------
    name, document_type
        Name of the source, and the type its documents get, unless a column of the dataset gives it.
    title, license, url, citation
        What it is, its SPDX licence, where it came from and how to cite it; kept in the store.
    archive, folder, dataset, generator
        Exactly one of them: a zip file, a folder, a ``datasets`` source, or generated text. A path is relative to the
        spec file, or starts with a root such as ``{corpora}``; ``{stdlib}`` is the running Python's library. A
        generator is a function that an installed package registers under ``saegeom_data.generators``: its registered
        name, such as ``mathematics``, or ``module:function``.
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
    document_type: Text | None = None
    title: Text
    license: Text
    url: str = ""
    citation: str = ""
    archive: str | None = None
    folder: str | None = None
    dataset: HubSource | None = None
    generator: Text | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    members: list[str] = Field(default=["*"])
    exclude: list[str] = Field(default=[])
    encoding: str = "utf-8"
    markup: Literal["none", "xml"] = "none"
    lines_per_document: Count | None = None
    documents: Count | None = None
    sequences_per_document: Count | None = None
    seed: int = 0

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            # This refuses unknown names, and also codecs such as hex, which do not encode text.
            "a".encode(encoding)
        except LookupError as error:
            raise ValueError("Python has no such text encoding; give utf-8, latin-1 or another that it has") from error
        return encoding

    @field_validator("generator")
    @classmethod
    def _registered(cls, generator: str | None) -> str | None:
        # The word stays as the spec has it: stores hold the recipe, and their bytes are promised.
        if generator is not None:
            try:
                find_generator(generator)
            except SaegeomError as error:
                raise ValueError(str(error)) from error
        return generator

    def contradictions(self) -> Iterator[str]:
        """Say that text has no origin, or several, and what does not go with the one that it has."""
        origins = [self.archive, self.folder, self.dataset, self.generator]
        if sum(origin is not None for origin in origins) != 1:
            yield "give exactly one of archive, folder, dataset, generator"
        if self.generator is not None and self.documents is None:
            yield "generated text needs documents: say how many to make"
        if self.lines_per_document is not None and self.dataset is not None and not self.dataset.is_text:
            yield "lines_per_document cuts plain text: leave it out with chat_template or token_ids"
        by_column = self.dataset is not None and self.dataset.document_type is not None
        if by_column == (self.document_type is not None):
            yield "give document_type once: for the source, or as the column of its dataset"

    @property
    def location(self) -> str | None:
        """Path of the archive or folder, with its root unresolved."""
        return self.archive or self.folder


class Sequences(GrownModel):
    """How documents become sequences: each one is a block of tokens inside one document.

    Attributes
    ----------
    length
        Tokens of a sequence, special tokens included.
    cut
        ``"windows"`` takes all full windows of a document, ``"start"`` its first tokens, be they fewer than ``length``.
    per_type
        At most that many sequences of each document type, drawn from all and shuffled. If not given, all of them in the
        order of the corpus, which is then read as a stream.
    prepend_bos
        Put the tokenizer's beginning-of-sequence token first where the tokenizer does not, as TransformerLens does.
    held_out
        One sequence in that many is kept from training and measures the SAEs.
    seed
        Seed of every draw of documents and sequences.
    """

    _later = frozenset({"cut", "prepend_bos"})

    length: Annotated[int, Field(ge=4)] = 256
    cut: Literal["windows", "start"] = "windows"
    per_type: Count | None = None
    prepend_bos: bool = False
    held_out: Annotated[int, Field(ge=2)] = 20
    seed: int = 0

    def contradictions(self) -> Iterator[str]:
        """Say that sequences are drawn which are not cut as windows."""
        if self.cut == "start" and self.per_type is not None:
            yield "per_type draws from windows: leave it out if cut is 'start'"
