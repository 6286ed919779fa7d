"""Both levels on a compact output folder, and ``unpack OUTPUT_DIR DEST``."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bids_labelx.app.streams import renamed_in_messages
from bids_labelx.app.work_folder import temporary_folder
from bids_labelx.errors import CannotWriteError, ExitCode, MissingInputError, UsageError
from bids_labelx.files import cannot_write, disk_full, full_message
from bids_labelx.outputs.arrow import check_pyarrow
from bids_labelx.outputs.compact import (
    commit,
    is_compact,
    make_view,
    publish,
    write_plain,
)
from bids_labelx.outputs.pieces import next_sequence, store_of
from bids_labelx.outputs.results import participants_of
from bids_labelx.outputs.run_records import record_paths_of
from bids_labelx.outputs.unpacking import read_from
from bids_labelx.settings import Settings, convert
from bids_labelx.words import counted


def check_kind(output: Path, *, compact: bool = False) -> None:
    """Refuse an output folder with results both in files and in a store.

    Parameters
    ----------
    output
        The output folder.
    compact
        Whether it is to be a compact one from now on.

    Raises
    ------
    UsageError
    """
    there = is_compact(output)
    if not (there or compact):
        return
    check_pyarrow(f"the store in {output}" if there else "--compact")
    plain = [f"sub-{label}" for label in participants_of(output)]
    plain += [path.name for path in record_paths_of(output)]
    if plain and there:
        raise UsageError(
            f"{output} has a store ({store_of(output)}) and plain files of participants beside "
            f"it, such as {plain[0]}; a folder has either: move the store or the files elsewhere"
        )
    if plain:
        raise UsageError(
            f"--compact: {output} has results as plain files, such as {plain[0]}; choose another "
            "OUTPUT_DIR, or leave --compact out"
        )


@contextmanager
def plain_view(
    settings: Settings, participants: Collection[str] | None, *, whole: bool
) -> Iterator[Settings]:
    """The settings with an output folder that has plain files.

    That is the output folder itself or, of a compact one, a view in the work folder; see
    `bids_labelx.outputs.compact.make_view` for the parameters.

    Raises
    ------
    CannotWriteError, BadDataError
    """
    if settings.compact and not is_compact(settings.output_dir):
        next_sequence(store_of(settings.output_dir))
    with viewed(settings.output_dir, participants, settings.work_dir, whole=whole) as output:
        yield replace(settings, output_dir=output)


@contextmanager
def viewed(
    output: Path,
    participants: Collection[str] | None = None,
    work_dir: Path | None = None,
    *,
    whole: bool = False,
) -> Iterator[Path]:
    """An output folder with plain files; see `plain_view`."""
    if not is_compact(output):
        yield output
        return
    where = work_dir or Path(tempfile.gettempdir())
    where.mkdir(parents=True, exist_ok=True)
    with temporary_folder(where) as folder:
        view = folder / "view"
        try:
            view.mkdir()
            stored = make_view(output, view, participants, whole=whole)
        except OSError as error:
            if disk_full(error):
                raise CannotWriteError(
                    f"{full_message(error.filename or where, error)}: a compact output folder is "
                    "unpacked there; choose a larger place with --work-dir"
                ) from None
            raise CannotWriteError(f"work folder {where}: {error.strerror}") from None
        with renamed_in_messages({str(view): str(output)}), read_from(stored):
            try:
                yield view
            finally:
                publish(view)
                commit(view, "")


def run_unpack(values: Sequence[str], others: Mapping[str, Any]) -> int:
    """Write a compact output folder as one of plain files, byte for byte.

    Parameters
    ----------
    values
        The output folder, and the folder to be written.
    others
        Further options of the command line, of which ``participant_label`` has an effect: only
        these participants' files are written, and no group files.

    Raises
    ------
    LabelxError
    """
    output, target = (convert.path(one) for one in values)
    if not is_compact(output):
        raise MissingInputError(
            f"{output}: no compact output folder (there is no {store_of(output).name} in it); "
            "results that are plain files need no unpacking"
        )
    check_kind(output)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there and not an empty folder; give another one")
    try:
        wanted = convert.labels("sub")(others.get("participant_label") or ())
    except ValueError as error:
        raise UsageError(f"--participant-label {error}") from None
    try:
        written = write_plain(output, target, wanted or None)
    except OSError as error:
        raise cannot_write(target, error) from None
    print(f"{counted(written, 'file')} in {target}")
    return ExitCode.DONE
