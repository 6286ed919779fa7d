from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from bids_labelx.report.citations import (
    Methods,
    as_bibtex,
    as_latex,
    as_markdown,
    as_plain,
    cite,
    cite_by_name,
    cite_within,
    entry,
    known_citations,
    make_methods,
    read_bibliography,
    unmarked,
    write_methods_files,
)

PACKAGE = Path(str(files("bids_labelx")))
BOOKS = {
    "one": {
        "author": "Power, Jonathan D. and others",
        "year": 2012,
        "title": "On 5 % of it",
        "journal": "J & B",
        "volume": "5",
        "number": "2",
        "pages": "10-12",
        "doi": "10.1000/a_b",
    },
    "two": {
        "author": "Ledoit, Olivier and Wolf, Michael",
        "year": 2004,
        "title": "Two",
        "journal": "B",
        "volume": "1",
        "pages": "3",
        "doi": "10.1000/c",
    },
    "three": {"type": "misc", "author": "{The x_y team}", "title": "x_y", "note": "Version 2"},
}


def made(*paragraphs: str) -> Methods:
    return make_methods(paragraphs, BOOKS)


def test_only_what_is_cited_is_listed_and_in_the_order_of_the_text() -> None:
    methods = made(f"By {cite_by_name('two')}.", f"With x {cite('three', 'one')}, y.")
    assert list(methods.references) == ["two", "three", "one"]
    assert list(made("Nothing.").references) == []
    with pytest.raises(KeyError):
        made(cite("four"))


def test_plain_text_has_names_years_and_entries() -> None:
    text = as_plain(
        made(f"By {cite_by_name('two')} {cite('one', 'three')} (a; {cite_within('one')}).")
    )
    assert text.split("\n\n") == [
        "By Ledoit and Wolf (2004) (Power et al., 2012; The x_y team) (a; Power et al., 2012).",
        "References",
        "Ledoit O, Wolf M (2004). Two. B 1, 3. doi:10.1000/c",
        "Power JD, et al. (2012). On 5 % of it. J & B 5(2), 10-12. doi:10.1000/a_b",
        "The x_y team. x_y. Version 2.",
    ]


def test_markdown_escapes_names_and_links_dois() -> None:
    text = as_markdown(made(f"Of *a* and b_c <d> {cite('one')}."))
    assert r"Of \*a\* and b_c \<d\> (Power et al., 2012)." in text
    assert "doi:[10.1000/a_b](<https://doi.org/10.1000/a_b>)" in text


def test_latex_cites_keys_and_escapes_the_rest() -> None:
    text = as_latex(made(f"5 % of a_b {cite('one', 'two')}; {cite_by_name('two')}, −1."), "refs")
    assert r"5 \% of a\_b \citep{one,two}; \citet{two}, $-$1." in text
    assert r"\bibliography{refs}" in text
    assert text.count(r"\begin{document}") == text.count(r"\end{document}") == 1
    assert r"\bibliography{" not in as_latex(made("Nothing."), "refs")


def test_bibtex_has_an_entry_of_each_reference_that_is_cited() -> None:
    text = as_bibtex(made(cite("one", "three")))
    assert re.findall(r"^@(\w+)\{([^,]+),$", text, re.M) == [("article", "one"), ("misc", "three")]
    assert "  title = {{On 5 \\% of it}}," in text
    assert "  journal = {J \\& B}," in text
    assert "  pages = {10--12}," in text
    assert "  author = {{The x\\_y team}}," in text
    assert "  doi = {10.1000/a_b}," in text
    assert text.count("{") == text.count("}")


def test_all_four_files_are_written(tmp_path: Path) -> None:
    write_methods_files(tmp_path, "CITATION", made(cite("one")))
    assert {path.suffix for path in tmp_path.iterdir()} == {".txt", ".md", ".tex", ".bib"}
    assert r"\bibliography{CITATION}" in (tmp_path / "CITATION.tex").read_text()


@pytest.mark.skipif(
    shutil.which("pdflatex") is None or shutil.which("bibtex") is None,
    reason="no LaTeX with BibTeX on the path",
)
def test_latex_typesets_every_reference_without_a_warning(tmp_path: Path) -> None:
    books = {**read_bibliography(), "app": BOOKS["three"]}
    words = "5 % of a_b & c → d “e” − f #1 $2 ~ ^ \\ {g}"
    methods = make_methods([f"{words} {cite(*books)}. {cite_by_name('fmriprep')}."], books)
    write_methods_files(tmp_path, "CITATION", methods)
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "CITATION.tex"]
    for command in (latex, ["bibtex", "CITATION"], latex, latex):
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
        output = told.stdout.decode(errors="replace")
        assert told.returncode == 0, output
    log = (tmp_path / "CITATION.log").read_text(encoding="utf-8", errors="replace")
    assert "undefined" not in log
    assert "warning" not in (tmp_path / "CITATION.blg").read_text().lower().replace(
        "warning$", "warn$"
    )
    assert (tmp_path / "CITATION.bbl").read_text().count("\\bibitem") == len(books)


def test_names_of_other_people_cannot_be_taken_for_citations() -> None:
    assert make_methods([unmarked(f"a {cite('one')}")], {}).references == {}


def test_references_are_whole_and_their_dois_well_formed_and_unique() -> None:
    bibliography = read_bibliography()
    dois = [one["doi"] for one in bibliography.values()]
    assert len({doi.lower() for doi in dois}) == len(dois)
    for key, one in bibliography.items():
        assert re.fullmatch(r"10\.\d{4,9}/[A-Za-z0-9.()_;/-]+", one["doi"]), key
        assert {"author", "year", "title", "journal", "volume", "pages"} <= one.keys(), key
        assert 1900 < one["year"] < 2100
        assert re.fullmatch(r"[a-z0-9_]+", key)


def test_no_two_references_are_cited_alike() -> None:
    bibliography = read_bibliography()
    shown = [
        as_plain(make_methods([cite(key)], bibliography)).partition("\n")[0]
        for key in bibliography
    ]
    assert len(set(shown)) == len(shown)


def test_every_reference_can_be_cited_and_every_key_cited_is_there() -> None:
    bibliography = read_bibliography()
    sources = [
        *(PACKAGE / "report").glob("*.py"),
        PACKAGE / "report/templates/methods.md",
        PACKAGE / "data/citations.toml",
        PACKAGE / "others/opening.py",
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    text = text.replace("'", '"')
    unused = [key for key in bibliography if f'"{key}"' not in text]
    assert unused == []
    calls = re.findall(r"\bcite(?:_by_name|_within)?\(((?:\"[a-z_0-9]+\"(?:, )?)+)\)", text)
    keys = {key for call in calls for key in re.findall(r"\"([a-z_0-9]+)\"", call)}
    listed = re.findall(r"^cite = \[(.+)\]$", text, re.M)
    keys |= {key for one in listed for key in re.findall(r"\"([a-z_0-9]+)\"", one)}
    assert keys
    assert keys <= bibliography.keys()


def test_programs_are_known_by_the_beginning_of_their_names() -> None:
    assert known_citations("program", "fMRIPrep 25.1.1") == ("fmriprep",)
    assert known_citations("program", "my fMRIPrep") == ()
    assert known_citations("atlas", "Mine") == ()


def test_an_entry_without_a_year_or_a_journal_is_a_sentence() -> None:
    assert entry({"author": "{A}", "title": "B", "url": "https://c"}) == "A. B. https://c"
