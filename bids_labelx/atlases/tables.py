"""Label tables: the regions of the values of a label image, in the formats atlases come with.

The format is recognised by the content, never by the extension. Supported are

- tables with a header: BIDS TSV, and CSV or TSV with other words for the index and the name;
- FreeSurfer colour LUTs, Workbench label lists, ITK-SNAP label descriptions, FSL ``.lut`` files;
- MRIcron text: ``index name`` and perhaps a second number. The image's values are the first
  number; the second (2001 for AAL's left precentral gyrus) is another numbering, kept as ``code``;
- FSL atlases in XML. For those of type Label the index is the image's value. For Probabilistic
  ones it counts the volumes of the 4D image from 0, and the value in the summary image (maxprob)
  is one more, which is what is read here
  (https://fsl.fmrib.ox.ac.uk/fsl/docs/other/atlas_xml.html).
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from bids_labelx.content import read_content
from bids_labelx.errors import BadDataError
from bids_labelx.files import decoded, split_table, table_columns

LOGGER = logging.getLogger("bids_labelx")

BACKGROUND = 0

# Names that tables have for what is no region, in lower case.
_NO_REGION = (
    r"back ?ground|unknown|undefined|unlabel|unassigned|no(t|n| )?.?label|clear label|outside|"
    r"exterior|medial.?wall|^(none|null|n/?a|empty|zero|void|bg|[^a-z]*)$"
)

# Columns that the app computes; of its own tables, they are not read.
COMPUTED = (
    *("voxels_atlas", "weight_in_view", "voxels_in_view", "voxels_grid", "voxels_covered"),
    *("centroid_x", "centroid_y", "centroid_z", "coverage", "status"),
)

# The place of a row in the file ("line 3"), and its cells by column; each has index and name.
Row = tuple[str, dict[str, str]]

# Headings of the index and of the names, whatever their case and without blanks, dots and
# underscores, by priority.
_INDEX_WORDS = (
    *("index", "id", "idx", "roi", "value", "label", "labelid", "labelindex", "labelnumber"),
    *("labelvalue", "roiid", "roiindex", "roinumber", "regionid", "regionindex", "parcelid"),
    *("component", "map", "volume"),
)
_NAME_WORDS = (
    "name",
    "label",
    "labelname",
    "regionname",
    "roiname",
    "region",
    "roi",
    "difumonames",
)
_HEMISPHERE_WORDS = ("hemisphere", "hemi")

_WHOLE = re.compile(r"0*([0-9]{1,18})(\.0*)?")
_BYTE = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_SHARE = r"(?:0?\.[0-9]+|0\.?|1(?:\.0*)?)"
_RGB = r"(?P<red>{0})\s+(?P<green>{0})\s+(?P<blue>{0})"
_BYTES = _RGB.format(_BYTE)

# Formats of a line per label: a description, and the pattern after the index.
_ITKSNAP = (
    'index R G B A VIS MESH "name" (ITK-SNAP)',
    rf'{_BYTES}\s+[0-9.]+\s+[0-9]\s+[0-9]\s+"(?P<name>.*)"',
)
_FSL = ("index R G B name (FSL)", rf"{_RGB.format(_SHARE)}\s+(?P<name>(?![0-9.]+\s)\S.*)")
_FREESURFER = (
    "index name R G B A, the name without blanks (FreeSurfer)",
    rf"(?P<name>(?![0-9.]+\s)\S+)\s+{_BYTES}(?:\s+[0-9]+){{0,2}}",
)
_MRICRON = (
    "index name [number], tabs around a name with blanks (MRIcron)",
    r"(?![0-9.]+(?:\s|$))(?P<name>(?<=\t)[^\t]+|\S+)(?:\s+(?P<code>[0-9]+))?",
)
# Workbench has the name in the line before; here it is moved to the end, behind a tab.
_WORKBENCH = ("a name, then index R G B A (Workbench)", rf"{_BYTES}\s+{_BYTE}\t(?P<name>.*)")


def read_table(path: Path, *, background: int = BACKGROUND) -> pd.DataFrame:
    """Read a label table, without background, with ``index`` and ``name`` first.

    In a TSV with columns ``index`` and ``name`` these are used. In other tables with a header the
    index is a column of whole numbers with a heading for it (index, id, roi, value, label number,
    …). The name is the column ``name`` if unique, else ``label`` or another heading for it; the
    other columns are kept. If none is unique, names that repeat in ``label`` (or such) are
    completed by the hemisphere, or else by the index (``insula_L``, ``PCcor_24``), and ``label``
    is kept unchanged. A name that repeats in ``name``, or in a table without a header, is refused.

    The row whose index is `background` is not read.

    Returns
    -------
    pandas.DataFrame
        ``index`` (int64) and ``name``, then all other columns as text, unchanged, in the file's
        order of rows. Colours of lookup tables are a column ``color``, ``#rrggbb``; other display
        settings are not read. Another column called ``name`` or ``index`` becomes
        ``name_in_file``.

    Raises
    ------
    MissingInputError
        Where there is no such file.
    BadDataError
        Where the format is not supported, a column is missing or two could be the index, an index
        is no whole number, an index or name is not unique, or a row has no name.
    """
    content = read_content(path)
    if re.match(rb"(\xef\xbb\xbf)?\s*(<\?xml|<!--|<atlas[\s>])", content):
        return checked_rows(path, _xml_rows(path, content), background)
    text = decoded(path, content)
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise BadDataError(f"{path}: an empty file; a table of labels is expected")
    first = lines[0][1]
    second = lines[1][1].strip() if len(lines) > 1 else ""
    if "\t" not in first and re.fullmatch(r"-?[0-9]+(\s+-?[0-9]+){4}", second):
        # A last name without its numbers will not match the format.
        pairs = zip(lines[::2], [*lines[1::2], (lines[-1][0], "")], strict=False)
        joined = [(number, f"{line.strip()}\t{name}") for (_, name), (number, line) in pairs]
        rows = _line_rows(path, joined, (_WORKBENCH,))
    elif delimiter := _delimiter(first):
        rows = _column_rows(path, text, delimiter, background)
    else:
        data = [(n, line) for n, line in lines if not line.lstrip().startswith("#")]
        rows = _line_rows(path, data or lines, (_ITKSNAP, _FSL, _FREESURFER, _MRICRON))
    return checked_rows(path, rows, background)


def select_labels(table: pd.DataFrame, wanted: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Select labels by index or by exact name: a whole number is an index if the table has it.

    Returns
    -------
    subset : pandas.DataFrame
        Their rows, in the table's order.
    unmatched : list of str
        Those that no row matches, in their order.
    """
    numbers = {word: int(word) for word in wanted if re.fullmatch("[0-9]{1,18}", word)}
    indices = set(table["index"])
    by_index = {word: number for word, number in numbers.items() if number in indices}
    by_name = [word for word in dict.fromkeys(wanted) if word not in by_index]
    kept = table["index"].isin(list(by_index.values())) | table["name"].isin(by_name)
    names = set(table["name"])
    return table[kept].reset_index(drop=True), [word for word in by_name if word not in names]


def _short(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else text[:most] + "…")


def _unknown(path: Path, line: str) -> BadDataError:
    return BadDataError(
        f"{path}: no table of labels that is understood; it begins with {_short(line.strip())}. "
        "Understood are TSV and CSV with a header, FreeSurfer, Workbench, ITK-SNAP, MRIcron and "
        "FSL (.lut, .xml) tables. Write it as TSV with the columns index and name"
    )


def _whole(path: Path, where: str, text: str) -> int:
    found = _WHOLE.fullmatch(text.strip())
    if not found:
        raise BadDataError(f"{path}, {where}: index is a whole number from 0, found {text!r}")
    return int(found[1])


def checked_rows(path: Path, rows: Sequence[Row], background: int) -> pd.DataFrame:
    """The table of these rows without background, checked.

    Raises
    ------
    BadDataError
        As from `read_table`.
    """
    indices: dict[int, str] = {}
    names: dict[str, int] = {}
    kept = []
    for where, cells in rows:
        index, name = _whole(path, where, cells["index"]), cells["name"].strip()
        if index == background:
            if name and not re.search(_NO_REGION, name.lower()):
                LOGGER.warning(
                    "%s, %s: index %d is background, so its row %r is ignored; if that is a "
                    "region, renumber it in image and table",
                    *(path, where, index, name),
                )
            continue
        if not name:
            raise BadDataError(f"{path}, {where}: a row without a name (index {index})")
        for column, cell in {**cells, "name": name}.items():
            # They would break the lines of the app's own tables.
            if re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", column + cell):
                raise BadDataError(
                    f"{path}, {where}: a tab, line break or other control character in {column}, "
                    f"{_short(cell)}; take it out"
                )
        if index in indices:
            raise BadDataError(
                f"{path}: index {index} stands in more than one row, {indices[index]} and {where}"
            )
        if name in names:
            raise BadDataError(
                f"{path}: name {name} stands in more than one row, those of index {names[name]} "
                f"and {index}; give each a name of its own"
            )
        indices[index], names[name] = where, index
        kept.append(cells)
    header = dict.fromkeys(column for _, cells in rows for column in cells)
    table = pd.DataFrame({"index": np.array(list(indices), np.int64), "name": list(names)})
    for column in header:
        if column not in ("index", "name", *COMPUTED):
            table[column] = [cells.get(column, "") for cells in kept]
    return table


def _line_rows(
    path: Path, lines: Sequence[tuple[int, str]], forms: Sequence[tuple[str, str]]
) -> list[Row]:
    """The rows of a format with a line per label, recognised by the first line."""
    start = lines[0][1].strip()
    patterns = {what: re.compile(rf"(?P<index>[0-9]+)\s+{rest}") for what, rest in forms}
    fitting = [what for what, pattern in patterns.items() if pattern.fullmatch(start)]
    if not fitting and len(forms) > 1:
        raise _unknown(path, start)
    what = (fitting or [*patterns])[0]
    full = 1 if what == _FSL[0] else 255
    rows = []
    for number, line in lines:
        found = patterns[what].fullmatch(line.strip())
        if not found:
            raise BadDataError(f"{path}, line {number}: expected {what}, found {_short(line)}")
        cells = found.groupdict(default="")
        colours = [cells.pop(colour) for colour in ("red", "green", "blue") if colour in cells]
        if colours:
            cells["color"] = "#" + "".join(f"{round(float(c) / full * 255):02x}" for c in colours)
        rows.append((f"line {number}", cells))
    return rows


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a DOCTYPE, the only place where entities can be declared."""

    def doctype(self, *_: object) -> None:
        raise ValueError("it has a DOCTYPE, take that out")


def _xml_rows(path: Path, content: bytes) -> list[Row]:
    """The rows of an FSL atlas."""
    try:
        # Without a DOCTYPE there are no entities to expand, which is what S314 is about.
        parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314
        root = ElementTree.fromstring(content, parser)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadDataError(f"{path}: cannot be read as XML ({error})") from None
    labels = root.findall("data/label")
    if root.tag != "atlas" or not labels:
        raise _unknown(path, f"<{root.tag}>, without labels of an atlas")
    kind = root.findtext("header/type", "").strip()
    # FSL's own files have both spellings.
    shift = {"label": 0, "probabilistic": 1, "probabalistic": 1}.get(kind.lower())
    if shift is None:
        raise BadDataError(
            f"{path}: the <type> of an atlas is Label or Probabilistic, found {_short(kind)}; "
            "without it the values of the image are not known"
        )
    rows = []
    for number, label in enumerate(labels, 1):
        index = _whole(path, f"label {number}", label.get("index", "")) + shift
        cells = {**label.attrib, "index": str(index), "name": "".join(label.itertext())}
        rows.append((f"label {number}", cells))
    return rows


def _word(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading).casefold()


def _delimiter(line: str) -> str | None:
    """The delimiter of the columns, if the line is the header of a table of labels."""
    for delimiter in "\t;,":
        words = [_word(cell) for cell in line.split(delimiter)]
        known = set(words) & {*_INDEX_WORDS, *_NAME_WORDS}
        if len(words) > 1 and known and not line.startswith("#"):
            return None if any(word.isdecimal() for word in words) else delimiter
    return None


def _column_rows(path: Path, text: str, delimiter: str, background: int) -> list[Row]:
    """The rows of a table with a header."""
    tabs = delimiter == "\t"
    try:
        lines = split_table(text, delimiter)
        columns = table_columns(lines)
    except ValueError as error:
        raise BadDataError(f"{path}, {error}") from None
    header = [heading for _, heading in columns]
    rows = [(f"line {n}", {c: cells[at] for at, c in columns}) for n, cells in lines[1:]]
    words = {column: _word(column) for column in header}
    if tabs and "index" in words and "name" in words:
        return rows
    index = _index_column(path, rows, words)
    labels = [row for row in rows if _whole(path, row[0], row[1][index]) != background]
    column, names = _name_column(path, labels, words, index)
    whole = names == [cells[column].strip() for _, cells in labels]
    others = [c for c in words if c != index and not (c == column and whole)]
    new = {c: f"{c}_in_file" if c.casefold() in ("index", "name") else c for c in others}
    return [
        (where, {"index": cells[index], "name": name, **{new[c]: cells[c] for c in others}})
        for (where, cells), name in zip(labels, names, strict=True)
    ]


def _index_column(path: Path, rows: Sequence[Row], words: Mapping[str, str]) -> str:
    """The column of the index, if unambiguous; `words` are the normalised headings."""
    named = [c for word in _INDEX_WORDS for c in words if words[c] == word]
    whole = [c for c in named if all(_WHOLE.fullmatch(cells[c].strip()) for _, cells in rows)]
    fitting = [c for c in named if words[c] == "index" or c in whole]
    if not [c for c in words if words[c] in _NAME_WORDS and c not in fitting]:
        # One column has to be the name, such as numbers under `label`.
        fitting = [c for c in fitting if words[c] not in _NAME_WORDS] or fitting
    fitting = fitting or [c for c in named if words[c] not in _NAME_WORDS]
    if not fitting:
        raise BadDataError(f"{path}: no column index (nor id, roi, …); found {', '.join(words)}")
    index = fitting[0]
    for where, cells in rows:
        values = {c: _whole(path, where, cells[c]) for c in fitting}
        if len(set(values.values())) > 1:
            found = ", ".join(f"{c} {value}" for c, value in values.items())
            raise BadDataError(
                f"{path}, {where}: several columns could be the index, and they differ ({found}); "
                "keep one of them, or write it as TSV with the columns index and name"
            )
    return index


def _name_column(
    path: Path, rows: Sequence[Row], words: Mapping[str, str], index: str
) -> tuple[str, list[str]]:
    """The column of the names, and the names, completed where no column is unique."""
    named = [c for word in _NAME_WORDS for c in words if words[c] == word and c != index]
    if not named:
        raise BadDataError(f"{path}: no column name (nor label, …); found {', '.join(words)}")
    texts = {c: [cells[c].strip() for _, cells in rows] for c in words}
    texts[index] = [str(_whole(path, where, cells[index])) for where, cells in rows]
    for column in named:
        if "" not in texts[column] and len(set(texts[column])) == len(rows):
            return column, texts[column]
    column = next((c for c in named if words[c] != "name"), named[0])
    names, counts = texts[column], Counter(texts[column])
    if words[column] == "name":
        return column, names
    completed = names
    for end in [*(c for c in words if words[c] in _HEMISPHERE_WORDS), index]:
        pairs = zip(names, texts[end], strict=True)
        completed = [f"{n}_{e}" if n and e and counts[n] > 1 else n for n, e in pairs]
        if len(set(completed)) == len(completed):
            break
    return column, completed
