"""Which way round a matrix of plain arrays lies: told by what lies beside it, and never guessed.

The rows of a decoder are features where nothing is said. Vectors, a configuration and names tell, in that order, and
two that contradict each other are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from saegeom_data.checkpoints.checkpoint import ORIENTATIONS, Candidate
from saegeom_data.checkpoints.sizes import stated_sizes
from saegeom_data.errors import ParameterError, StoreError

# Names by which libraries save what is over features and what is over hidden units.
_OVER_FEATURES = (
    "encoder_bias", "encoder.bias", "b_enc", "latent_bias", "encoder_linear.bias", "threshold", "log_threshold",
    "log_jumprelu_threshold", "jumprelu_threshold", "gate_bias", "mag_bias", "r_mag", "b_gate", "b_mag",
    "scaling_factor", "sparsity", "log_feature_sparsity",
)  # fmt: skip
_LINEAR_ENCODERS = ("encoder.weight", "encoder_linear.weight")
_OVER_HIDDEN = ("decoder_bias", "decoder.bias", "b_dec", "pre_bias", "decoder_linear.bias")


def is_transposed(candidate: Candidate, key: str) -> bool:
    """Whether a decoder lies as (hidden, features).

    Raises
    ------
    ParameterError
        If nothing tells where it matters, or what the user says is not so.
    StoreError
        If two things beside the decoder contradict each other.
    """
    rows, columns = candidate.shape(key)
    where = f"{candidate.file.shown}: {key}: {rows:,} x {columns:,}"
    told = dict(_told(candidate, key, where))
    if len(told) > 1:
        raise StoreError(f"{where}: {told[False]}, but {told[True]}; not of one SAE, or of another format")
    if candidate.orientation is not None:
        said = ORIENTATIONS[candidate.orientation]
        if told and said not in told:
            raise ParameterError(
                f"{where}: got --orientation {candidate.orientation}, but {told[not said]}; leave it out"
            )
        return said
    if told:
        return next(iter(told))
    by_name = _told_by_name(key)
    encoder = next((shape for _, shape in _beside(candidate, key, _LINEAR_ENCODERS)), ())
    if len(encoder) == 2 and rows != columns and sorted(encoder) == sorted((rows, columns)):
        # The weight of a Linear that makes features: its rows are those.
        return encoder[0] == columns
    if rows > columns and not by_name:
        return False
    if rows <= columns and by_name:
        return True
    # As the weight of a Linear it would have fewer features than hidden units; as any matrix it may be either.
    name = f" ({key} is the name of a torch Linear, (hidden, features))" if by_name else ""
    raise ParameterError(
        f"{where}: nothing tells whether its rows or its columns are features{name}; give --orientation"
        f" {' or '.join(ORIENTATIONS)}"
    )


def _told(candidate: Candidate, key: str, where: str) -> Iterator[tuple[bool, str]]:
    """Yield whether the decoder is transposed, and by what, for each thing that tells; nothing tells of a square."""
    rows, columns = candidate.shape(key)
    for names, is_transposed in (
        (_OVER_FEATURES, {rows: False, columns: True}),
        (_OVER_HIDDEN, {columns: False, rows: True}),
    ):
        for name, shape in _beside(candidate, key, names):
            # One number may stand for all features.
            if len(shape) != 1 or shape == (1,):
                continue
            if shape[0] not in is_transposed:
                raise StoreError(f"{where}: {name} has {shape[0]:,} entries, which fits neither side; not of one SAE")
            if rows != columns:
                yield is_transposed[shape[0]], f"{name} has {shape[0]:,} entries"
    sizes, file = stated_sizes(candidate, "arrays")
    for transposed, (features, hidden) in {False: (rows, columns), True: (columns, rows)}.items():
        if (
            sizes
            and rows != columns
            and (sizes.get("features", features), sizes.get("hidden", hidden)) == (features, hidden)
        ):
            yield transposed, f"{file} states {features:,} features of {hidden:,}"


def _beside(candidate: Candidate, key: str, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield key and shape of the tensors of some names that go with a decoder."""
    for name in names:
        if (found := sibling(candidate, key, name)) is not None:
            yield found, candidate.shape(found)


def sibling(candidate: Candidate, key: str, name: str) -> str | None:
    """Key of a tensor beside a decoder, which may have a prefix that both share; None where there is none."""
    head, dot, last = key.rpartition(".")
    # Of decoder.weight the module is decoder, and what lies beside that has no prefix.
    prefix = head.rpartition(".")[0] if last == "weight" else head
    prefix += "." if prefix and dot else ""
    found = f"{prefix}{name}"
    return found if found in candidate.keys and found != key else None


def _told_by_name(key: str) -> bool:
    """Whether a name is that of a torch Linear from features to hidden units, whose weight is (hidden, features)."""
    module, _, last = key.rpartition(".")
    return last == "weight" and "enc" not in module.rpartition(".")[2].lower()


def encoder_is_transposed(candidate: Candidate, key: str, transposed: bool, encoder: str) -> bool:
    """Whether an encoder lies as (hidden, features), beside a decoder that does or does not.

    Of two square matrices only names tell: those of this package lie alike, and those of other libraries crosswise.
    """
    decoder, shape = candidate.shape(key), candidate.shape(encoder)
    features = decoder[1] if transposed else decoder[0]
    if len(shape) == 2 and shape[0] != shape[1]:
        return shape[0] != features and shape[1] == features
    # W_enc and W_dec are both for x @ W, weights of two Linear layers both for W @ x: of either
    # pair one has features first.
    return transposed if encoder.rpartition(".")[2] == "encoder" else not transposed
