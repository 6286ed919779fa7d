"""Text for users has the field's words, and none of the home-made ones that it once had."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

import bids_labelx
from bids_labelx.denoise import describe_presets
from bids_labelx.group.columns import (
    COVERAGE_COLUMNS,
    DESIGN_COLUMNS,
    MODEL_COLUMNS,
    QUALITY_COLUMNS,
    STRATEGY_COLUMNS,
)
from bids_labelx.group.rating_columns import RATING_COLUMNS
from bids_labelx.outputs.columns import KIND_COLUMNS, LABEL_COLUMNS, LABEL_NAMES, OUTLIER_COLUMNS
from bids_labelx.settings import Settings
from bids_labelx.settings.entry import options_of

# Regular expressions, in any case; what each should be stands behind it.
BANNED = {
    r"\bleft out\b": "censored, excluded",
    r"\bleaves? out\b": "excludes",
    r"\blost (labels?|regions?)\b": "missing",
    r"\bunder the pointer\b": "tooltip",
    r"\bonto the grid\b": "resampled to the grid",
    r"\bto unit variance before\b": "z-scored",
    r"\bbehind the other\b": "concatenated",
    r"\bas (it has|they have) to be\b": "matches",
    r"\bwhat (became|becomes|came) of\b": "outcome, result",
    r"\bin its stride\b": "handles",
    r"\bgo(es)? by\b": "is matched by, uses",
    r"\bfor the sake of\b": "for compatibility",
    r"\bthat is no label\b": "background value",
    r"\bscrubbed\b": "censored",
    r"\benters? no\b": "is excluded",
    r"\bask nothing of\b": "works offline",
    r"\bby cosines\b": "discrete cosine regressors",
    r"(?<!regressed )\bout: ": "censored:",
    r"\bvolumes out\b": "volumes censored",
    r"\bcannot be told from\b": "indistinguishable from",
    r"\brun to its end\b": "finish",
    r"\bthis start\b|\bstarts of the app\b|\bevery start\b": "invocation",
    r"\blets? go of\b": "close",
    r"\bwhoever\b|\bnobody\b": "participants",
    r"\bare gone\b": "missing",
    r"\d+e\+0\d\b": "a plain number",
}
PACKAGE = Path(str(files("bids_labelx")))
TABLES = {
    "coverage": COVERAGE_COLUMNS,
    "design": DESIGN_COLUMNS,
    "model": MODEL_COLUMNS,
    "quality": QUALITY_COLUMNS,
    "strategy": STRATEGY_COLUMNS,
    "rating": RATING_COLUMNS,
    "label": {**LABEL_NAMES, **LABEL_COLUMNS},
    "maps": KIND_COLUMNS["maps"],
    "spheres": KIND_COLUMNS["spheres"],
    "outliers": OUTLIER_COLUMNS,
}


def banned_in(text: str) -> list[str]:
    plain = " ".join(text.split())
    return [
        f"{found[0]!r} in …{plain[max(0, found.start() - 30) : found.end() + 20]}…: {instead}"
        for pattern, instead in BANNED.items()
        for found in re.finditer(pattern, plain, re.IGNORECASE)
    ]


def sentences(source: str) -> Iterator[str]:
    """The texts of Python code, adjacent ones joined, without docstrings."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if id(node) in docstrings else node.value


def test_the_list_finds_what_it_is_for() -> None:
    assert banned_in("runs that are\nleft out")
    assert banned_in("at most 1e+03 MB")
    assert not banned_in("excluded runs")
    source = '"""Not told."""\nx = (\n    "a b "\n    f"c {x} d"\n)'
    assert "a b c … d" in list(sentences(source))
    assert "Not told." not in list(sentences(source))


def test_help_texts() -> None:
    assert [found for one in options_of(Settings) for found in banned_in(one.help)] == []


def test_descriptions_of_presets() -> None:
    assert banned_in(describe_presets()) == []


@pytest.mark.parametrize("table", list(TABLES))
def test_descriptions_of_columns(table: str) -> None:
    assert [found for text, _ in TABLES[table].values() for found in banned_in(text)] == []


@pytest.mark.parametrize(
    "path",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_texts_of_reports_messages_and_the_console(path: Path) -> None:
    texts = sentences(path.read_text(encoding="utf-8"))
    assert [found for text in texts for found in banned_in(text)] == []


@pytest.mark.parametrize(
    "path",
    sorted((PACKAGE / "report/templates").iterdir()),
    ids=lambda path: path.name,
)
def test_templates(path: Path) -> None:
    assert banned_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted((PACKAGE / "report/static").glob("*.js"))
        if not path.name.endswith(".min.js")
    ],
    ids=lambda path: path.name,
)
def test_scripts_of_pages(path: Path) -> None:
    texts = re.findall(r"[\"`]([^\"`\n]*)[\"`]", path.read_text(encoding="utf-8"))
    assert [found for text in texts for found in banned_in(text)] == []


@pytest.mark.parametrize("name", sorted(bids_labelx.__all__))
def test_docstrings_of_the_public_interface(name: str) -> None:
    public = getattr(bids_labelx, name)
    own = [] if isinstance(public, str) else [public]
    if isinstance(public, type):
        own += [one for key, one in vars(public).items() if not key.startswith("_")]
    texts = [one.__doc__ or "" for one in own if callable(one) or isinstance(one, property)]
    assert [found for text in texts for found in banned_in(text)] == []
