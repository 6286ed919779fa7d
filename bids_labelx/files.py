"""Reading and writing files, each whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_labelx.content import read_content
from bids_labelx.errors import BadDataError, CannotWriteError

if TYPE_CHECKING:
    import pandas as pd

# How files begin that are not yet whole, followed by the invocation that they are of, which every
# process of it finds in this variable.
TEMPORARY, INVOCATION = ".tmp-", "BIDS_LABELX_INVOCATION"

# What stands for a missing number, besides BIDS' own ``n/a``.
NO_VALUE = frozenset(("n/a", "", "NaN", "nan", "NA", "N/A", "null", "NULL", "None"))

# What is made of JSON in memory is ten times as large.
_LARGEST_JSON = 2**26

# A row of a table: the number of its line in the file, and its cells.
TableRow = tuple[int, list[str]]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, empty, to be filled; it is renamed to it at the end.

    Raises
    ------
    CannotWriteError
        Where the folder cannot be made or the file not be written; nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{TEMPORARY}{os.environ.get(INVOCATION, '')}-"
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix, delete=False) as handle:
            temporary = Path(handle.name)
        yield temporary
        # The temporary file is private; the output is as open as the user's umask allows.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def disk_full(error: OSError) -> bool:
    """Whether space, inodes or the user's share of them ran out."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def full_message(path: str | os.PathLike[str], error: OSError) -> str:
    """What to tell where writing to `path` found the disk full."""
    return f"disk full: {os.fspath(path)} ({error.strerror}; free space, or inodes, and repeat)"


def cannot_write(path: Path, error: OSError) -> CannotWriteError:
    """The error to raise where writing to `path` raised this one."""
    if disk_full(error):
        return CannotWriteError(full_message(path, error))
    return CannotWriteError(f"{path}: cannot be written ({error.strerror})")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; see `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object; see `json_text`."""
    write_text(path, json_text(content))


def json_text(content: Mapping[str, Any]) -> str:
    """A JSON object, a line per key; NaN is refused, as JSON has none."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    lines = [f"  {text(key)}: {text(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_tsv(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a BIDS table; see `tsv_text`."""
    write_text(path, tsv_text(table, index=index))


def tsv_text(table: pd.DataFrame, *, index: bool = False) -> str:
    """A BIDS table: tabs, ``n/a`` for what has no value.

    Numbers have nine significant digits, which is what reads back the same float32.
    """
    numbers = len(table.columns) and all(kind == "float64" for kind in table.dtypes)
    names = table.index.tolist() if index else []
    if not numbers or not all(isinstance(name, str) for name in names):
        return _as_csv(table, index=index)
    # As pandas writes it, in a fraction of the time.
    line = "\t".join(["%.9g"] * len(table.columns)) + "\n"
    rows = (line % tuple(row) for row in table.to_numpy().tolist())
    known = (row.replace("nan", "n/a") for row in rows)
    if index:
        known = (_quoted(name) + row for name, row in zip(names, known, strict=True))
    return _as_csv(table.iloc[:0], index=index) + "".join(known)


def _quoted(cell: str) -> str:
    """A cell before others in a row, with a tab after it."""
    row = io.StringIO()
    csv.writer(row, delimiter="\t", lineterminator="\n").writerow([cell, ""])
    return row.getvalue().removesuffix("\n")


def _as_csv(table: pd.DataFrame, *, index: bool) -> str:
    return table.to_csv(
        sep="\t",
        index=index,
        na_rep="n/a",
        float_format="%.9g",
        lineterminator="\n",
        quoting=csv.QUOTE_MINIMAL,
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object out of a file, with or without a byte order mark.

    Raises
    ------
    MissingInputError, BadDataError
    """
    try:
        content = parse_json(decoded(path, read_content(path, _LARGEST_JSON)))
    except ValueError as error:
        raise BadDataError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise BadDataError(f"{path}: a JSON object is expected, found {type(content).__name__}")
    return content


def parse_json(text: str) -> Any:
    """What a text in JSON says.

    Raises
    ------
    ValueError
        Where it is not JSON, or says two things under one key.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
        if r"\ud" in text.lower():
            # Half a character, which nothing can be written with.
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if value != found[key] and value == value:
                raise ValueError(
                    f"{key} stands in it twice, as {value!r:.40} and {found[key]!r:.40}"
                )
    return found


def parse_toml(text: str) -> dict[str, Any]:
    """What a text in TOML says.

    Raises
    ------
    ValueError
    """
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with Unix line endings and without a byte order mark.

    Raises
    ------
    MissingInputError, BadDataError
    """
    return decoded(path, read_content(path))


def decoded(path: Path, content: bytes) -> str:
    """The text of the file `path`, whose bytes are `content`; see `read_text`."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:
        raise BadDataError(f"{path}: not a text file in UTF-8 (it has zero bytes); save it as one")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n?|\n", content[: error.start])) + 1
        raise BadDataError(
            f"{path}, line {line}: not UTF-8 (byte 0x{content[error.start]:02x}), perhaps Latin-1 "
            "or another encoding of Windows; save the file as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split_table(text: str, delimiter: str = "\t") -> list[TableRow]:
    """The rows of a table, the first one, a header as a rule, too: each with as many cells.

    A reader that does not count takes rows with a cell too many for rows with a name in front,
    and each column for its neighbour.

    Parameters
    ----------
    text
        With Unix line endings. Blank lines are skipped.
    delimiter
        Between cells; a blank stands for any number of blanks.

    Raises
    ------
    ValueError
        Where a row has more or fewer cells than the first; its row and line are named.
    """
    if delimiter in ("\t", " "):
        # BIDS' tables have no quotes around cells with tabs or line breaks, as there are none.
        lines = enumerate(text.split("\n"), 1)
        found = [(n, line) for n, line in lines if line.strip()]
        parts = None if delimiter == " " else delimiter
        rows = [
            (n, [_unquoted(cell) for cell in cells] if '"' in line else cells)
            for n, line in found
            for cells in [line.split(parts)]
        ]
    else:
        stream = io.StringIO(text)
        reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            rows = [(reader.line_num, cells) for cells in reader if "".join(cells).strip()]
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from None
    n_columns = len(rows[0][1]) if rows else 0
    for number, (line_number, cells) in enumerate(rows):
        if len(cells) < n_columns or any(cells[n_columns:]):
            raise ValueError(
                f"line {line_number}: {len(cells)} fields where the header has {n_columns} (row "
                f"{number}); each column needs a heading, and each row a field for it"
            )
        # Delimiters at a line's end, after which is nothing.
        del cells[n_columns:]
    return rows


def _unquoted(cell: str) -> str:
    """A cell without quotes, which BIDS does not allow and fMRIPrep's tables have."""
    if '"' not in cell:
        return cell
    inner = cell.strip()[1:-1]
    quoted = cell.strip() == f'"{inner}"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell


def table_columns(rows: list[TableRow]) -> list[tuple[int, str]]:
    """The columns of a table with a header: position and heading.

    Columns without a heading, mostly row numbers, are left out.

    Raises
    ------
    ValueError
        Where two columns have one heading.
    """
    headings = [cell.strip() for cell in rows[0][1]]
    for heading, count in Counter(headings).items():
        if heading and count > 1:
            raise ValueError(f"{count} columns are called {heading}; name them apart")
    return [(position, heading) for position, heading in enumerate(headings) if heading]


def read_tsv(path: Path, *, numbers: bool = False, delimiter: str = "\t") -> pd.DataFrame:
    """Read a table with a header, as text or as numbers.

    Parameters
    ----------
    path
        The table.
    numbers
        Whether columns that hold nothing but numbers and ``n/a`` become numbers and NaN; in
        others ``n/a`` becomes NaN, too. Without it every cell is text as it stands.
    delimiter
        Between cells; see `split_table`.

    Raises
    ------
    MissingInputError
        Where it cannot be read.
    BadDataError
        Where it is empty, a row has more or fewer fields than the header, or two columns have one
        heading.
    """
    import pandas as pd

    text = read_text(path)
    try:
        rows = split_table(text, delimiter)
        if not rows:
            raise ValueError("an empty file; a table with a header is expected")
        columns = table_columns(rows)
    except ValueError as error:
        raise BadDataError(f"{path}: cannot be read as a table ({error})") from None
    cells = {heading: [row[at] for _, row in rows[1:]] for at, heading in columns}
    index = pd.RangeIndex(len(rows) - 1)
    if not numbers:
        return pd.DataFrame(cells, index=index, dtype=str)
    return pd.DataFrame({name: as_numbers(texts) for name, texts in cells.items()}, index=index)


def as_numbers(texts: list[str]) -> pd.Series:
    """Texts as numbers, NaN for ``n/a``; where some text is neither, the texts themselves."""
    import pandas as pd

    known: list[str | None] = list(texts)
    try:
        try:
            values = list(map(float, texts))
        except ValueError:
            known = [None if text.strip() in NO_VALUE else text for text in texts]
            values = [float("nan") if text is None else float(text) for text in known]
    except ValueError:
        return pd.Series(known, dtype=object)
    # Python takes 1_0 for a number, a table does not.
    whole = "_" not in "".join(texts)
    return pd.Series(values, dtype=float) if whole else pd.Series(known, dtype=object)
