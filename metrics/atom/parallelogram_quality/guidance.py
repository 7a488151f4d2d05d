"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_DETAILS = r"""
The offset of a pair is its target activation minus its source activation. For pairs (a, b) and (c, d) of one relation
the scores are means over all such quadruples of

- `offset_consistency`: $\cos(b - a, d - c)$;
- `pairing_consistency`: share of the cosines of five shuffled pairings below it, which is the area under the ROC curve
  of true against shuffled cosines; 0.5 where pairing does not matter;
- `parallelogram_residual`: $2 |(b - a) - (d - c)| / (|b - a| + |d - c|)$;
- `trapezoid_cosine`: $|\cos(b - a, d - c)|$;
- `analogy_accuracy`: whether d has the largest cosine with b - a + c among the words of all held-out pairs without a, b
  and c; `analogy_accuracy_with_inputs`: with them. Each c is asked for with five pairs (a, b);
- its baselines `analogy_accuracy_without_offset`, whether d is nearest to c itself, and
  `analogy_accuracy_other_relation`, whether it is nearest to b' - a' + c for a pair (a', b') of another relation; and
  `analogy_gain`, which is `analogy_accuracy` minus the better of the two over all relations;

and `silhouette` is the mean over a relation's offsets of (other - own) / max(own, other), with own the mean Euclidean
distance to offsets of the same relation and other that to the nearest other relation. Every score is computed within
each fold (and there within groups of 50 pairs of a relation at most), averaged over folds, then over relations, so that
no relation counts more for having more pairs. Two pairs with a word in common form no parallelogram, and are not
compared; all scores of analogies leave out those whose d is one of the words given.

Each score is given in several views of **the same held-out pairs**, each a linear map of all words that was fitted on
other pairs. View `raw` leaves them as they are; the others are

- `lda`: linear discriminants of the offsets. With total covariance T and between-relation covariance B of p-dimensional
  training offsets they maximise $B$ against $(1 - \delta)(T - B) + \delta\,\mathrm{tr}(T) / p\, I$ and make the latter
  the identity;
- `principal_components_removed`: the first principal axes of the offsets projected out;
- `whitened`: words times the inverse root of their shrunk covariance, which is the causal inner product of Park et al.
  with the words of the training pairs in place of a vocabulary; beside it always `whitened_at_random`, the same
  spectrum along random directions, another draw for each fold. What the latter gains too is no merit of the covariance;
- `erased`: least-squares erasure of the nuisance variables that `erased` names (LEACE), after which training offsets
  are uncorrelated with them.

Of the parameters:

- `pairs`: columns `source_` and `target_` `token_count`, `frequency_rank` (else `last_token_id`) and `language`, and
  `last_token_length_difference`, are used if there.
- `estimator="published"`: discriminants without shrinkage of all pairs, duplicates and identical words included, and
  their silhouette, every pair counting the same.
- `hold_out="relations"`: relations are dealt into `n_folds` groups. It asks whether directions learnt on some relations
  are good for others, and takes `n_folds` times as long.
- `apart="words"`: pairs that share a word fall into one fold. A relation whose pairs hang together by their words more
  than folds allow is dealt pair by pair all the same, and `n_sharing_words` counts its pairs.

**What is returned.**

Each score (hold_out, view) and `<score>_by_relation` (hold_out, view, relation). Over (hold_out, score, view): 95
percent interval `low` and `high`, and `improvement` over the raw view with its interval. Over (hold_out, null, score,
view): `null_mean`, `null_standard_deviation` and one-sided `p`; `improvement_above_null` with its interval and
`improvement_p`. `p_by_relation`. `analogy_gain_p` (hold_out, view), of no gain. `score_by_directions` (hold_out, score,
directions), and the same over null `null_mean_by_directions`; `silhouette_published_by_directions` (directions). Counts
of pairs used and left out, of those that share a word with a pair of another fold (`n_sharing_words`), and of those
that are a pair of another relation too (`n_in_other_relations`): these are scored in both relations and fall into one
fold, and no analogy is asked whose answer another relation's pair gives.

What the directions are that are removed (direction): the first principal components of the offsets of all pairs, and
the largest axes of what discriminants fitted on all pairs drop, each with its share of variance and, over all pairs and
within relations (scope), its rank and linear correlation with each nuisance variable, its partial R2 on ranks given the
others, and the R2 of all; `direction_description` says it in words. A direction is turned so that its correlation with
word length is positive. Nuisance variables are target minus source: `length` in characters, `token_count`,
`frequency_rank` (logarithm; the place of the last token in the vocabulary where no ranks are given), `capitalisation`,
whether the `language` changes, and `last_token_length`. Those whose columns are not there, or that are the same for all
pairs, are NaN. Directions of `erased` are not among them: it erases what it names.

For a picture, `offset_position` (view, pairs, axis): offsets of the pairs of the first fold, in the order of `pairs`,
on two axes that were fitted on the other folds; NaN where only relations are held out. Axes are the first two principal
ones of the mapped training offsets, and the first two discriminants for `lda`; the second coordinate is 0 if there is
no second axis, and the origin is an offset of zero. Axes are turned so that the training offset farthest along them has
a positive coordinate. `pair_relation` (pairs) is the relation of each of these pairs, -1 for all others.

**Nulls, intervals and cost.**

Pairs of equal words, repeated pairs and pairs whose activations differ by less than 1e-6 of their norms are dropped.
Capping and folds follow a hash of the words, so all outputs are invariant under permutation of pairs, but for
`offset_position` and `pair_relation`, whose rows are permuted with them. All are invariant under rotation, and all
under scale but `offset_position`, which is in units of activation outside the lda view.

Two nulls have no offset that the pairs of a relation have in common:

- `label_permutation`: relations are permuted among the pairs of each fold. It keeps every pair as it is, and an offset
  that all relations share;
- `offsets_redealt`: each pair keeps its source and gets the offset of some pair of its fold, whatever its relation,
  turned around with probability one half. It keeps how near targets lie to their own sources and the lines that offsets
  lie on, and no mean offset of a relation or of all.

Discriminants are fitted anew for each draw of either; the other views take no relation into account. The former is
exact where pairs are exchangeable between relations. The latter is exact where offsets are exchangeable, symmetric
about zero and independent of sources: a signed permutation of them then changes no joint law. Where words are shared
between pairs, offsets are not independent, and either is approximate.

Null `derangement` tests **pairing**, and nothing else: targets change places within the held-out pairs of a relation,
none staying, in views as they were fitted. It keeps the mean offset of a relation, and rejects wherever targets lie
near their own sources. A derangement has no fixed point, so its p is exact only in the limit of many pairs: on noise 5
percent is reached in 5 percent of cases with 12 pairs of a relation in a fold, in 10 percent with 4.

`improvement` is the score minus that of the raw view, with the sign that makes better positive. Scores depend on the
number of dimensions whatever the offsets are (a mean |cosine| is larger in fewer), so `improvement_above_null` takes
away what the view does to the draws of a null: `improvement` minus the same difference of `null_mean`.

Intervals are over pairs, for these relations: they cover the mean of a score over other pairs of the same relations, in
views fitted to as many of them. They say nothing of other relations, which no interval from a few could;
`<score>_by_relation` shows how far these differ. Pairs are dealt into ten groups. Without each group views are fitted
anew (with the shrinkage of all pairs), the other held-out pairs are scored, and answers are sought among their words
alone; a jackknife over groups and the t law of 9 degrees of freedom give the interval, paired between views. That of
`improvement_above_null` also has how the means of nulls change without each group, from up to 30 draws (in which
discriminants stay as they were fitted), and the error of means over `n_permutations` draws.

On 4 relations of 20 pairs in 12 dimensions they hold the mean in 0.93 to 1.00 of samples, be it one offset that all
relations share, where discriminants find directions of noise alone, or an offset of each relation. They are wider than
need be: by half with four pairs of a relation in a fold, and up to fourfold for analogies and silhouettes in the lda
view, which a new fit changes by jumps. Between pairs that share a word the jackknife sees no dependence, and
`whitened_at_random` is not fitted anew.

Correlations of directions with nuisance variables have permutation p-values; those of partial R2 permute what the other
variables leave (Freedman and Lane). Within relations pairs are shuffled, and intervals are Fisher's for ranks. Over all
pairs the relations are what was sampled, since pairs of one are alike in both: their means change places while pairs
are shuffled within them, and intervals are 95 percent jackknife intervals of Fisher's z over relations, NaN for fewer
than 3. With few relations little can be significant there.

Relations count the same however many pairs they have, and `max_pairs` bounds the words among which analogies are
answered: with more of them to choose from, fewer answers are right.

Memory: 5 bytes a value of all pairs (9 in double precision) and 80 of those in use, or 84 of all where `estimator` is
published; and 32 for each two pairs of a fold in every view. Time: for each fit two eigen-decompositions of min(hidden,
pairs) squared, n_permutations products of pairs, hidden and relations, and for each draw, view and pair of a fold ten
passes over its words.
"""

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
