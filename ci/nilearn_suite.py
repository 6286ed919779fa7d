"""nilearn's own tests of its maskers, on ours: nilearn_suite.py [ARGUMENTS OF PYTEST].

The test files are copied from the installed nilearn into a temporary folder, with the imports of
its maskers followed by those of `bids_labelx.nilearn_compat`. See ``ci/nilearn-suite``.
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nilearn
import pytest

from bids_labelx import nilearn_compat

# Test files of nilearn/maskers/tests, and the class of ours that each is run on. The report's
# tests are of all maskers: those run whose names or parameters have the word.
SUITES = (
    ("test_nifti_labels_masker.py", "NiftiLabelsMasker", ""),
    ("test_multi_nifti_labels_masker.py", "MultiNiftiLabelsMasker", ""),
    ("test_html_report.py", "NiftiLabelsMasker", "labels?_?masker"),
    ("test_nifti_maps_masker.py", "NiftiMapsMasker", ""),
    ("test_multi_nifti_maps_masker.py", "MultiNiftiMapsMasker", ""),
    ("test_html_report.py", "NiftiMapsMasker", "maps_?masker"),
    ("test_nifti_spheres_masker.py", "NiftiSpheresMasker", ""),
    ("test_html_report.py", "NiftiSpheresMasker", "spheres_?masker"),
)

SOURCE = Path(nilearn.__file__).parent
LISTED = Path(__file__).with_suffix(".toml")
# Modules that the tests import, copied for the same reason, by what they are called there.
HELPERS = {
    "nilearn._utils.estimator_checks": "estimator_checks",
    "nilearn.maskers.tests.test_html_report": "test_html_report",
}
# nilearn's mixin of maskers of several runs is asked for by isinstance.
MIXIN = """
class _Several(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, _OfNilearn) or hasattr(instance, "transform_imgs")


class _MultiMixin(metaclass=_Several):
    pass
"""


def rewritten(text: str) -> str:
    """A test file whose maskers are ours, as far as we have them."""
    ours = set(nilearn_compat.__all__)
    lines = text.splitlines(keepends=True)
    tree = ast.parse(text)
    for node in reversed(tree.body):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        end = node.end_lineno or node.lineno
        names = sorted({one.name for one in node.names} & ours)
        if node.module == "nilearn.maskers" and names:
            lines[end:end] = [f"from bids_labelx.nilearn_compat import {', '.join(names)}\n"]
        elif node.module in HELPERS:
            where = slice(node.lineno - 1, end)
            lines[where] = ["".join(lines[where]).replace(node.module, HELPERS[node.module])]
        elif node.module == "nilearn.maskers._mixin":
            lines[node.lineno - 1 : end] = [f"{ast.unparse(node)} as _OfNilearn\n{MIXIN}"]
    # Where the checks look for nilearn's data.
    return "".join(lines).replace("Path(__file__).parents[1]", f"Path({str(SOURCE)!r})")


def copied(folder: Path) -> list[str]:
    """Copy the test files and what they import; the names of those to run."""
    chosen = [one for one in SUITES if hasattr(nilearn_compat, one[1])]
    tests = {file: SOURCE / "maskers" / "tests" / file for file, _, _ in chosen}
    tests["estimator_checks.py"] = SOURCE / "_utils" / "estimator_checks.py"
    tests["test_html_report.py"] = SOURCE / "maskers" / "tests" / "test_html_report.py"
    tests["conftest.py"] = SOURCE / "maskers" / "tests" / "conftest.py"
    for name, path in tests.items():
        (folder / name).write_text(rewritten(path.read_text("utf-8")), "utf-8")
    return sorted({file for file, _, _ in chosen})


@dataclass
class Results:
    """A plugin of pytest that selects the tests and remembers what became of them."""

    outcomes: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        words = [w for file, name, w in SUITES if w and hasattr(nilearn_compat, name)]
        of_ours = re.compile("|".join(words), re.IGNORECASE)
        items[:] = [
            item
            for item in items
            if item.path.name != "test_html_report.py" or of_ours.search(item.name)
        ]

    def pytest_runtest_logreport(self, report: Any) -> None:
        name = report.nodeid.rpartition("/")[2]
        if report.when == "call" or report.outcome != "passed":
            expected = hasattr(report, "wasxfail")
            self.outcomes[name] = "expected by nilearn" if expected else report.outcome
            self.texts[name] = report.longreprtext


def matching(pattern: str) -> re.Pattern[str]:
    """An entry of the list as a pattern, in which * stands for anything."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))


def judged(results: Results) -> int:
    """Print what passed, what was expected to fail and what failed; the exit code."""
    entries = tomllib.loads(LISTED.read_text("utf-8"))["expected"]
    failed = [name for name, outcome in results.outcomes.items() if outcome == "failed"]
    reasons = {}
    stale = []
    for entry in entries:
        pattern = matching(entry["test"])
        found = [name for name in failed if pattern.fullmatch(name)]
        reasons |= dict.fromkeys(found, entry["reason"])
        if not found and any(pattern.fullmatch(name) for name in results.outcomes):
            stale.append(entry["test"])
    unknown = [name for name in failed if name not in reasons]
    print("\n| tests | outcome |\n|---:|---|")
    for outcome, count in sorted(Counter(results.outcomes.values()).items()):
        if outcome != "failed":
            print(f"| {count} | {outcome} |")
    for reason, count in Counter(reasons.values()).items():
        print(f"| {count} | listed: {reason} |")
    print(f"| {len(unknown)} | failed |")
    for name in unknown:
        print(f"failed: {name}")
    for name in stale:
        print(f"passes, take it off {LISTED.name}: {name}")
    return 1 if unknown or stale or not results.outcomes else 0


def main(arguments: list[str]) -> int:
    """Run the suite."""
    results = Results()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = [str(folder / name) for name in copied(folder)]
        sys.path.insert(0, temporary)
        options = ["-q", "--no-header", "-p", "nilearn.conftest", "-p", "no:cacheprovider"]
        options += ["--rootdir", temporary, "-c", "/dev/null", "-W", "ignore", "--tb=short"]
        pytest.main([*options, *arguments, *files], plugins=[results])
    return judged(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
