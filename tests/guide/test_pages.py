"""Every registered metric has a page, every link leads somewhere, and every example on a page runs."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib.util
import inspect
import posixpath
import re
from pathlib import Path

import pytest
import typer

from saegeom_data import get_metric, list_metrics
from saegeom_data.cli.main import app
from saegeom_data.data.group_kinds import KINDS
from saegeom_data.engine import planner, times
from saegeom_data.guide.pages import cost
from saegeom_data.guide.pages.api import MODULES, public_names
from saegeom_data.guide.pages.specs import examples_of
from saegeom_data.guide.site.front import front_page, part_page
from saegeom_data.guide.site.mathematics import mathml
from saegeom_data.guide.spec_schema import KINDS as SPECS
from saegeom_data.guide.spec_schema import inner_models, key_meanings, models_of, spec_model
from saegeom_data.guide.topics import GUIDE, MORE, REFERENCE, SECTIONS, TUTORIALS, Topic, topics

FOLDER = Path(__file__).parents[2] / "saegeom_data" / "guide"
# Other packages may have registered metrics, whose authors say of them what they like.
OURS = [name for name in list_metrics() if get_metric(name).function.__module__.startswith("saegeom_data.")]
FENCED = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def known() -> dict[str, Topic]:
    return topics(typer.main.get_command(app))


@pytest.fixture(scope="module")
def pages(known: dict[str, Topic]) -> dict[str, str]:
    return {topic.name: topic.text() for topic in known.values()}


def anchors(page: str) -> set[str]:
    """Anchors that MyST gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page), flags=re.MULTILINE)
    found: list[str] = []
    for heading in headings:
        anchor = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        # Those that are alike are numbered.
        same = sum(other == anchor or re.fullmatch(rf"{re.escape(anchor)}-\d+", other) is not None for other in found)
        found.append(f"{anchor}-{same}" if same else anchor)
    return set(found)


def test_every_metric_has_a_page_that_says_all_of_it(pages: dict[str, str]) -> None:
    for name in OURS:
        metric, page = get_metric(name), pages[name]
        assert metric.guidance is not None, name
        assert metric.guidance.question in page
        assert set(metric.guidance.versions) == set(range(2, metric.version + 1)), name
        for heading in (
            "What is computed",
            "Inputs",
            "Outputs",
            "How to read it",
            "How it misleads",
            "Example",
            "Cost",
        ):
            assert f"\n## {heading}\n" in page, (name, heading)
        for said in (*metric.outputs, *metric.inputs, *metric.optional):
            assert f"`{said.name}`" in page, (name, said.name)
        for parameter in metric.parameters:
            row = next(line for line in page.splitlines() if line.startswith(f"| `{parameter}` |"))
            assert row.rstrip("| ").count("|") >= 4, f"{name}: nothing is said of {parameter}"
        assert page.count("\n### ") == len(metric.anchors)
        assert all(null.label in page for null in metric.nulls)
        assert "| 1,000,000 |" in page or metric.over == "site"
        assert f"[{name}]({name}.md)" in pages["metrics"]


def test_times_on_pages_are_those_of_the_reference_machine_wherever_they_are_made(
    pages: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "rates", lambda: pytest.fail("measured this machine"))
    # A process that holds more than a run loads.
    monkeypatch.setattr(planner, "_resident", lambda: 3 * planner.BASE_BYTES)
    cost._plan.cache_clear()
    for name in OURS:
        metric = get_metric(name)
        table = cost.cost_table(metric)
        assert table in pages[name]
        for line in table.splitlines()[2:]:
            assert re.fullmatch(r"under 1 s|\d+ \w+( \d+ \w+)?", line.split("|")[2].strip()), line
    assert cost.reference_machine() in pages["metrics"]


def test_a_time_is_unknown_where_a_stage_does_not_say_what_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    known_in_part = times.Times(times.Estimate(5.0, 5.0, is_least=True))
    monkeypatch.setattr(cost, "estimate", lambda *_, **__: known_in_part)
    cost._plan.cache_clear()
    assert cost.cost_table(get_metric("isotropy")).count("| unknown |") == 3
    cost._plan.cache_clear()


def test_the_reference_says_everything(pages: dict[str, str]) -> None:
    for kind in KINDS:
        for variable in (*kind.required, *kind.optional):
            assert f"| `{variable.name}` | {', '.join(variable.dims)} | {variable.kind} |" in pages["data-model"]
    for module in MODULES:
        for name in public_names(module):
            assert f"\n## {name}\n" in pages[f"api/{module}"]
            assert f"[`{name}`](api/{module}.md#" in pages["api"]
    commands = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    commands |= {f"new {name}": command for name, command in commands["new"].commands.items()}
    for name, command in commands.items():
        assert f"\n## saegeom {name}\n" in pages["commands"]
        for parameter in command.params:
            assert parameter.name == "help" or parameter.help or parameter.opts[0] in pages["commands"]


@pytest.mark.parametrize("kind", SPECS)
def test_every_key_of_a_spec_has_a_meaning_and_an_example(kind: str) -> None:
    examples = examples_of(kind)
    for model in models_of(spec_model(kind)):
        for name, meaning in key_meanings(model).items():
            assert meaning, (model, name)
            inside = list(inner_models(model.model_fields[name].annotation))
            assert inside or (model.__name__, name) in examples, (model, name)


def test_links_lead_to_pages_and_headings(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        text = re.sub(r"`[^`\n]+`", lambda code: code[0].replace("](", ""), FENCED.sub("", page))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            place = (
                posixpath.normpath(f"{posixpath.dirname(name)}/{file.removesuffix('.md')}").lstrip("/")
                if file
                else name
            )
            assert place in pages, (name, target)
            assert not anchor or anchor in anchors(pages[place]), (name, target)


def test_mathematics_can_be_drawn(pages: dict[str, str]) -> None:
    count = 0
    for name, page in pages.items():
        text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page))
        for block, line in re.findall(r"\$\$(.+?)\$\$|(?<!\\)\$([^$]+?)\$", text, flags=re.DOTALL):
            assert mathml(block or line).startswith("<math"), (name, block or line)
            count += 1
    assert count > 50


@pytest.mark.parametrize("name", OURS)
def test_examples_on_the_page_of_a_metric_are_those_that_tests_run(pages: dict[str, str], name: str) -> None:
    """The session is the docstring's, which pytest runs, behind an import; cases are anchors, as in the battery."""
    metric = get_metric(name)
    sessions = "\n".join(re.findall(r"```pycon\n(.*?)```", pages[name], flags=re.DOTALL))
    imported, *shown = doctest.DocTestParser().get_examples(sessions)
    names: dict[str, object] = {}
    exec(imported.source, names)
    assert names[name] is metric
    run = doctest.DocTestParser().get_examples(inspect.getdoc(metric.function) or "")
    assert [(each.source, each.want) for each in shown] == [(each.source, each.want) for each in run]
    assert shown
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", pages[name], flags=re.DOTALL)):
        case: dict[str, object] = {}
        # All but the last line, which computes what the battery holds to its tolerance.
        exec(code.rpartition("\nresult = ")[0], case)
        assert case["case"] is metric.anchors[number]
        assert code.endswith("\nresult = metric(case.simulate(), **case.parameters)\n")


def test_every_page_that_lies_in_the_folder_has_a_place(known: dict[str, Topic]) -> None:
    written = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.md")}
    assert written == {topic.name for topic in known.values() if topic.part in {GUIDE, TUTORIALS}}
    assert all((FOLDER / f"{name}.md").read_text("utf-8").startswith("# ") for name in written if "/" not in name)
    assert [topic.name for topic in known.values() if topic.section == MORE] == []
    named = {name for sections in SECTIONS.values() for names in sections.values() for name in names}
    assert named == {name.rpartition("/")[2] for name in written}


def test_pages_of_parts_lead_to_every_page(known: dict[str, Topic]) -> None:
    front = front_page(known, [])
    for part in (GUIDE, TUTORIALS, REFERENCE):
        page = part_page(part, [topic for topic in known.values() if topic.part == part])
        for topic in known.values():
            if topic.part == part:
                assert f"[{topic.title}](../{topic.name}.md)" in page
                assert f"\n../{topic.name}\n" in page
        assert f"\npages/{part.lower()}\n" in front


def test_every_page_has_an_example(pages: dict[str, str]) -> None:
    """Code to run, or a command in its text."""
    example = re.compile(r"^```(?:bash|python|pycon|yaml|text|\{code-cell\})|`(?:saegeom|make) [^`]+`", re.MULTILINE)
    assert [name for name, page in pages.items() if not example.search(page)] == []


def test_examples_of_public_names_are_those_that_tests_run_and_need_no_other_names(pages: dict[str, str]) -> None:
    """The session is the docstring's, which pytest runs with the names of its module; a page has those it imports."""
    count = 0
    for module in MODULES:
        entries = re.split(r"^## ", pages[f"api/{module}"], flags=re.MULTILINE)[1:]
        for name, entry in zip(public_names(module), entries, strict=True):
            assert entry.partition("\n")[0] == name
            shown = doctest.DocTestParser().get_examples("\n".join(re.findall(r"```pycon\n(.*?)```", entry, re.DOTALL)))
            if not shown or ("import torch" in entry and importlib.util.find_spec("torch") is None):
                continue
            value = getattr(importlib.import_module(module), name)
            text = inspect.getdoc(value) or ""
            run = [each for each in doctest.DocTestParser().get_examples(text) if "pytest" not in each.source]
            assert [(each.source, each.want) for each in shown[-len(run) :]] == [
                (each.source, each.want) for each in run
            ]
            assert names_missing([each.source for each in shown]) == set(), name
            count += 1
    assert count > 30


def names_missing(statements: list[str]) -> set[str]:
    """Names that statements read and that neither they nor Python have; what they import is there."""
    known, missing = set(dir(builtins)), set()
    for statement in statements:
        tree = ast.parse(statement)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names: dict[str, object] = {}
                exec(ast.unparse(node), names)
                known |= set(names)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.arg):
                known.add(node.arg)
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        known |= {node.id for node in named if not isinstance(node.ctx, ast.Load)}
        missing |= {node.id for node in named} - known
    return missing


def test_missing_names_are_found() -> None:
    assert names_missing(["import math", "x = math.pi", "[y + x for y in range(3)]", "z + len(np.ones(2))"]) == {
        "z",
        "np",
    }
