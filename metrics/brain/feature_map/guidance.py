"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_FORMULA = r"""
t-SNE places features at $y_i$ so that

$$
\sum_{i \neq j} p_{ij} \ln \frac{p_{ij}}{q_{ij}}, \qquad q_{ij} \propto \frac{1}{1 + |y_i - y_j|^2}
$$

is small, for $p_{ij}$ of Gaussian kernels around the decoder rows, each as wide as the perplexity asks for.
"""
GUIDANCE = Guidance(
    question="How can the dictionary be drawn on a plane?",
    reading=(
        "For drawing only. Points near each other are mostly near each other; nothing else is to be read from it."
    ),
    misleads=(
        "Sizes of groups, gaps between them and their arrangement mean nothing in t-SNE.",
        ("Two lobes that look apart may be no more apart than chance has it: measure it with `lobe_modularity`."),
    ),
    published=(
        "The paper draws t-SNE with parameters that are not known; these are scikit-learn's, with cosine distances."
    ),
    formula=_FORMULA,
)
