"""A metric as a card for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any


def html_of(card: Mapping[str, Any]) -> str:
    """Write what ``Metric.card`` gives in HTML: what a metric takes, what it gives, and what it is compared with."""
    parts = {
        "inputs": [_declared(entry) for entry in (*card["inputs"], *card["optional"])],
        "parameters": [(name, repr(entry["default"])) for name, entry in card["parameters"].items()],
        "outputs": [_declared(entry) for entry in card["outputs"]],
        "null models": [(null["label"], null["words"]) for null in card["nulls"]],
    }
    tables = "".join(f"<h5>{title}</h5><table>{_rows(pairs)}</table>" for title, pairs in parts.items() if pairs)
    head = f"<h4>{escape(card['name'])} <small>version {card['version']}, {escape(card['scale'])} scale</small></h4>"
    summary, reference = escape(card["summary"]), escape(card["reference"])
    return f"<div>{head}<p>{summary}</p>{tables}<p><small>{reference}</small></p></div>"


def _declared(entry: Mapping[str, Any]) -> tuple[str, str]:
    return f"{entry['name']} ({', '.join(entry['dims'])})", str(entry["description"])


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    left = "style='text-align:left'"
    return "".join(f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text)}</td></tr>" for name, text in pairs)
