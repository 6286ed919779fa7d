"""What holds for the package as a whole: who imports whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bids_labelx

PACKAGE = Path(bids_labelx.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Which of our own modules each room may import. A room may always import `errors` and `names`.
LAYERS = {
    "extraction": set(),
    "settings": set(),
    "index": {"outputs"},
    "links": set(),
    "matching": {"links"},
    "queries": {"matching"},
    "metadata": {"links", "matching"},
    "companions": {"links", "matching", "queries"},
    "segmentations": {"links", "matching"},
    "dataset": {
        "companions",
        "index",
        "links",
        "matching",
        "metadata",
        "queries",
        "segmentations",
        "settings",
    },
    "images": {"extraction"},
    "atlas": {"images", "extraction", "label_tables"},
    "label_tables": set(),
    "denoise": {"extraction"},
    "connectivity": set(),
    "quality": set(),
    "outputs": set(),
    "failures": {"outputs"},
    "sidecars": {"denoise", "outputs"},
    "results": {"metadata", "outputs"},
    "group": {"connectivity", "failures", "outputs", "quality", "results"},
    "masker": {"extraction", "report"},
    "provenance": {"outputs"},
    "report": {
        "failures",
        "group",
        "images",
        "outputs",
        "provenance",
        "quality",
        "results",
        "settings",
    },
    "demo": set(),
}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_imports_nilearn(path: Path) -> None:
    assert not [name for name in imported(path) if name.split(".")[0] == "nilearn"]


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "extraction").glob("*.py")), ids=lambda p: p.name
)
def test_extraction_imports_only_the_numerical_libraries(path: Path) -> None:
    allowed = {"numpy", "scipy", "nibabel", "isal", *sys.stdlib_module_names}
    for name in imported(path):
        top, *rest = name.split(".")
        assert top in allowed or (top == "bids_labelx" and rest[0] == "extraction"), name


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    allowed = LAYERS.get(room(path))
    if allowed is None:
        return
    theirs = {n.split(".")[1] for n in imported(path) if n.startswith("bids_labelx.")}
    assert theirs - {"errors", "names", "__version__", room(path)} <= allowed


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running some code."""
    script = f"import sys\n{code}\nprint(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_command_line_starts_without_heavy_imports() -> None:
    loaded = loaded_by(
        "import bids_labelx.app.cli; bids_labelx.app.cli.build_parser().format_help()"
    )
    assert not loaded & {"numpy", "nibabel", "pandas", "nipype", "bids", "sklearn", "matplotlib"}


def test_the_whole_package_runs_without_loading_nilearn() -> None:
    names = [
        ".".join(("bids_labelx", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in MODULES
        if path.name not in ("__init__.py", "__main__.py")
    ]
    loaded = loaded_by("\n".join(f"import {name}" for name in names))
    assert {"nibabel", "nipype"} <= loaded
    assert "nilearn" not in loaded
