"""Methods texts with their references, as plain text, Markdown, LaTeX and BibTeX.

Within a text a citation is a mark, which each format writes in its own way; see `cite`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from bids_labelx.files import write_text
from bids_labelx.words import enumerated

# Characters that no text has which may be in a name or a description.
_OPEN, _CLOSE, _BY_NAME, _BARE = "\x02", "\x03", "\x01", "\x04"
_MARK = re.compile(rf"{_OPEN}([{_BY_NAME}{_BARE}]?)([^{_CLOSE}]*){_CLOSE}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

# The fields of a reference; see `data/bibliography.toml`.
Reference = Mapping[str, Any]

_LATEX = {
    "\\": r"\textbackslash{}",
    **{one: f"\\{one}" for one in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "²": r"\textsuperscript{2}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


@dataclass(frozen=True)
class Methods:
    """A methods text.

    Attributes
    ----------
    paragraphs
        With the marks of citations in them.
    references
        Those that are cited, by key, in the order in which they are.
    """

    paragraphs: tuple[str, ...]
    references: Mapping[str, Reference]


def read_bibliography() -> dict[str, Reference]:
    """All references that a methods text may cite, by key."""
    return _read("bibliography.toml")


def known_citations(kind: str, name: str) -> tuple[str, ...]:
    """Keys of the references for an ``atlas`` or a ``program`` of this name; none for others.

    >>> known_citations("atlas", "Schaefer2018_seg-100Parcels7Networks")
    ('schaefer',)
    """
    for one in _read("citations.toml")[kind]:
        where = re.search if kind == "atlas" else re.match
        if where(one["match"], name, re.IGNORECASE):
            return tuple(one["cite"])
    return ()


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("bids_labelx") / "data" / name).read_text(encoding="utf-8"))


def cite(*keys: str) -> str:
    """The mark of a citation in brackets: ``(Power et al., 2012; Ciric et al., 2017)``."""
    return f"{_OPEN}{';'.join(keys)}{_CLOSE}"


def cite_by_name(key: str) -> str:
    """The mark of a citation that is part of the sentence: ``Ledoit and Wolf (2004)``."""
    return f"{_OPEN}{_BY_NAME}{key}{_CLOSE}"


def cite_within(*keys: str) -> str:
    """The mark of a citation that is in brackets already: ``Power et al., 2012``."""
    return f"{_OPEN}{_BARE}{';'.join(keys)}{_CLOSE}"


def unmarked(text: str) -> str:
    """A text of somebody else without control characters, which would be taken for marks."""
    return _CONTROL.sub("", text)


def make_methods(paragraphs: Iterable[str], bibliography: Mapping[str, Reference]) -> Methods:
    """Gather the references that paragraphs cite.

    Raises
    ------
    KeyError
        Where one is cited that the bibliography lacks.
    """
    told = tuple(paragraphs)
    marks = [found for one in told for found in _MARK.finditer(one)]
    keys = dict.fromkeys(key for found in marks for key in found[2].split(";"))
    return Methods(told, {key: bibliography[key] for key in keys})


def as_plain(methods: Methods) -> str:
    """Paragraphs and the references they cite, separated by blank lines."""
    return "\n\n".join([*_paragraphs(methods, _in_words(methods)), *_plain_references(methods)])


def _plain_references(methods: Methods) -> list[str]:
    entries = [entry(one) for one in methods.references.values()]
    return ["References", *entries] if entries else []


def as_markdown(methods: Methods) -> str:
    """The same with headings, and DOIs as links."""
    entries = []
    for one in methods.references.values():
        text = _escaped_markdown(entry(one, link=False))
        if one.get("doi"):
            text += f" doi:[{one['doi']}](<https://doi.org/{one['doi']}>)"
        entries.append(text)
    parts = ["# Methods", *map(_escaped_markdown, _paragraphs(methods, _in_words(methods)))]
    return "\n\n".join([*parts, *(["## References", *entries] if entries else [])]) + "\n"


def as_latex(methods: Methods, bibliography: str) -> str:
    """A document for LaTeX with natbib; `bibliography` is the name of the BibTeX file's stem."""

    def mark(keys: list[str], kind: str) -> str:
        command = {_BY_NAME: "citet", _BARE: "citealp"}.get(kind, "citep")
        return f"\\{command}{{{','.join(keys)}}}"

    end = [r"\bibliographystyle{plainnat}", f"\\bibliography{{{bibliography}}}"]
    parts = [
        r"\documentclass{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{natbib}",
        # Without it, natbib's styles cannot print a DOI with an underscore.
        r"\usepackage{url}",
        r"\begin{document}",
        r"\section*{Methods}",
        *_paragraphs(methods, mark, _escaped_latex),
        *(end if methods.references else []),
        r"\end{document}",
    ]
    return "\n\n".join(parts) + "\n"


def as_bibtex(methods: Methods) -> str:
    """The references as BibTeX entries; one without a year says so, which natbib's styles need."""
    made = []
    for key, one in methods.references.items():
        fields = {name: str(value) for name, value in one.items() if name != "type"}
        fields.setdefault("year", "n.d.")
        lines = [f"  {name} = {{{_field(name, value)}}}," for name, value in fields.items()]
        kind = one.get("type", "article")
        made.append("\n".join([f"@{kind}{{{key},", *lines, "}"]))
    return "\n\n".join(made) + "\n" if made else ""


def _field(name: str, value: str) -> str:
    """The value of a field of a BibTeX entry."""
    if name in ("doi", "url"):
        return value
    if name == "pages":
        return value.replace("-", "--")
    if name == "author":
        names = [(one.strip("{}"), one.startswith("{")) for one in value.split(" and ")]
        return " and ".join(
            f"{{{_escaped_latex(one)}}}" if whole else _escaped_latex(one) for one, whole in names
        )
    # Braces keep capitals as they are.
    return f"{{{_escaped_latex(value)}}}" if name == "title" else _escaped_latex(value)


def write_methods_files(folder: Path, stem: str, methods: Methods) -> None:
    """Write a methods text in all formats: ``stem.txt``, ``.md``, ``.tex`` and ``.bib``.

    Raises
    ------
    CannotWriteError
    """
    write_text(folder / f"{stem}.txt", as_plain(methods) + "\n")
    write_text(folder / f"{stem}.md", as_markdown(methods))
    write_text(folder / f"{stem}.tex", as_latex(methods, stem))
    write_text(folder / f"{stem}.bib", as_bibtex(methods))


def _paragraphs(
    methods: Methods,
    mark: Callable[[list[str], str], str],
    escape: Callable[[str], str] = str,
) -> list[str]:
    """The paragraphs with each mark as `mark` writes it, and the rest escaped."""
    made = []
    for paragraph in methods.paragraphs:
        parts, end = [], 0
        for found in _MARK.finditer(paragraph):
            parts += [escape(paragraph[end : found.start()])]
            parts += [mark(found[2].split(";"), found[1])]
            end = found.end()
        made.append("".join([*parts, escape(paragraph[end:])]))
    return made


def _in_words(methods: Methods) -> Callable[[list[str], str], str]:
    """How citations stand in a text for people."""

    def mark(keys: list[str], kind: str) -> str:
        known = [methods.references[key] for key in keys]
        if kind == _BY_NAME:
            return f"{_short(known[0])} ({known[0]['year']})"
        text = "; ".join(", ".join(_name_and_year(one)) for one in known)
        return text if kind == _BARE else f"({text})"

    return mark


def _name_and_year(one: Reference) -> list[str]:
    return [_short(one), *([str(one["year"])] if "year" in one else [])]


def _short(one: Reference) -> str:
    """The names of a reference as they are cited: ``Power et al.``, ``Ledoit and Wolf``."""
    names = [name.partition(",")[0].strip("{}") for name in _authors(one)]
    return f"{names[0]} et al." if len(names) > 2 or names[-1] == "others" else enumerated(names)


def entry(one: Reference, *, link: bool = True) -> str:
    """A reference as in a list: ``Power JD, et al. (2012). Title. Journal 59(3), 2142-2154.``"""
    names = [_initials(name) for name in _authors(one)]
    authors = ", ".join("et al." if name == "others" else name for name in names)
    year = f" ({one['year']})" if "year" in one else ""
    issue = f"({one['number']})" if "number" in one else ""
    place = (
        f" {one['journal']} {one['volume']}{issue}, {one['pages']}." if "journal" in one else ""
    )
    rest = "".join(f" {one[name]}." for name in ("version", "note") if one.get(name))
    web = f" {one['url']}" if one.get("url") else ""
    doi = f" doi:{one['doi']}" if link and one.get("doi") else ""
    # A dot ends an abbreviated list of authors where no year follows.
    stop = "" if authors.endswith(".") and not year else "."
    return f"{authors}{year}{stop} {one['title'].rstrip('.')}.{place}{rest}{web}{doi}"


def _authors(one: Reference) -> list[str]:
    return str(one["author"]).split(" and ")


def _initials(name: str) -> str:
    """``Power, Jonathan D.`` as ``Power JD``; a name in braces as it is."""
    surname, _, given = name.partition(", ")
    letters = "".join(part[0] for part in re.split(r"[\s.-]+", given) if part)
    return f"{surname} {letters}" if letters else surname.strip("{}")


def _escaped_latex(text: str) -> str:
    return "".join(_LATEX.get(one, one) for one in text)


def _escaped_markdown(text: str) -> str:
    # What would start emphasis, code, links or tags; an underscore within a word does not.
    return re.sub(r"[\\`*\[\]<>|]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
