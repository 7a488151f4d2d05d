"""What lobe_function gives."""

from __future__ import annotations

from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Output
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation

WORD_PIECES = Null("word_pieces", "lobes of word pieces of the same text")
# Results name those that are drawn in this order.
NULLS = (
    Null(label_permutation.LABEL, "document types shuffled among documents", "n_permutations"),
    Null(frequency_stratified.LABEL, "lobes shuffled among features of like firing rate", "n_shuffles"),
    WORD_PIECES,
)
_BY_LOBE = ("n_lobes", "lobes", "document_type")


def _association(name: str, description: str, label: str, *, dims: tuple[str, ...] = ("n_lobes",)) -> Output:
    """A number about Cramér's V, in [0, 1]."""
    return Output(name, dims, "1", description, bounds=(0, 1), label=label)


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
    _association("cramers_v_low", "lower end of the 95 percent jackknife interval of cramers_v", "V, lower end"),
    _association("cramers_v_high", "upper end of the 95 percent jackknife interval of cramers_v", "V, upper end"),
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
        "cramers_v of lobes found and measured on the blocks whose text is known",
        "V, blocks with text",
    ),
    _association(
        "cramers_v_word_pieces",
        "the same of lobes of as many word pieces of that text, no model; NaN without text",
        "V of word pieces",
    ),
    Output(
        "cramers_v_gain",
        ("n_lobes",),
        "1",
        "cramers_v_text less cramers_v_word_pieces: what the SAE tells of types beyond the text",
        bounds=(-1, 1),
        direction="higher",
        label="V beyond word pieces",
    ),
    Output(
        "cramers_v_gain_low",
        ("n_lobes",),
        "1",
        "lower end of the 95 percent interval of cramers_v_gain, a paired jackknife over documents",
        label="V beyond word pieces, lower end",
    ),
    Output(
        "cramers_v_gain_high",
        ("n_lobes",),
        "1",
        "upper end of the 95 percent interval of cramers_v_gain, a paired jackknife over documents",
        label="V beyond word pieces, upper end",
    ),
    _association(
        "cramers_v_gain_p", "one-sided p of cramers_v_gain, by t of the same jackknife", "p of V beyond word pieces"
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
)
BY_NAME = {output.name: output for output in OUTPUTS}
OF_TEXT = (
    "cramers_v_text",
    "cramers_v_word_pieces",
    "cramers_v_gain",
    "cramers_v_gain_low",
    "cramers_v_gain_high",
    "cramers_v_gain_p",
    "n_blocks_text",
)
OF_FUNCTION = tuple(output.name for output in OUTPUTS if output.name not in {*OF_TEXT, "lobe"})
