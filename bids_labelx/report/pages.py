"""The HTML pages: one per participant and one for the group, and the parts they are made of.

A page draws itself, from data scripts beside it and with the scripts that all pages share, and
works offline. Without scripts its tables and static figures are there. All text is escaped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from bids_labelx.outputs.states import DONE, states_in_words
from bids_labelx.pictures.packing import as_base64
from bids_labelx.words import enumerated

_NUMBER = re.compile(r"[-+−]?(\d[\d, ]*)?\.?\d+([eE][-+]?\d+)?\s?%?|[-+−]?inf|nan", re.IGNORECASE)
_NO_VALUE = ("", "n/a", "–", "-", "not known")


@dataclass(frozen=True)
class FigureFile:
    """The file of a figure, beside the page.

    Attributes
    ----------
    src
        Path relative to the page, with ``/``, as it is on disk: the page quotes it.
    alt
        What a reader who does not see the image needs to know.
    caption
        Stands below the image.
    """

    src: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Table:
    """A table of text. The first cell of each row names the row.

    Attributes
    ----------
    header, rows
        Names of the columns, and cells.
    caption
        Stands above the table.
    links
        For each row a path relative to the page that its first cell links to, empty where it
        links to nothing; without any, no row is linked.

    Raises
    ------
    ValueError
        If a row is not as long as the header, or there are links for some rows only.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    links: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.links and len(self.links) != len(self.rows):
            raise ValueError(
                f"table {self.caption!r}: {len(self.links)} links for {len(self.rows)} rows"
            )
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"table {self.caption!r}: {len(row)} cells in a row, "
                    f"{len(self.header)} in the header: {row}"
                )

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds numbers and nothing else but missing values."""
        columns = ([row[i] for row in self.rows] for i in range(len(self.header)))
        return tuple(_holds_numbers(column) for column in columns)


@dataclass(frozen=True)
class Part:
    """The content under one heading of a section.

    Attributes
    ----------
    heading
        Empty for content right under the section's own heading.
    text
        Paragraphs.
    points
        Items of a list, below the text.
    tables
        Below the list.
    marked, remarked
        Rows of the first table that are highlighted: such as failed runs, and those to be looked
        at with care.
    figures
        Below the tables.
    files
        Paths, relative to the page, of the files with the whole content.
    static
        What a page that draws itself shows on paper and without script alone.
    """

    heading: str = ""
    text: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    marked: frozenset[int] = frozenset()
    remarked: frozenset[int] = frozenset()
    figures: tuple[FigureFile, ...] = ()
    files: tuple[str, ...] = ()
    static: bool = False


@dataclass(frozen=True)
class RunSection:
    """The section of a participant's page on one run.

    Attributes
    ----------
    title
        The run's name.
    status, words
        Its state, see `bids_labelx.outputs.states`, and the same in words.
    error, trace
        What could not be done, and where in the code.
    facts, parts
        Facts by name, and the content below them.
    contents
        The data scripts of the run, see `bids_labelx.report.page_contents`.

    Raises
    ------
    ValueError
        If a run that is done comes with an error.
    """

    title: str
    status: str
    error: str | None
    trace: str
    facts: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    words: str = ""
    contents: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status == DONE and self.error is not None:
            raise ValueError(f"run {self.title!r} is done and has an error: {self.error}")


def participant_page(
    participant: str,
    summary: tuple[tuple[str, str], ...],
    runs: Sequence[RunSection],
    methods: str,
    version: str,
    *,
    contents: Mapping[str, Any],
    concatenated: Sequence[Part] = (),
    provenance: tuple[tuple[str, str], ...] = (),
    durations: Table | None = None,
    templates: Environment | None = None,
) -> str:
    """Write a participant's report.

    Parameters
    ----------
    participant
        Label, with or without ``sub-``.
    summary
        Facts about the participant: name and value.
    runs
        One section each, in this order.
    methods
        Plain text; its paragraphs are separated by blank lines.
    version
        Of bids_labelx.
    contents
        The data scripts of all runs, for the page's own script.
    concatenated
        The matrices over several runs.
    provenance
        Facts about how the outputs were made: name and value.
    durations
        The duration of each step of each run.
    templates
        See `render_template`.

    Returns
    -------
    str
        A whole HTML page.

    Raises
    ------
    ValueError
        If the path of a figure is empty or absolute, or contents have a number that JSON has not.
    """
    return render_template(
        "participant.html",
        contents=contents,
        concatenated=concatenated,
        participant=f"sub-{participant.removeprefix('sub-')}",
        summary=summary,
        runs=runs,
        states=states_in_words(Counter(run.status for run in runs)),
        methods=[part for part in re.split(r"\n\s*\n", methods.strip()) if part],
        version=version,
        provenance=provenance,
        durations=durations,
        templates=templates,
    )


def render_template(
    template: str, *, version: str, templates: Environment | None = None, **content: Any
) -> str:
    """Fill one of the templates; those of pages escape all text. Missing content is an error.

    `templates` are those of `read_templates`, read anew by default.
    """
    known = templates or read_templates()
    return known.get_template(template).render(version=version, **content)


def read_templates() -> Environment:
    """The templates of all pages, to be compiled once where many pages are written."""
    environment = Environment(
        loader=PackageLoader("bids_labelx.report"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {
        "allow_nan": False,
        "separators": (",", ":"),
        "default": as_base64,
    }
    environment.filters |= {"relative_url": _relative_url, "enumerated": enumerated}
    return environment


def _relative_url(path: str) -> str:
    """Quote a relative path, colon included: ``javascript:`` or ``http:`` is no scheme then."""
    if not path or path.startswith("/"):
        raise ValueError(f"a page links to files beside it, by a relative path, not {path!r}")
    return quote(path)


def _holds_numbers(cells: Sequence[str]) -> bool:
    values = [cell.strip() for cell in cells if cell.strip() not in _NO_VALUE]
    return bool(values) and all(_NUMBER.fullmatch(value) for value in values)
