"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_DETAILS = r"""
Two nulls have no offset that the pairs of a relation have in common:

- ``label_permutation``: relations are permuted among the pairs of each fold. It keeps every pair as it is, and an
  offset that all relations share;
- ``offsets_redealt``: each pair keeps its source and gets the offset of some pair of its fold, whatever its
  relation, turned around with probability one half. It keeps how near targets lie to their own sources and the
  lines that offsets lie on, and no mean offset of a relation or of all.

Discriminants are fitted anew for each draw of either; the other views take no relation into account. The former is
exact where pairs are exchangeable between relations. The latter is exact where offsets are exchangeable, symmetric
about zero and independent of sources: a signed permutation of them then changes no joint law. Where words are
shared between pairs, offsets are not independent, and either is approximate.

Null ``derangement`` tests **pairing**, and nothing else: targets change places within the held-out pairs of a
relation, none staying, in views as they were fitted. It keeps the mean offset of a relation, and rejects wherever
targets lie near their own sources. A derangement has no fixed point, so its p is exact only in the limit of many
pairs: on noise 5 percent is reached in 5 percent of cases with 12 pairs of a relation in a fold, in 10 percent with
4.

``improvement`` is the score minus that of the raw view, with the sign that makes better positive. Scores depend on
the number of dimensions whatever the offsets are (a mean \|cosine\| is larger in fewer), so
``improvement_above_null`` takes away what the view does to the draws of a null: ``improvement`` minus the same
difference of ``null_mean``.

Intervals are over pairs, for these relations: they cover the mean of a score over other pairs of the same
relations, in views fitted to as many of them. They say nothing of other relations, which no interval from a few
could; ``<score>_by_relation`` shows how far these differ. Pairs are dealt into ten groups. Without each group views
are fitted anew (with the shrinkage of all pairs), the other held-out pairs are scored, and answers are sought among
their words alone; a jackknife over groups and the t law of 9 degrees of freedom give the interval, paired between
views. That of ``improvement_above_null`` also has how the means of nulls change without each group, from up to 30
draws (in which discriminants stay as they were fitted), and the error of means over ``n_permutations`` draws.

On 4 relations of 20 pairs in 12 dimensions they hold the mean in 0.93 to 1.00 of samples, be it one offset that all
relations share, where discriminants find directions of noise alone, or an offset of each relation. They are wider
than need be: by half with four pairs of a relation in a fold, and up to fourfold for analogies and silhouettes in
the lda view, which a new fit changes by jumps. Between pairs that share a word the jackknife sees no dependence,
and ``whitened_at_random`` is not fitted anew.

Correlations of directions with nuisance variables have permutation p-values; those of partial R2 permute what the
other variables leave (Freedman and Lane). Within relations pairs are shuffled, and intervals are Fisher's for
ranks. Over all pairs the relations are what was sampled, since pairs of one are alike in both: their means change
places while pairs are shuffled within them, and intervals are 95 percent jackknife intervals of Fisher's z over
relations, NaN for fewer than 3. With few relations little can be significant there.

Relations count the same however many pairs they have, and ``max_pairs`` bounds the words among which analogies are
answered: with more of them to choose from, fewer answers are right."""

GUIDANCE = Guidance(
    question="Do word pairs of one relation form parallelograms, and do they more so without distractor directions?",
    reading=(
        "Scores are on held-out pairs. `improvement_above_null` says what removing directions adds beyond "
        "what it does to pairs without a common offset; read p under `label_permutation` and "
        "`offsets_redealt`."
    ),
    misleads=(
        ("`derangement` tests pairing and nothing else: it rejects wherever targets lie near their own sources."),
        "Analogies are answered by c alone nearly as often: `analogy_gain` is what the offset adds.",
        (
            "Discriminants scored on the pairs that they were fitted on separate anything; that is what "
            "the published silhouette does."
        ),
        "Intervals are over pairs of these relations and say nothing of others.",
    ),
    published='`estimator="published"` adds the authors\' silhouettes, on the pairs that were fitted on.',
    versions={
        2: "Distractors are removed in one way of several, and relations can be held out.",
        3: "Intervals also have the error of the means of nulls.",
        4: (
            "Every score stands against three nulls; analogies have baselines without an offset, and "
            "folds share no words."
        ),
        5: "A longer sequence of draws extends a shorter one.",
    },
    details=_DETAILS,
)
