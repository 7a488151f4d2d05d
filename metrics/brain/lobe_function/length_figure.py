"""Figure of Cramér's V in blocks of several lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain.lobe_function._claims import block_lengths
from saegeom_data.metrics.brain.lobe_function._compared import OF_LENGTHS, OF_LENGTHS_UNTRAINED, V_BY_LENGTH, Compared
from saegeom_data.report import draw, theme
from saegeom_data.results.wording import listing, number

_MOST_COLUMNS = 2


@dataclass(frozen=True)
class _Baseline:
    """How a baseline is drawn."""

    names: Compared
    colour: str
    mark: str
    symbol: str

    @property
    def key(self) -> str:
        """What its marks are called."""
        return self.names.baseline.words.removeprefix("an ")


_BASELINES = (
    _Baseline(OF_LENGTHS, theme.GREEN, "▲", "triangle-up"),
    _Baseline(OF_LENGTHS_UNTRAINED, theme.ORANGE, "◆", "diamond"),
)


def panels(function: Group) -> list[Panel]:
    """V of lobes and baselines against block length, above the gains, at the middle one of the layers with codes."""
    lengths = block_lengths(function)
    if not lengths:
        return []
    rows = [row for row in function.rows if _values(function, row, OF_LENGTHS.n_blocks, lengths)[0]]
    if not rows:
        return []
    row = rows[len(rows) // 2]
    counts = [int(count) for count in function.data["n_lobes"].values][:_MOST_COLUMNS]
    baselines = [
        baseline
        for baseline in _BASELINES
        if any(_known(_values(function, row, baseline.names.gain, lengths, n_lobes=count)) for count in counts)
    ]
    # V by itself does not compare between lengths.
    if not baselines:
        return []
    marks = [(baseline.mark, baseline.colour, baseline.key) for baseline in baselines]
    keys = [("●", theme.BLUE, "lobes"), *marks, ("■", theme.NULL, "types shuffled")]
    titles = [theme.heading(f"{count} lobes", *keys) for count in counts]
    titles += [theme.heading("Lobes less " + listing([baseline.key for baseline in baselines], "or"))] * len(counts)
    fig = theme.figure(
        rows=2, columns=len(counts), titles=titles, height=600, horizontal_spacing=0.11, vertical_spacing=0.18
    )
    for column, count in enumerate(counts, start=1):
        _draw(fig, function, row, count, lengths, baselines, column)
    name = draw.row_name(function, row)
    beside = listing([f"lobes of {baseline.names.baseline.words}" for baseline in baselines])
    reading = (
        f"Top: how strongly winning lobe and document type go together at {name} where blocks are shorter or longer, "
        f"with 95 % intervals, beside {beside} in the same blocks and chance. Bottom: how much better lobes of the SAE "
        "are, with 95 % intervals over documents; above 0 they are better. Lobes are found anew for each length. Of "
        "fewer blocks chance alone gives more, so that marks compare above one length."
    )
    blocks = _values(function, row, OF_LENGTHS.n_blocks, lengths)
    alt = (
        f"At {name}: " + "; ".join(_spoken(function, row, count, lengths, blocks, baselines) for count in counts) + "."
    )
    title = f"Lobes of {name} and document types in shorter and longer blocks"
    return [Panel("block-lengths", "brain", title, fig, alt, reading, (function.name,))]


def _draw(
    fig: Any,
    function: Group,
    row: str,
    count: int,
    lengths: Sequence[int],
    baselines: Sequence[_Baseline],
    column: int,
) -> None:
    """Values of one number of lobes, and below them the gains over each baseline."""

    def line(name: str, colour: str, symbol: str, place: int, ends: str = "") -> None:
        values, *reach = (
            _values(function, row, each, lengths, n_lobes=count)
            for each in (name, *(f"{ends}_{end}" for end in ("low", "high") if ends))
        )
        low, high = reach or ((), ())
        trace = draw.points(lengths, values, colour, low=low, high=high, symbol=symbol)
        fig.add_trace(trace, row=place, col=column)

    line("cramers_v_by_length_null_mean", theme.NULL, "square", 1)
    for baseline in baselines:
        line(baseline.names.other, baseline.colour, baseline.symbol, 1)
        line(baseline.names.gain, baseline.colour, baseline.symbol, 2, ends=baseline.names.gain)
    line(V_BY_LENGTH, theme.BLUE, "circle", 1, ends=V_BY_LENGTH)
    ticks = {"tickmode": "array", "tickvals": lengths, "ticktext": [str(length) for length in lengths]}
    for place in (1, 2):
        fig.update_xaxes(type="log", row=place, col=column, **ticks)
    fig.update_xaxes(title_text="tokens of a block", row=2, col=column)
    fig.update_yaxes(title_text="Cramér's V", range=[0, 1.05], row=1, col=column)
    fig.update_yaxes(
        title_text="gain in V", rangemode="tozero", zeroline=True, zerolinecolor=theme.NULL, row=2, col=column
    )


def _values(function: Group, row: str, name: str, lengths: Sequence[int], **at: int) -> list[float | None]:
    return [function.value(row, name, block_length=length, **at) for length in lengths]


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _spoken(
    function: Group,
    row: str,
    count: int,
    lengths: Sequence[int],
    blocks: Sequence[float | None],
    baselines: Sequence[_Baseline],
) -> str:
    """Values of one number of lobes as a phrase, for readers who cannot see the figure."""
    parts = []
    for length, n in zip(lengths, blocks, strict=True):
        at = {"n_lobes": count, "block_length": length}
        value = function.value(row, V_BY_LENGTH, **at)
        others = [f"{each.key} {number(function.value(row, each.names.other, **at))}" for each in baselines]
        if value is not None:
            parts.append(f"{number(value)} ({', '.join(others)}) in {number(int(n or 0))} blocks of {length} tokens")
    return f"Cramér's V of {count} lobes is {listing(parts)}"
