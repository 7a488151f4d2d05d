"""The command line: ``saegeom``. Heavy imports stand inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, NoReturn

import typer

from saegeom_data.cli import (
    atlas,
    build,
    export,
    guide,
    import_,
    label,
    listing,
    new,
    publish,
    report,
    run,
    share,
    validate,
)
from saegeom_data.cli.terminal import begin_log, plain_where_needed, say
from saegeom_data.errors import SaegeomError
from saegeom_data.shown import without_secrets

# Each question that a beginner has, with the command that answers it or says how. README.md has the same with links.
QUESTIONS = """\b
Questions:
  my own SAE               saegeom import --help
  my model and my text     saegeom build --help
  what a number means      saegeom guide eigenvalue_slope
  how long, how large      saegeom run --plan
  which features           saegeom describe lobe_function
  how to cite              saegeom describe minilm-sample
  how to publish           saegeom publish --help
  memory runs out          saegeom run --memory-limit 2GB --plan
  two layers compared      saegeom trend --help
  the paper's estimators   saegeom describe lobes-as-published

\b
To read: https://github.com/saegeom/saegeom-data#ten-questions
A metric of one's own: https://github.com/saegeom/saegeom-data/blob/main/CONTRIBUTING.md#add-a-metric
"""

app = typer.Typer(
    name="saegeom",
    help="Measure the geometry of sparse-autoencoder features, and share the data it is measured on.",
    epilog=QUESTIONS,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"saegeom {version('saegeom-data')}")
        raise typer.Exit()


@app.callback()
def _options(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the Python traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""


# In the order in which --help lists them.
app.command("list")(listing.list_)
app.command()(listing.describe)
app.command()(guide.guide)
app.command()(validate.validate)
app.command("import", no_args_is_help=True)(import_.import_)
app.command(no_args_is_help=True)(label.label)
app.command()(build.build)
app.command()(run.run)
app.command()(report.report)
app.command(no_args_is_help=True)(atlas.atlas)
app.command()(report.trend)
app.command(no_args_is_help=True)(export.export)
app.command(no_args_is_help=True)(publish.publish)
app.command(no_args_is_help=True)(share.compare)
app.command(no_args_is_help=True)(share.check)
app.command(no_args_is_help=True)(publish.benchmark)
app.command(no_args_is_help=True)(publish.catalogue)
app.add_typer(new.app, name="new")


def main() -> None:
    """Run the command line: errors are one line each on standard error, with exit status 2."""
    plain_where_needed()
    begin_log()
    try:
        app(standalone_mode=True)
    except SaegeomError as error:
        _fail(error)
    except Exception:
        # A fault of this package: what is shown of it may hold the address that was read.
        sys.stderr.write(without_secrets(traceback.format_exc()))
        sys.exit(1)


def _fail(error: SaegeomError) -> NoReturn:
    # Looked up by hand: what typer has parsed is gone by the time an error arrives here.
    if "--traceback" in sys.argv:
        raise error
    for line in str(error).splitlines():
        say(f"error: {line}", err=True)
    sys.exit(2)
