"""How what lobes do is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Presentation, Reading, Value
from saegeom_data.metrics.brain.lobe_function._type_shares import Shares, shares
from saegeom_data.metrics.brain.lobe_function.figure import figures
from saegeom_data.metrics.brain.lobe_function.finding import findings


def _headlines(group: Group) -> Iterator[Headline]:
    """How the fewest lobes that were measured divide code and mathematics from prose."""
    if "n_lobes" not in group.data.coords:
        return
    count = int(group.data["n_lobes"].values[0])
    yield Headline(
        "code, maths : prose",
        (
            _share(count, "technical_winner_share", lambda divided: divided.technical_mean),
            _share(count, "prose_winner_share", lambda divided: divided.prose_mean),
        ),
        between=" : ",
        description=f"Share of the blocks of code and mathematics won by their lobe (of {count}), and of the blocks of "
        "all other document types",
    )


def _share(count: int, key: str, part: Callable[[Shares], float]) -> Reading:
    def compute(group: Group, row: str) -> Value:
        divided = shares(group, row, count)
        return None if divided is None else part(divided)

    return Reading("winner_share", key=key, style="percent", compute=compute)


PRESENTATION = Presentation(headlines=_headlines, figures=figures, findings=findings, place=10)
