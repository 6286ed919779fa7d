"""Reading and writing files, each whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_labelx.errors import BadDataError, CannotWriteError, MissingInputError

if TYPE_CHECKING:
    import pandas as pd

# How files begin that are not yet whole, followed by the invocation that they are of, which every
# process of it finds in this variable.
TEMPORARY, INVOCATION = ".tmp-", "BIDS_LABELX_INVOCATION"


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
        raise CannotWriteError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; see `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, a line per key; NaN is refused, as JSON has none."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    lines = [f"  {text(key)}: {text(value)}" for key, value in content.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def write_tsv(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a BIDS table: tabs, ``n/a`` for what has no value.

    Numbers have nine significant digits, which is what reads back the same float32.
    """
    text = table.to_csv(
        sep="\t",
        index=index,
        na_rep="n/a",
        float_format="%.9g",
        lineterminator="\n",
        quoting=csv.QUOTE_MINIMAL,
    )
    write_text(path, text)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object out of a file.

    Raises
    ------
    MissingInputError, BadDataError
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise BadDataError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise BadDataError(f"{path}: a JSON object is expected, found {type(content).__name__}")
    return content
