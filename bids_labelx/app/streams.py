"""Standard output and error that may be closed, full, or read by nobody any more."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOBase
from pathlib import Path
from typing import TextIO

from bids_labelx.errors import LabelxError
from bids_labelx.files import cannot_write

# What stands for characters of messages on terminals that have no UTF-8.
_PLAIN = str.maketrans(
    {
        "…": "...",
        "·": "|",
        "→": "->",
        "–": "-",
        "−": "-",
        "×": "x",
        "≥": ">=",
        "≤": "<=",
        "±": "+-",
    }
)


class _Lasting(TextIOBase):
    """A stream for text that can be written to, whatever happens to what it goes to.

    Parameters
    ----------
    stream
        Where the text goes.
    optional
        Whether the text can be missed, wherever it goes; else only where its reader has gone.
    """

    def __init__(self, stream: TextIO, *, optional: bool) -> None:
        self._stream, self._optional = stream, optional

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream, by which rich chooses its characters."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor of the stream."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text, or nothing where it cannot be."""
        try:
            self._stream.write(self._writable(text))
        except OSError as error:
            self._give_up(error)
        return len(text)

    def _writable(self, text: str) -> str:
        """The text without characters that the stream's encoding lacks."""
        encoding = self._stream.encoding or "utf-8"
        try:
            text.encode(encoding, self._stream.errors or "strict")
        except UnicodeEncodeError:
            plain = text.translate(_PLAIN)
            return plain.encode(encoding, "backslashreplace").decode(encoding)
        return text

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        # What is still buffered goes there, too, or the interpreter would fail at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if not self._optional and error.errno != errno.EPIPE:
            raise cannot_write(Path("standard output"), error)


class _Renamed(_Lasting):
    """A stream in whose text folders are called by other names.

    Parameters
    ----------
    stream
        Where the text goes.
    renamed
        Gives a text with the other names.
    """

    def __init__(self, stream: TextIO, renamed: Callable[[str], str]) -> None:
        super().__init__(stream, optional=False)
        self._renamed = renamed

    def _writable(self, text: str) -> str:
        return super()._writable(self._renamed(text))


@contextmanager
def renamed_in_messages(names: Mapping[str, str]) -> Iterator[None]:
    """Call folders by other names in all that is printed and logged, and in the app's errors.

    Parameters
    ----------
    names
        By path, what each folder is to be called.
    """

    def renamed(text: str) -> str:
        for folder, name in names.items():
            text = text.replace(folder, name)
        return text

    def rename(record: logging.LogRecord) -> bool:
        record.msg, record.args = renamed(record.getMessage()), ()
        return True

    logger = logging.getLogger("bids_labelx")
    out, err = (_Renamed(stream, renamed) for stream in (sys.stdout, sys.stderr))
    logger.addFilter(rename)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    except LabelxError as error:
        error.args = (renamed(str(error)), *error.args[1:])
        raise
    finally:
        logger.removeFilter(rename)


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Let the app go on where its messages cannot be written; the log file has them."""
    # Descriptors of closed streams would be given to files, which warnings would then go into.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    out = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    err = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    with (
        redirect_stdout(_Lasting(out, optional=False)),
        redirect_stderr(_Lasting(err, optional=True)),
    ):
        try:
            yield
        finally:
            with suppress(Exception):
                sys.stderr.flush()
