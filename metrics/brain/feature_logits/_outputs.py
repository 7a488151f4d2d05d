"""What feature_logits gives."""

from __future__ import annotations

from collections.abc import Iterator

from saegeom_data.declare.output import Output

_RANKS = ("features", "ranks")


def _outputs_of(side: str, most: str) -> Iterator[Output]:
    """Outputs of one side of the logits."""
    yield Output(
        f"token_{side}",
        _RANKS,
        "index",
        f"tokens that it is {side} for, the {most} first; -1 for none",
        -1,
        "int64",
        label=f"tokens {side}",
    )
    yield Output(f"logit_{side}", _RANKS, "logit", "their logits per unit of activation", label=f"logits {side}")
    yield Output(f"text_{side}", _RANKS, "1", "their text; empty without a vocabulary", "", "str", label=f"text {side}")
    yield Output(
        f"z_{side}",
        ("features",),
        "1",
        "how far the first is from the mean logit, in standard deviations over tokens",
        bounds=(0, None),
        direction="higher",
        label=f"z {side}",
    )
    yield Output(
        f"p_{side}",
        ("features",),
        "1",
        "share of uniform directions whose z is at least as large",
        bounds=(0, 1),
        direction="lower",
        label=f"p {side}",
    )
    yield Output(
        f"q_{side}",
        ("features",),
        "1",
        "false discovery rate over features",
        bounds=(0, 1),
        direction="lower",
        label=f"q {side}",
    )


OUTPUTS = (*_outputs_of("raised", "largest"), *_outputs_of("lowered", "least"))
BY_NAME = {output.name: output for output in OUTPUTS}
# What one pass over the unembedding gives.
RANKED = tuple(name for name in BY_NAME if name.startswith(("token_", "logit_")))
PER_FEATURE = tuple(name for name in BY_NAME if name.startswith("z_"))
