"""Anchors of a metric as worked examples: how the input is made, how to run it, and what comes out.

Nothing is computed here: the tests of every metric hold its anchors to their tolerances.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from saegeom_data.declare.metric import Anchor, Metric
from saegeom_data.guide.pages.markdown import code, join, section, table


def examples(metric: Metric) -> str:
    """Write every anchor of a metric as a section of its own."""
    return join(_example(metric, number, anchor) for number, anchor in enumerate(metric.anchors)).strip("\n")


def _example(metric: Metric, number: int, anchor: Anchor) -> str:
    call = (
        f"import saegeom_data\n\nmetric = saegeom_data.get_metric({metric.name!r})\n"
        f"case = metric.anchors[{number}]\nresult = metric(case.simulate(), **case.parameters)"
    )
    rows = [
        (f"`{name}`", f"{expected:.6g}", f"{tolerance:.3g}") for name, (expected, tolerance) in anchor.expected.items()
    ]
    given = ", ".join(f"`{name}={value!r}`" for name, value in anchor.parameters.items())
    return section(
        anchor.name[:1].upper() + anchor.name[1:],
        f"With {given}." if given else "",
        code(call),
        table(("output", "expected", "within"), rows),
        _made_by(anchor.simulate),
        level=3,
    )


def _made_by(simulate: Callable[..., object]) -> str:
    """The source of what makes the input, where it is a function of its own."""
    if not inspect.isfunction(simulate) or simulate.__name__ == "<lambda>":
        return ""
    # Shown and not run: it uses names of its module.
    return f"The input is made by `{simulate.__module__}`:\n\n{code(inspect.getsource(simulate), 'text')}"
