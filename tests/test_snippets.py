"""The runner of the documentation's blocks finds what does not work."""

from __future__ import annotations

from pathlib import Path

import pytest
import snippets


def problems(folder: Path, text: str) -> list[str]:
    page = folder / "page.md"
    page.write_text(text, "utf-8")
    (folder / "work").mkdir()
    return snippets.run_page(page, folder / "work")[1]


@pytest.mark.parametrize(
    ("language", "text"),
    [("bash", "false"), ("bash", "no-such-program | cat"), ("python", "1 / 0")],
)
def test_a_block_that_fails_is_named_with_its_line(
    tmp_path: Path, language: str, text: str
) -> None:
    (told,) = problems(tmp_path, f"# Title\n\n```{language}\n{text}\n```\n")
    assert "page.md:3:" in told


def test_blocks_of_a_page_share_a_folder_and_names(tmp_path: Path) -> None:
    text = (
        "<!-- file: a.txt -->\n```text\nfirst\n```\n\n```bash\ntest $(cat a.txt) = first\n"
        "echo second > b.txt\n```\n\n```python\nread = open('b.txt').read()\n```\n\n"
        "```python\nassert read == 'second\\n'\n```\n"
    )
    assert problems(tmp_path, text) == []


def test_other_blocks_are_not_run(tmp_path: Path) -> None:
    text = (
        "<!-- not run: it would fail -->\n```bash\nfalse\n```\n\n"
        "<!-- not run: it would fail -->\n```python\n1 / 0\n```\n\n```text\nfalse\n```\n"
    )
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    "command",
    [
        "bids_labelx IN OUT participant --no-such-option",
        "bids_labelx IN OUT participant --atlas a.nii.gz \\\n  --connectivity nothing",
        "docker run --rm -v /a:/b bids_labelx /data /out participant --no-such-option",
        'apptainer run "$SIF" /data /out group --no-such-option',
    ],
)
def test_options_of_a_command_that_is_not_run_are_looked_at(tmp_path: Path, command: str) -> None:
    text = f"<!-- not run: reason -->\n```bash\n{command}\n```\n"
    (told,) = problems(tmp_path, text)
    assert "no-such-option" in told or "nothing" in told


@pytest.mark.parametrize(
    "page", snippets.pages(), ids=lambda page: page.relative_to(snippets.ROOT).as_posix()
)
def test_every_block_says_what_it_is_and_every_command_is_understood(page: Path) -> None:
    found = list(snippets.blocks(page.read_text("utf-8")))
    assert page.read_text("utf-8").count("\n```") == 2 * len(found)
    shown = [block for block in found if block.language == "bash"]
    for arguments in (one for block in shown for one in snippets.commands(block.text)):
        assert snippets.wrong(arguments) == "", arguments
