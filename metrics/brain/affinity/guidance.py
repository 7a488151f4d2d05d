"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_FORMULA = r"""
With $T$ blocks, $n_i$ of them with feature i on, $n_{ij}$ with both, $m_{11} = n_{ij}$, $m_{10} = n_i - n_{ij}$,
$m_{01} = n_j - n_{ij}$ and $m_{00} = T - n_i - n_j + n_{ij}$:

$$
\mathrm{phi} = \frac{m_{11} m_{00} - m_{10} m_{01}}{\sqrt{n_i (T - n_i)\, n_j (T - n_j)}}, \qquad
\mathrm{jaccard} = \frac{n_{ij}}{n_i + n_j - n_{ij}}, \qquad
\mathrm{dice} = \frac{2 n_{ij}}{n_i + n_j}
$$

$$
\mathrm{overlap} = \frac{n_{ij}}{\min(n_i, n_j)}, \qquad
\mathrm{matching} = \frac{m_{11} + m_{00}}{T}, \qquad
\mathrm{npmi} = \frac{\ln (n_{ij} T / n_i n_j)}{-\ln (n_{ij} / T)}
$$

and `mutual_information` is $\sum_{ab} \frac{m_{ab}}{T} \ln \frac{m_{ab} T}{m_{a \cdot} m_{\cdot b}}$ in nats.
"""
GUIDANCE = Guidance(
    question="How alike are two features in where they fire?",
    reading=(
        "Larger is more alike. `phi`, the default, is a correlation: 0 is independence, below 0 "
        "avoidance. `npmi` is 1 for two features that are never on alone."
    ),
    misleads=(
        "`simple_matching`, `jaccard`, `dice` and `overlap` rise with firing rates alone.",
        ("`mutual_information` is as large for two features that avoid each other as for two that go together."),
        "Rare features have extreme values by chance: those below `min_blocks` are masked.",
    ),
    published="The paper's five affinities, of the same formulas; its mutual information never ran.",
    versions={
        2: "Co-occurrence is counted by bits.",
        3: (
            "`min_blocks` is by default the least number of blocks in which two features that coincide are significant."
        ),
    },
    formula=_FORMULA,
)
