"""Run what the documentation shows: ``python ci/snippets.py [PAGE…]``, all pages unless named.

Blocks of ``bash``, ``python`` and ``r`` are run in order, those of a page in a folder of its own,
which has the `demo` that docs/start.md makes. A comment before a block says otherwise:
``<!-- not run: reason -->``, whose commands of bids_labelx are only checked against the parser, or
``<!-- file: NAME -->``, which saves the block under this name for those that follow.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from bids_labelx.app.options import Commands, build_parser, hyphenate
from bids_labelx.errors import LabelxError
from bids_labelx.settings import Settings, make_settings

ROOT = Path(__file__).parents[1]
FIRST = ROOT / "docs" / "start.md"
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|file): (?P<word>.+?) -->\n+)?```(?P<language>\w*)[^\n]*\n"
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A block of a page: in which line it stands, what it is and what is done with it."""

    line: int
    language: str
    text: str
    mark: str = ""
    word: str = ""


def pages() -> list[Path]:
    """The README and all pages; the one that makes the demo comes first."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return sorted(found, key=lambda page: page != FIRST)


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page, in their order."""
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        mark, word = found["mark"] or "", found["word"] or ""
        yield Block(line, found["language"], found["text"], mark, word)


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each command of bids_labelx in a block, in a container's too."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        at = [k for k, word in enumerate(words) if word in ("bids_labelx", "$SIF")]
        if at and words[0] in ("bids_labelx", "docker", "apptainer") and "build" not in words:
            yield words[at[-1] + 1 :]


def wrong(arguments: list[str]) -> str:
    """What the parser and the settings find wrong with arguments; empty where nothing is."""
    if arguments[:1] == ["check"]:
        return "" if len(arguments) == 2 else "one folder is expected"
    if arguments[:1] == ["unpack"]:
        arguments = ["--unpack", *arguments[1:]]
    try:
        options, unknown = build_parser().parse_known_args(hyphenate(arguments))
        if unknown:
            return f"there is no {' or '.join(unknown)}"
        given = vars(options)
        chosen = Commands(**{one.name: given.pop(one.name, None) for one in fields(Commands)})
        names = {one.name for one in fields(Settings)}
        alone = chosen.instead_of_a_run or chosen.config_file is not None
        if not alone and not any("$" in word for word in arguments):
            make_settings({name: value for name, value in given.items() if name in names})
    except LabelxError as error:
        return str(error)
    return ""


def run_page(page: Path, folder: Path) -> tuple[int, list[str]]:
    """Run the blocks of a page in a folder: how many were, and what went wrong."""
    names: dict[str, Any] = {"__name__": "__main__"}
    problems: list[str] = []
    count = 0
    for block in blocks(page.read_text("utf-8")):
        where = f"{os.path.relpath(page, ROOT)}:{block.line}"
        if block.mark == "file":
            (folder / block.word).write_text(block.text, "utf-8")
        elif block.mark == "not run":
            found = map(wrong, commands(block.text) if block.language == "bash" else ())
            problems += [f"{where}: {text}" for text in found if text]
        elif block.language in ("bash", "r", "python"):
            if block.language == "r" and not shutil.which("Rscript"):
                print(f"skipped: {where}: there is no Rscript")
                continue
            count += 1
            told = _run(block, folder, names)
            problems += [f"{where}: {told}"] if told else []
    return count, problems


def _run(block: Block, folder: Path, names: dict[str, Any]) -> str:
    """Run a block: what went wrong."""
    if block.language == "python":
        try:
            with chdir(folder):
                exec(compile(block.text, "<page>", "exec"), names)  # noqa: S102
        except Exception:
            return traceback.format_exc(limit=-1)
        return ""
    shell = {"bash": ["bash", "-euo", "pipefail", "-c"], "r": ["Rscript", "-e"]}[block.language]
    done = subprocess.run(
        [*shell, block.text], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else f"exit code {done.returncode}\n{done.stderr[-2000:]}"


def _own_programs(folder: Path) -> None:
    """Have `bids_labelx` and `python` be those of this interpreter."""
    folder.mkdir()
    for name, module in (("bids_labelx", "-m bids_labelx "), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        script.chmod(0o755)
    os.environ.update(PATH=f"{folder}:{os.environ['PATH']}", NO_ET="1", MPLBACKEND="Agg")


def main() -> int:
    """Run the pages; 1 if anything went wrong."""
    asked = [Path(name).resolve() for name in sys.argv[1:]]
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        _own_programs(Path(scratch, "bin"))
        demo = Path(scratch, FIRST.stem, "demo")
        for page in pages():
            if asked and page not in [*asked, FIRST]:
                continue
            folder = Path(scratch, page.relative_to(ROOT).with_suffix("").name)
            if page != FIRST and folder.exists():
                folder = folder.with_name(f"{page.parent.name}-{folder.name}")
            folder.mkdir()
            if demo.exists():
                shutil.copytree(demo, folder / "demo")
            count, problems = run_page(page, folder)
            name = page.relative_to(ROOT)
            print(f"{'FAILED' if problems else 'ok'}: {name}: {count} blocks run", flush=True)
            print(textwrap.indent("\n".join(problems), "    "), end="\n" if problems else "")
            failed |= bool(problems)
            if page != FIRST:
                shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
