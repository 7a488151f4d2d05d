"""The import graph, read from the source with imports inside functions: no circle, and imports point down only."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
# From the lowest to the highest; folders of one line may import each other.
LAYERS = (
    ("errors", "shown", "typing"),
    ("lazy", "remote", "spec"),
    ("data", "sample"),
    ("checkpoints", "declare", "labels"),
    ("results",),
    ("report",),
    ("engine",),
    ("testing",),
    ("metrics",),
    ("harvest", "share", "atlas"),
    ("guide", "templates"),
    ("cli",),
    ("__main__",),
)
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}


def source_files() -> Iterator[tuple[str, Path]]:
    """Names and files of all modules, each file once although links lead to some twice."""
    for name in ("saegeom_data", "metrics", "specs"):
        for file in sorted((ROOT / name).rglob("*.py")):
            path = file.relative_to(ROOT)
            if path.parts[:2] in {("saegeom_data", "metrics"), ("saegeom_data", "specs")}:
                continue
            parts = [*(() if name == "saegeom_data" else ("saegeom_data",)), *path.with_suffix("").parts]
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Dotted names that a module imports anywhere: at its top, in functions, or for type checkers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if is_package else module.split(".")[:-1]
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def module_of(name: str, modules: Iterable[str]) -> str | None:
    """The module that an imported name is, or that it is taken from."""
    while name not in modules:
        name = name.rpartition(".")[0]
        if not name:
            return None
    return name


def import_graph() -> dict[str, set[str]]:
    files = dict(source_files())
    graph = {}
    for module, file in files.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = imported(tree, module, file.name == "__init__.py")
        graph[module] = {found for name in names if (found := module_of(name, files)) is not None} - {module}
    return graph


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, in order; empty if there is none."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in finished:
            for other in sorted(graph[module]):
                if found := visit(other, [*path, module]):
                    return found
            finished.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module, []))), [])


def layer(module: str) -> str:
    return module.split(".")[1]


def upward(graph: Mapping[str, set[str]]) -> list[str]:
    """Imports from a lower layer into a higher one."""
    return [
        f"{module} imports {other}"
        for module in sorted(graph)
        for other in sorted(graph[module])
        # The root gives the public names and may know all; it is no place to import them from.
        if module not in {"saegeom_data", "saegeom_data.specs"}
        if other == "saegeom_data" or LEVEL[layer(other)] > LEVEL[layer(module)]
    ]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert " imports ".join(circle(import_graph())) == ""


def test_imports_point_down_only() -> None:
    assert upward(import_graph()) == []


def test_metrics_do_not_import_metrics() -> None:
    """Of the folder or file of another metric, nothing: what two share lies in a folder whose name starts with _."""
    own = {f"saegeom_data.metrics.{scale}" for scale in ("galaxy", "brain", "atom")}

    def metric_of(module: str) -> str | None:
        scale, _, rest = module.removeprefix("saegeom_data.metrics.").partition(".")
        name = rest.partition(".")[0]
        return name if f"saegeom_data.metrics.{scale}" in own and name and not name.startswith("_") else None

    assert [
        f"{module} imports {other}"
        for module, others in import_graph().items()
        for other in sorted(others)
        if metric_of(module) and metric_of(other) not in {None, metric_of(module)}
    ] == []


def test_a_circle_and_an_import_that_points_up_are_named() -> None:
    graph = {"saegeom_data.data.a": {"saegeom_data.data.b"}, "saegeom_data.data.b": {"saegeom_data.data.a"}}
    assert circle(graph) == ["saegeom_data.data.a", "saegeom_data.data.b", "saegeom_data.data.a"]
    graph = {"saegeom_data.data.a": {"saegeom_data.cli.main"}, "saegeom_data.cli.main": set()}
    assert upward(graph) == ["saegeom_data.data.a imports saegeom_data.cli.main"]
    inside = ast.parse("def f():\n    from . import sibling\n    import saegeom_data.cli.main\n")
    assert list(imported(inside, "saegeom_data.data.a", is_package=False)) == [
        "saegeom_data.data.sibling",
        "saegeom_data.cli.main",
    ]


def test_no_folder_holds_too_many_files() -> None:
    counts: dict[Path, int] = {}
    for _, file in source_files():
        counts[file.parent] = counts.get(file.parent, 0) + 1
    assert {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > 28} == {}
    assert counts[ROOT / "saegeom_data"] <= 5
