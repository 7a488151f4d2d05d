"""The three scales at which geometry is measured, in words for readers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScaleText:
    """A scale in words.

    Attributes
    ----------
    title, subtitle
        Its heading.
    text
        What is looked at, in two sentences.
    """

    title: str
    subtitle: str
    text: str


SCALE_TEXTS = {
    "galaxy": ScaleText(
        "Galaxy scale",
        "the whole cloud of features",
        "Every feature is an arrow: its decoder row. Here all arrows of a layer are looked at as one cloud of "
        "points: along how many directions it is spread (its spectrum), and whether its points gather in clumps (its "
        "clustering).",
    ),
    "brain": ScaleText(
        "Brain scale",
        "lobes of features",
        "Features that fire on the same stretches of text are grouped into lobes, without looking at where their "
        "arrows point. Then one asks what the lobes do, and whether features of one lobe also lie near each other in "
        "space.",
    ),
    "atom": ScaleText(
        "Atom scale",
        "parallelograms of words",
        "If the step from Austria to Vienna is the step from France to Paris, the four words form a parallelogram. "
        "Here the steps of whole relations are compared, before and after directions that carry something else are "
        "removed.",
    ),
}
SCALES = tuple(SCALE_TEXTS)
OTHER = ScaleText("Further metrics", "", "Metrics of other scales.")
