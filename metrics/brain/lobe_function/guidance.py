"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_DETAILS = r"""
Nulls, the first two with p = (b + 1) / (draws + 1), one-sided:

- `label_permutation`: Types permuted among documents, as blocks of one document are not independent. It holds if lobes
  have nothing to do with types, which no text with words of its own for each type lets be: a small p is no surprise.
- `frequency_stratified`: Lobes permuted among features of like firing rate: whether it takes these groups of features,
  or any groups of the same sizes and rates tell types apart as well.
- `word_pieces`: What the text tells without a model or an SAE. No draws: p of `cramers_v_gain` is that of Student's t
  for the error below, of both sides at once.
- `untrained_sae`: What random directions tell of the same activations, with as many features of which as many are on:
  what the model and the architecture give without training the SAE. p likewise, of `cramers_v_gain_untrained`. A store
  has it where its recipe says `untrained: true`; codes of a trained SAE alone do not say what it would encode. Where
  the store keeps codes of both, it stands beside the SAE at every block length (`cramers_v_by_length_gain_untrained`).

Documents are halved in `n_halvings` ways, and either half finds lobes that the other measures. Let one halving give g
and g', each with a jackknife's variance v and v' of leaving out one of 20 groups of measured documents. A mean over all
ways has the variance (v + v') / 4 or (g - g')² / 4, each averaged over halvings, whichever is larger: the first is of
the measured documents, the second also of those that lobes were found on. Of the share of it beyond the first the
quantile of t has one degree of freedom for each halving, else those of the groups (Cochran and Cox 1957). No interval
is shorter than what no exception among all documents allows: `-ln(0.025)` over their number, of V. So are intervals and
p of V and its gains. Those of `winner_share` and `enrichment` are of the lobes found, and cover the measured documents
alone.

Blocks of one length are stretches of a sequence from its start, and what remains of it is left out. Of fewer blocks V
is larger by chance alone, so that its values at different lengths do not compare: those at one length do. Of a store
with a stored occurrence the codes may be of fewer blocks. The block length of everything else is a setting of
occurrence: `occurrence: {block_length: 64}` in a spec of a run.

Does not depend on the decoder. Cost: that of `lobes` on half of the blocks, both ways of each halving; as often twice
more where the text is known, once more for an untrained SAE, and for each block length twice, or three times with codes
of an untrained SAE. One pass over the codes, whose bits are multiplied by all lobes of n_shuffles + 2 divisions. Memory
of 4 bytes beside for each block and lobe of a division, of a bit for each feature in each block and halving, and, where
there are codes, in each 64 tokens and each block of each length.
"""

_FORMULA = r"""
With c of the m features of lobe l on in a block, and $p_l$ the share on over all blocks, the enrichment of the lobe is

$$
e_l = \ln \frac{c + \frac{1}{2}}{m - c + \frac{1}{2}} - \ln \frac{p_l}{1 - p_l}
$$

and of the table of blocks by winning lobe and type, with r rows and q columns that are not empty,

$$
V = \sqrt{\frac{\chi^2}{n\, (\min(r, q) - 1)}}
$$
"""
GUIDANCE = Guidance(
    question="Which kinds of text is each group of features on in?",
    reading=(
        "`enrichment` above 0 is a lobe on more than elsewhere. `cramers_v` says how well lobes tell "
        "types apart; `cramers_v_gain` how much better than word pieces do, and "
        "`cramers_v_gain_untrained` how much better than an SAE that was not trained."
    ),
    misleads=(
        (
            "Texts of different types have different words: any description of them tells them apart, so "
            "that a large V with p near 0 is no merit of the SAE. Only the gain over word pieces is."
        ),
        "`winner_share_published` favours lobes of features that are often on.",
        "V of few blocks is large by chance: do not compare it between block lengths.",
        (
            "Where lobes tell types apart in part alone (V from 0.2 to 0.7) other documents give other lobes, and "
            "gains have wide intervals. Of fewer halvings than three they may be too short there: in simulations of "
            "two, p was 0.01 or less in 5 percent."
        ),
    ),
    published="`winner_share_published`: the lobe with the largest share of its features on wins a block.",
    versions={
        2: "Lobes are found by a block eigensolver.",
        3: "Word pieces and lobes of like firing rate are held beside; shares and enrichment have intervals.",
        4: "A longer sequence of draws extends a shorter one.",
        5: "Gains are cross-fitted: their errors cover the documents that lobes are found on.",
    },
    details=_DETAILS,
    formula=_FORMULA,
)
