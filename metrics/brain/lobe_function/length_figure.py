"""Figure of Cramér's V in blocks of several lengths."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain.lobe_function._claims import block_lengths
from saegeom_data.metrics.brain.lobe_function._compared import OF_LENGTHS
from saegeom_data.report import draw, theme
from saegeom_data.results.wording import listing, number

_MOST_COLUMNS = 2


def panels(function: Group) -> list[Panel]:
    """V of lobes and of word pieces against block length, at the middle one of the layers that have codes."""
    lengths = block_lengths(function)
    if not lengths:
        return []
    rows = [row for row in function.rows if _values(function, row, OF_LENGTHS.n_blocks, lengths)[0]]
    if not rows:
        return []
    row = rows[len(rows) // 2]
    counts = [int(count) for count in function.data["n_lobes"].values][:_MOST_COLUMNS]
    keys = [("●", theme.BLUE, "lobes"), ("▲", theme.GREEN, "word pieces"), ("■", theme.NULL, "types shuffled")]
    titles = [theme.heading(f"{count} lobes", *keys) for count in counts]
    fig = theme.figure(columns=len(counts), titles=titles, height=320, horizontal_spacing=0.11)
    for column, count in enumerate(counts, start=1):
        at = {"n_lobes": count}
        low, high = (_values(function, row, f"cramers_v_by_length_{end}", lengths, **at) for end in ("low", "high"))
        lines = (
            ("cramers_v_by_length_null_mean", theme.NULL, "square", (), ()),
            (OF_LENGTHS.other, theme.GREEN, "triangle-up", (), ()),
            (OF_LENGTHS.value, theme.BLUE, "circle", low, high),
        )
        for name, colour, symbol, below, above in lines:
            values = _values(function, row, name, lengths, **at)
            trace = draw.points(lengths, values, colour, low=below, high=above, symbol=symbol)
            fig.add_trace(trace, row=1, col=column)
        ticks = {"tickmode": "array", "tickvals": lengths, "ticktext": [str(length) for length in lengths]}
        fig.update_xaxes(title_text="tokens of a block", type="log", row=1, col=column, **ticks)
        fig.update_yaxes(title_text="Cramér's V", range=[0, 1.05], row=1, col=column)
    name = draw.row_name(function, row)
    reading = (
        f"How strongly winning lobe and document type go together at {name} where blocks are shorter or longer, with "
        "95 % intervals, beside lobes of word pieces of the same blocks and chance. Lobes are found anew for each "
        "length. Of fewer blocks chance alone gives more, so that marks compare above one length."
    )
    blocks = _values(function, row, OF_LENGTHS.n_blocks, lengths)
    alt = f"At {name}: " + "; ".join(_spoken(function, row, count, lengths, blocks) for count in counts) + "."
    title = f"Lobes of {name} and document types in shorter and longer blocks"
    return [Panel("block-lengths", "brain", title, fig, alt, reading, (function.name,))]


def _values(function: Group, row: str, name: str, lengths: Sequence[int], **at: int) -> list[float | None]:
    return [function.value(row, name, block_length=length, **at) for length in lengths]


def _spoken(function: Group, row: str, count: int, lengths: Sequence[int], blocks: Sequence[float | None]) -> str:
    """Values of one number of lobes as a phrase, for readers who cannot see the figure."""
    lobes, pieces = (
        _values(function, row, name, lengths, n_lobes=count) for name in ("cramers_v_by_length", OF_LENGTHS.other)
    )
    parts = [
        f"{number(value)} (word pieces {number(other)}) in {number(n)} blocks of {length} tokens"
        for length, value, other, n in zip(lengths, lobes, pieces, blocks, strict=True)
        if value is not None
    ]
    return f"Cramér's V of {count} lobes is {listing(parts)}"
