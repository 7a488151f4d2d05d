"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saegeom_data.guide.pages.markdown import cell, code, join, section, table

_EXIT = """\
Errors are lines on standard error that begin with `error:`, one for each problem. The exit status is 0 where all went
well, 1 where `saegeom check` found other values than expected, and 2 where a command could not do what was asked or
`saegeom validate` found problems. `--json` prints one JSON document on standard output; progress and messages go to
standard error."""


def commands_page(command: Any) -> str:
    """Write the page of all commands; ``command`` is the group that holds them, as click has it."""
    parts = [_command(name, part) for name, part in _commands(command) if not part.hidden]
    return join(
        [
            "# Command line",
            command.help or "",
            table(("command", "what it does"), _summaries(command)),
            section("Options of every command", _options(command)),
            section("Exit status", _EXIT),
            *parts,
        ]
    )


def _commands(command: Any, within: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its name, those of a group after it."""
    for name, part in command.commands.items():
        yield within + name, part
        if hasattr(part, "commands"):
            yield from _commands(part, f"{within}{name} ")


def _summaries(command: Any) -> Iterator[tuple[str, str]]:
    for name, part in _commands(command):
        yield f"[`saegeom {name}`](#saegeom-{name.replace(' ', '-')})", cell((part.help or "").partition("\n")[0])


def _command(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    inside = ["COMMAND"] if hasattr(command, "commands") else []
    usage = " ".join(["saegeom", name, "[OPTIONS]", *(_metavar(argument) for argument in arguments), *inside])
    lines = [(f"`{_metavar(argument)}`", cell(argument.help or ""), _default(argument)) for argument in arguments]
    return section(
        f"saegeom {name}",
        cell(command.help or ""),
        code(usage, "shell"),
        table(("argument", "meaning", "default"), lines),
        _options(command),
    )


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name = f"{name}..." if argument.nargs != 1 else name
    return name if argument.required else f"[{name}]"


def _options(command: Any) -> str:
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    lines = [(_names(option), cell(option.help or ""), _default(option)) for option in options if not option.hidden]
    return table(("option", "meaning", "default"), lines)


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} `{option.metavar or option.name.upper()}`"


def _default(parameter: Any) -> str:
    default = parameter.default
    # True and false are told by the names of a flag, as in --examples and --no-examples.
    is_said = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    return f"`{default}`" if is_said else ""
