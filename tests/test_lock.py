"""The locked versions fit what the package asks for, and the image has them and nothing else."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bids_labelx._version import __version__

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IN_THE_IMAGE = ("parquet", "remote", "templateflow")
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", DOCKERFILE)).splitlines()


def locked() -> list[tuple[Requirement, list[str]]]:
    """Each requirement of the lock with its hashes."""
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", LOCK))
    found = []
    for line in joined.splitlines():
        requirement, *hashes = line.split("--hash=")
        found.append((Requirement(requirement), [one.strip() for one in hashes]))
    return found


def asked_for() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][one] for one in IN_THE_IMAGE]
    return sum(extras, project["dependencies"])


@pytest.mark.parametrize("dependency", asked_for())
def test_a_dependency_is_locked_to_a_version_that_it_allows(dependency: str) -> None:
    wanted = Requirement(dependency)
    versions = {canonicalize_name(one.name): one.specifier for one, _ in locked()}
    (exact,) = versions[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(exact.version)


def test_each_locked_name_has_exactly_one_version() -> None:
    names = Counter(canonicalize_name(one.name) for one, _ in locked())
    assert len(names) > len(asked_for())
    assert set(names.values()) == {1}
    for one, _ in locked():
        assert re.fullmatch(r"==[^*,]+", str(one.specifier)), one


def test_each_locked_version_has_hashes_and_no_address() -> None:
    for requirement, hashes in locked():
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement
    assert "://" not in LOCK
    assert not re.search(r"(?m)^\s*--(?!hash=)", LOCK)


def test_the_image_installs_what_is_locked_and_nothing_else() -> None:
    fetching, installing = [], []
    for line in INSTRUCTIONS:
        fetching += re.findall(r"pip (?:wheel|download)[^&;|]*", line)
        installing += re.findall(r"pip install[^&;|]*", line)
    fetched, built = fetching
    assert "--require-hashes" in fetched
    assert "-r requirements.lock" in fetched
    assert "--no-deps" in built
    assert installing
    assert all("--no-index --no-deps /wheels/*.whl" in command for command in installing)


def test_the_image_says_the_version_that_it_has() -> None:
    assert f"ARG VERSION={__version__}" in INSTRUCTIONS


def test_the_context_has_what_the_image_is_made_of_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = set()
    for line in INSTRUCTIONS:
        if line.startswith("COPY ") and "--from" not in line:
            copied |= {source.partition("/")[0] for source in line.split()[1:-1]}
    assert "*" in lines
    assert let_in == copied
    assert all((ROOT / name).exists() for name in let_in)


def test_the_dockerfile_needs_no_frontend_but_the_builder_s_own() -> None:
    assert "# syntax" not in DOCKERFILE
    assert "<<" not in DOCKERFILE
