"""The pages: what is made from the code is the code's, and what they point at is there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import links
import pytest
import reference_pages
import yaml

from bids_labelx._version import __version__
from bids_labelx.app.options import build_parser
from bids_labelx.errors import ExitCode
from bids_labelx.group.columns import (
    COVERAGE_COLUMNS,
    DESIGN_COLUMNS,
    MODEL_COLUMNS,
    QUALITY_COLUMNS,
    STRATEGY_COLUMNS,
)
from bids_labelx.group.rating_columns import CRITERION_SCORES, RATING_COLUMNS
from bids_labelx.outputs.columns import LABEL_COLUMNS, LABEL_NAMES, OUTLIER_COLUMNS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Options of other programs that pages name, by page.
OTHERS = {
    "README.md": {"--build"},
    "compared.md": {"--despike", "--nuisance-regressors"},
    "datalad.md": {"--hide-missing", "--unlock"},
    "producers.md": {"--derivatives", "--level", "--prefix"},
    "strategy.md": {"--despike", "--fd-thresh"},
    "strategy-file.md": {"--fd", "--nuisance-regressors", "--tedort"},
    "surfaces.md": {"--cifti-output"},
    "matching.md": {"--only"},
    "reliability.md": {"--disable-pip", "--minutes", "--share", "--strict"},
    "presets.md": {"--fd-thresh"},
}
# Of engines and schedulers; ci/container and ci/slurm run these pages.
RUN_ELSEWHERE = {"containers.md", "slurm.md"}


def first_cells(page: str) -> set[str]:
    """What stands in backticks in the first cell of the rows of tables, or a number there."""
    text = (DOCS / "reference" / page).read_text("utf-8")
    cells = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)
    return {one for cell in cells for one in re.findall(r"`([^` ]+)[^`]*`", cell) or [cell]}


def test_the_reference_pages_are_what_the_code_gives() -> None:
    """Where it fails: python ci/reference_pages.py."""
    assert reference_pages.differing() == []


def test_every_option_has_a_row_in_the_reference() -> None:
    actions = [one for one in build_parser()._actions if one.dest != "help"]
    names = {name for one in actions for name in one.option_strings or [one.dest.upper()]}
    assert names - first_cells("options.md") == set()


def test_every_preset_has_a_row_in_the_reference() -> None:
    files = {path.stem for path in (ROOT / "bids_labelx/data/denoise").glob("*.toml")}
    assert files
    assert files - first_cells("presets.md") == set()


def test_every_exit_code_has_a_row_in_the_reference() -> None:
    assert {str(int(code)) for code in ExitCode} <= first_cells("exit-codes.md")
    text = (DOCS / "reference" / "exit-codes.md").read_text("utf-8")
    assert all(f"| {int(code)} | {code.meaning} |" in text for code in ExitCode)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({**LABEL_NAMES, **LABEL_COLUMNS}, id="labels"),
        pytest.param(OUTLIER_COLUMNS, id="outliers"),
        pytest.param(QUALITY_COLUMNS, id="quality"),
        pytest.param(COVERAGE_COLUMNS, id="coverage"),
        pytest.param(STRATEGY_COLUMNS, id="qcfc"),
        pytest.param(RATING_COLUMNS, id="ratings"),
        pytest.param({f"criterion_NAME_{one}": "" for one in CRITERION_SCORES}, id="criterion"),
        pytest.param(MODEL_COLUMNS, id="models"),
        pytest.param(DESIGN_COLUMNS, id="designs"),
    ],
)
def test_every_column_has_a_row_in_the_reference(columns: dict[str, Any]) -> None:
    assert set(columns) - first_cells("outputs.md") == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_options_that_a_page_names_are_there(page: Path) -> None:
    if page.name in RUN_ELSEWHERE:
        pytest.skip("of other programs as well; ci/snippets.py looks at its commands")
    known = set(re.findall(r"(?<!-)--[a-z][a-z-]+", build_parser().format_help()))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text("utf-8")))
    assert named - known == OTHERS.get(page.name, set())


def test_the_readme_is_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


def test_every_page_is_in_the_navigation_once() -> None:
    def listed(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [name for one in inner for name in listed(one)]

    # Tags of plugins that this file has none of would be an error here.
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert sorted(listed(nav)) == [
        path.relative_to(DOCS).as_posix()
        for path in sorted(PAGES[1:], key=lambda one: one.as_posix())
    ]


def test_no_link_is_broken_or_no_address() -> None:
    assert links.main() == 0


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("https://doi.org/10.1002/hbm.24528", ""),
        ("https://doi.org/hbm.24528", "DOI"),
        ("http://example.org", "https"),
        ("https://example", "host"),
    ],
)
def test_addresses_are_told_from_what_is_none(target: str, told: str) -> None:
    assert told in links.wrong(target)
    assert bool(told) == bool(links.wrong(target))


def test_a_link_to_a_file_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](page.md) `[b](in-code.md)` [c](gone.md#part)\n")
    (found,) = links.problems(page, within=True)
    assert "gone.md" in found


def test_figures_are_small_and_all_shown() -> None:
    figures = {path.name: path.stat().st_size for path in (DOCS / "figures").iterdir()}
    assert sum(figures.values()) < 300_000
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert set(re.findall(r"\]\((?:docs/)?figures/([^)]+)\)", text)) == set(figures)


def test_every_message_of_the_page_of_troubles_is_one_of_the_app() -> None:
    """Where it fails: the message was changed; change it in docs/troubleshooting.md, too."""
    said = "\n".join(text for path in (ROOT / "bids_labelx").rglob("*.py") for text in texts(path))
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    cells = re.findall(r"^\| (`.+?) \|", page, re.MULTILINE)
    assert len(cells) >= 40
    shown = [one for cell in cells for one in re.findall(r"`([^`]+)`", cell)]
    assert [one for one in shown if one not in said] == []


def texts(path: Path) -> list[str]:
    """The texts of a module, those with values in them by their parts put together."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [one.value if isinstance(one, ast.Constant) else "{}" for one in node.values]
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


def test_the_files_for_citation_agree_with_each_other_and_the_version() -> None:
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    assert cff["version"] == zenodo["version"] == __version__
    assert cff["title"] == zenodo["title"]
    assert cff["license"] == zenodo["license"] == "MIT"
    assert [one["name"] for one in cff["authors"]] == [one["name"] for one in zenodo["creators"]]
    assert cff["keywords"] == zenodo["keywords"]
    assert zenodo["upload_type"] == "software"
    assert cff["abstract"].strip() in zenodo["description"]
    page = (DOCS / "cite.md").read_text("utf-8")
    assert f"version = {{{__version__}}}" in page
    assert cff["repository-code"] in page
