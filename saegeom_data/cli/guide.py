"""The command that shows the guide."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.cli.terminal import say
from saegeom_data.errors import ParameterError, SaegeomError, StoreError


def guide(
    context: typer.Context,
    topic: Annotated[
        str,
        typer.Argument(metavar="TOPIC", help="Name of a metric or of another page; without one, all are listed."),
    ] = "",
    write: Annotated[
        Path | None, typer.Option("--write", help="Folder to make and write all pages into, for Sphinx.")
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results",
            help="Results of a run, whose figures go beside their metrics; with --write. May be repeated: a metric is "
            "drawn from the first that has it.",
        ),
    ] = None,
) -> None:
    """Show a page of the guide, in Markdown. Without a topic, list all pages.

    Every metric has a page: what it asks, its formula, inputs, outputs and parameters, how to read it, and its cost.
    """
    from saegeom_data.guide.topics import PARTS, by_section, find_topic, topics

    command = context.find_root().command
    if results and write is None:
        raise ParameterError("--results: only beside --write, which writes pages with figures")
    if write is not None:
        if topic:
            raise ParameterError(f"--write: writes all pages, got the topic {topic!r} too; leave one of the two out")
        _write(write, command, results or [])
        return
    known = topics(command)
    if topic:
        say(_without_header(find_topic(topic, known).text()).rstrip())
        return
    width = max(len(name) for name in known)
    for part in PARTS:
        say(f"{part}:")
        for section, members in by_section(topic for topic in known.values() if topic.part == part).items():
            if section:
                say(f"  {section}:")
            for each in members:
                say(f"    {each.name:<{width}}  {each.title}")


def _without_header(text: str) -> str:
    """A tutorial without what only notebooks read: lines between dashes at its start."""
    return text.partition("\n---\n")[2].lstrip("\n") if text.startswith("---\n") else text


def _write(folder: Path, command: object, results: Sequence[Path]) -> None:
    from saegeom_data.guide.site.sources import write_sources
    from saegeom_data.results.open import open_results

    try:
        with ExitStack() as opened:
            trees = [opened.enter_context(open_results(path)) for path in results]
            pages = write_sources(folder, command, trees)
    except SaegeomError:
        # Some of them are errors of the file system too, and say more than it does.
        raise
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}; give another path") from error
    say(f"{len(pages)} pages: {folder}")
