"""The part of YAML that specs are written in: plain keys and values, and the line of each of them in its file."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saegeom_data.errors import Problem, SpecError
from saegeom_data.shown import without_secrets

if TYPE_CHECKING:
    import yaml

_TAG = "tag:yaml.org,2002:"
_DEEPEST = 50
# What plain text may stand for, as in YAML 1.2 and JSON. YAML 1.1 would also read `no` as false, 1:30 as 90, 010 as 8
# and 2024-01-01 as a date, and would not read 1e-3 as a number. NaN and infinity are no values of a spec.
_PLAIN = {
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    "float": (r"[-+]?([0-9]*\.[0-9]+|[0-9]+\.|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
}


@dataclass(frozen=True, eq=False)
class Source:
    """File and YAML nodes that a spec was read from.

    Any two sources are equal: where a spec stands is no part of what it says.
    """

    where: str = ""
    node: yaml.Node | None = None

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Source)

    def __hash__(self) -> int:
        # What is equal must have one hash, and any two sources are.
        return 0

    def problem(self, location: Sequence[str | int], message: str) -> Problem:
        """Return a problem at a location, told as file, line and key path."""
        line = f":{self.line(location)}" if self.node is not None else ""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        return Problem(f"{self.where}{line}: {key}" if key else f"{self.where}{line}", message)

    def line(self, location: Sequence[str | int]) -> int:
        """Line on which a location stands, or the nearest one around it."""
        node, line = self.node, self.node.start_mark.line if self.node is not None else 0
        for part in location:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line + 1

    def location(self, path: Sequence[str | int], *, missing: bool) -> tuple[str | int, ...]:
        """Reduce a path of pydantic's to keys of the file: it also names branches of unions.

        Parameters
        ----------
        path
            Location in an error of pydantic.
        missing
            Whether the last part is a key that the file lacks.
        """
        kept: list[str | int] = []
        node = self.node
        for depth, part in enumerate(path):
            found = _child(node, part)
            if found is not None:
                kept.append(part)
                node = found[1]
            elif missing and depth == len(path) - 1:
                kept.append(part)
        return tuple(kept)


def read(text: str, where: str) -> tuple[yaml.Node | None, dict[str, Any], list[Problem]]:
    """Read one YAML document of keys and values.

    Returns
    -------
    node
        The document as YAML nodes, which know their lines.
    value
        The document as plain data.
    problems
        Duplicate keys.

    Raises
    ------
    SpecError
        If the text is not YAML, not keys and values, or uses tags, anchors or keys that are not text.
    """
    import yaml

    try:
        # From events alone, before anything is built from the text.
        problems = list(_forbidden(text, where))
        if problems:
            raise SpecError(problems)
        node = yaml.compose(text, Loader=_loader())
        if node is None:
            raise SpecError([Problem(where, "the file is empty; expected keys and values")])
        if not isinstance(node, yaml.MappingNode):
            raise SpecError([Problem(f"{where}:{node.start_mark.line + 1}", "expected keys and values (`key: value`)")])
        problems = list(_wrong_keys(node, where))
        if problems:
            raise SpecError(problems)
        # From the nodes that were checked: another reading of the text would take as long again.
        value = _loader()("").construct_document(node)
    except SpecError:
        raise
    except RecursionError as error:
        raise SpecError([Problem(where, "not a spec: nested too deeply")]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError([_syntax_problem(error, where)]) from error
    return node, value, list(_duplicates(node, where))


def write(value: Any) -> str:
    r"""Write plain keys and values, without credentials, so that this reader reads the same again.

    Examples
    --------
    >>> write({"sae": "1e3", "expected": 0.5})
    "sae: '1e3'\nexpected: 0.5\n"
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Puts text in quotes where this reader would read something else."""

        yaml_implicit_resolvers = _loader().yaml_implicit_resolvers

    Dumper.add_representer(str, lambda dumper, text: dumper.represent_str(without_secrets(text)))
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=118))


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    """Make a safe loader that knows nothing but the plain values above."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class declares it so

    for name, (pattern, first) in _PLAIN.items():
        letters = ["" if letter == "\0" else letter for letter in first]
        Loader.add_implicit_resolver(f"{_TAG}{name}", re.compile(rf"^(?:{pattern})$"), letters)
    return Loader


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    """Line and node of what stands under a key or an index."""
    import yaml

    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    if isinstance(node, yaml.MappingNode):
        # Of a duplicate key, the last one is the one whose value was read.
        for key, value in reversed(node.value):
            if key.value == part:
                return key.start_mark.line, value
    return None


def _forbidden(text: str, where: str) -> Iterator[Problem]:
    """Find what can run code or blow up: tags, anchors and aliases. Reading events needs neither."""
    import yaml

    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_loader()):
        place = f"{where}:{event.start_mark.line + 1}"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            # The time that the scanner takes grows with the square of the depth.
            yield Problem(place, f"nested more than {_DEEPEST} deep; no spec is")
            return
        if isinstance(event, yaml.AliasEvent):
            yield Problem(place, f"alias *{event.anchor}: a spec has none; write the value out")
        elif getattr(event, "anchor", None) is not None:
            yield Problem(place, f"anchor &{event.anchor}: a spec has none; remove it")
        elif getattr(event, "tag", None) is not None:
            yield Problem(place, f"tag {event.tag}: a spec has none; write the plain value")


def _wrong_keys(node: yaml.Node, where: str) -> Iterator[Problem]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag != f"{_TAG}str":
                got = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                yield Problem(
                    f"{where}:{key.start_mark.line + 1}", f"got {got} as a key, expected text; put it in quotes"
                )
            yield from _wrong_keys(value, where)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _wrong_keys(item, where)


def _duplicates(node: yaml.Node, where: str, path: str = "") -> Iterator[Problem]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                yield Problem(f"{where}:{line}: {path}{name}", f"duplicate key, first on line {seen[name]}; remove one")
            seen.setdefault(name, line)
            yield from _duplicates(value, where, f"{path}{name}.")
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, where, f"{path.removesuffix('.')}[{index}].")


def _syntax_problem(error: Exception, where: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = " ".join(part for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part)
    what = what or str(error).splitlines()[0]
    return Problem(f"{where}:{mark.line + 1}" if mark is not None else where, f"not YAML: {what}; fix the line")
