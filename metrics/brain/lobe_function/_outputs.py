"""What lobe_function gives."""

from __future__ import annotations

from saegeom_data.declare.claim import Null
from saegeom_data.declare.output import Output
from saegeom_data.metrics.brain.lobe_function._compared import (
    OF_LENGTHS,
    OF_LENGTHS_ALONE,
    OF_LENGTHS_UNTRAINED,
    OF_TEXT,
    OF_UNTRAINED,
    TEXT,
    TOLD,
    UNTRAINED,
)
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation

# Results name those that are drawn in this order.
NULLS = (
    Null(label_permutation.LABEL, "document types shuffled among documents", "n_permutations"),
    Null(frequency_stratified.LABEL, "lobes shuffled among features of like firing rate", "n_shuffles"),
    TEXT.null,
    UNTRAINED.null,
)
_BY_LENGTH = ("block_length", "n_lobes")
_BY_LOBE = ("n_lobes", "lobes", "document_type")


def _association(name: str, description: str, label: str, *, dims: tuple[str, ...] = ("n_lobes",)) -> Output:
    """A number about Cramér's V, in [0, 1]."""
    return Output(name, dims, "1", description, bounds=(0, 1), label=label)


def _gain(name: str, description: str, label: str, *, dims: tuple[str, ...] = ("n_lobes",)) -> tuple[Output, ...]:
    """A difference of V, in [-1, 1], with the ends of its interval and its p; ``label`` says beyond what."""
    ends = tuple(
        Output(
            f"{name}_{end}",
            dims,
            "1",
            f"{side} end of the 95 percent interval of {name}, over documents to find lobes on and to measure them on",
            label=f"V beyond {label}, {side} end",
        )
        for end, side in (("low", "lower"), ("high", "upper"))
    )
    gain = Output(name, dims, "1", description, bounds=(-1, 1), direction="higher", label=f"V beyond {label}")
    p = f"one-sided p of {name}, by t of the same errors"
    return gain, *ends, _association(f"{name}_p", p, f"p of V beyond {label}", dims=dims)


OUTPUTS = (
    Output(
        "winner_share",
        _BY_LOBE,
        "1",
        "share of a type's blocks in which the lobe is enriched most, in [0, 1]",
        bounds=(0, 1),
        direction="higher",
        label="blocks won",
    ),
    Output(
        "winner_share_low",
        _BY_LOBE,
        "1",
        "lower end of the 95 percent jackknife interval of winner_share",
        bounds=(0, 1),
        label="blocks won, lower end",
    ),
    Output(
        "winner_share_high",
        _BY_LOBE,
        "1",
        "upper end of the 95 percent jackknife interval of winner_share",
        bounds=(0, 1),
        label="blocks won, upper end",
    ),
    Output(
        "winner_share_published",
        _BY_LOBE,
        "1",
        "the same by raw share of the lobe's features, as published",
        bounds=(0, 1),
        direction="higher",
        label="blocks won, as published",
    ),
    Output(
        "enrichment",
        _BY_LOBE,
        "nats",
        "mean log-odds of the lobe's features over its own base rate; 0 is none",
        direction="higher",
    ),
    Output(
        "enrichment_low",
        _BY_LOBE,
        "nats",
        "lower end of the 95 percent jackknife interval of enrichment",
        label="enrichment, lower end",
    ),
    Output(
        "enrichment_high",
        _BY_LOBE,
        "nats",
        "upper end of the 95 percent jackknife interval of enrichment",
        label="enrichment, upper end",
    ),
    Output(
        "cramers_v",
        ("n_lobes",),
        "1",
        "association of winning lobe and document type, in [0, 1]",
        bounds=(0, 1),
        direction="higher",
        label="Cramér's V",
    ),
    _association("cramers_v_low", "lower end of the 95 percent interval of cramers_v", "V, lower end"),
    _association("cramers_v_high", "upper end of the 95 percent interval of cramers_v", "V, upper end"),
    _association(
        "cramers_v_cross_fitted",
        "mean of cramers_v of lobes found on either half of the documents and measured on the other, in all halvings",
        "V, both ways round",
    ),
    _association(
        "cramers_v_null_mean", "mean of cramers_v under the null", "V, mean of the null", dims=("null", "n_lobes")
    ),
    Output(
        "cramers_v_null_sd",
        ("null", "n_lobes"),
        "1",
        "standard deviation of cramers_v under the null",
        bounds=(0, None),
        label="V, spread of the null",
    ),
    _association(
        "cramers_v_p",
        "one-sided p of cramers_v, at least 1 / (draws + 1)",
        "p of Cramér's V",
        dims=("null", "n_lobes"),
    ),
    _association(
        "cramers_v_text",
        "cramers_v_cross_fitted of the blocks whose text is known",
        "V, blocks with text",
    ),
    _association(
        "cramers_v_word_pieces",
        "the same of lobes of as many word pieces of that text, no model; NaN without text",
        "V of word pieces",
    ),
    *_gain(
        "cramers_v_gain", "cramers_v_text less cramers_v_word_pieces: what the SAE tells beyond the text", "word pieces"
    ),
    _association(
        "cramers_v_untrained",
        "cramers_v_cross_fitted of an SAE that was not trained, on the same blocks; NaN without one",
        "V of an untrained SAE",
    ),
    *_gain(
        "cramers_v_gain_untrained",
        "cramers_v_cross_fitted less cramers_v_untrained: what training adds",
        "an untrained SAE",
    ),
    _association(
        "cramers_v_by_length",
        "cramers_v of lobes found and measured on blocks of so many tokens; NaN without codes, or where no document is "
        "as long",
        "V by block length",
        dims=_BY_LENGTH,
    ),
    _association(
        "cramers_v_by_length_low",
        "lower end of the 95 percent jackknife interval of cramers_v_by_length",
        "V by block length, lower end",
        dims=_BY_LENGTH,
    ),
    _association(
        "cramers_v_by_length_high",
        "upper end of the 95 percent jackknife interval of cramers_v_by_length",
        "V by block length, upper end",
        dims=_BY_LENGTH,
    ),
    _association(
        "cramers_v_by_length_null_mean",
        "mean of cramers_v_by_length with types permuted among documents: the fewer blocks, the larger",
        "V by block length, types shuffled",
        dims=_BY_LENGTH,
    ),
    _association(
        "cramers_v_by_length_word_pieces",
        "the same of lobes of as many word pieces of these blocks",
        "V of word pieces by block length",
        dims=_BY_LENGTH,
    ),
    *_gain(
        "cramers_v_by_length_gain",
        "cramers_v_by_length less cramers_v_by_length_word_pieces",
        "word pieces, by block length",
        dims=_BY_LENGTH,
    ),
    _association(
        "cramers_v_by_length_untrained",
        "the same of lobes of an SAE that was not trained, found and measured on these blocks; NaN without its codes",
        "V of an untrained SAE by block length",
        dims=_BY_LENGTH,
    ),
    *_gain(
        "cramers_v_by_length_gain_untrained",
        "cramers_v_by_length less cramers_v_by_length_untrained",
        "an untrained SAE, by block length",
        dims=_BY_LENGTH,
    ),
    Output(
        "median_share_on",
        ("block_length",),
        "1",
        "share of blocks of that length that the median feature is on in, of those that fire at all",
        bounds=(0, 1),
        label="blocks that the median feature is on in",
    ),
    Output(
        "lobe",
        ("n_lobes", "features"),
        "1",
        "lobe of each feature, 0 the largest; -1 for masked features",
        -1,
        dtype="int64",
        bounds=(-1, None),
    ),
    Output(
        "n_blocks_measured",
        ("document_type",),
        "count",
        "blocks of each type that function is measured on",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="blocks measured",
    ),
    Output(
        "n_blocks_text",
        (),
        "count",
        "blocks that SAE and word pieces are compared on",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="blocks with text measured",
    ),
    Output(
        "n_blocks_untrained",
        (),
        "count",
        "blocks that SAE and untrained SAE are compared on",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="blocks measured beside an untrained SAE",
    ),
    Output(
        "n_blocks_by_length",
        ("block_length",),
        "count",
        "blocks of that length that lobes are compared on",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="blocks measured, by block length",
    ),
)
BY_NAME = {output.name: output for output in OUTPUTS}
_OF_OTHERS = {
    "lobe",
    *TOLD.values(),
    *OF_LENGTHS_ALONE,
    *(
        name
        for part in (OF_TEXT, OF_UNTRAINED, OF_LENGTHS, OF_LENGTHS_UNTRAINED)
        for name in (*part.outputs.values(), part.n_blocks)
    ),
}
OF_FUNCTION = tuple(output.name for output in OUTPUTS if output.name not in _OF_OTHERS)
