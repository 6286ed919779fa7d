"""Datasets that URLs lead to: mirrors of them, which all else takes for folders."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bids_labelx.app.streams import renamed_in_messages
from bids_labelx.errors import CannotWriteError, MissingInputError, UsageError
from bids_labelx.remote.urls import checked_url, has_secret, of_setting, url_at_end

if TYPE_CHECKING:
    from bids_labelx.remote.mirror import Mirror
    from bids_labelx.remote.tree import Wanted
    from bids_labelx.settings import Settings

# What the group level reads of the input dataset.
_OF_GROUP = r"^[^/]+\.(json|tsv)$|_sessions\.(json|tsv)$"


def refuse_secrets(words: Sequence[str]) -> None:
    """Refuse a command line with a URL that holds a secret, before anything could repeat it.

    Raises
    ------
    UsageError
    """
    for word in words:
        # Behind --datasets=NAME=, for one.
        url = url_at_end(word)
        if url and has_secret(url):
            try:
                checked_url(url)
            except ValueError as error:
                raise UsageError(str(error)) from None


@contextmanager
def mirrored(settings: Settings) -> Iterator[Settings]:
    """The settings with a mirror in the place of each URL; messages name the URL all the same.

    Mirrors are kept in ``remote`` of --bids-database-dir, or else of --work-dir; without these
    they are temporary.

    Raises
    ------
    MissingInputError
        Where a dataset cannot be listed, or a small file of it not be read.
    CannotWriteError
        Where a mirror cannot be written.
    """
    given = {"BIDS_DIR": settings.bids_dir, "--atlas-dataset": settings.atlas_dataset}
    pairs = [one.partition("=")[::2] for one in settings.datasets]
    given |= {f"--datasets {name}": Path(root) for name, root in pairs}
    urls = {what: url for what, one in given.items() if one and (url := of_setting(one))}
    if not urls:
        yield settings
        return
    # They are not there for --help, nor where there is no URL.
    from bids_labelx.app.work_folder import temporary_folder

    with ExitStack() as stack:
        kept = settings.bids_database_dir or settings.work_dir
        if kept is None:
            kept = stack.enter_context(temporary_folder(Path(tempfile.gettempdir())))
        mirrors = {
            what: _up_to_date(
                kept / "remote", what, url, _wanted(settings, what), settings.remote_timeout
            )
            for what, url in urls.items()
        }
        urls_of = {str(one.root): one.url for one in mirrors.values()}
        stack.enter_context(renamed_in_messages(urls_of))
        yield replace(
            settings,
            bids_dir=_root(mirrors, "BIDS_DIR", settings.bids_dir),
            atlas_dataset=settings.atlas_dataset
            and _root(mirrors, "--atlas-dataset", settings.atlas_dataset),
            datasets=tuple(
                f"{name}={_root(mirrors, f'--datasets {name}', Path(root))}"
                for name, root in pairs
            ),
        )


def _root(mirrors: Mapping[str, Mirror], what: str, otherwise: Path) -> Path:
    return mirrors[what].root if what in mirrors else otherwise


def _wanted(settings: Settings, what: str) -> Wanted:
    """What an invocation needs of a dataset."""
    from bids_labelx.inputs.listing import ANATOMY, IGNORED
    from bids_labelx.remote.tree import Wanted
    from bids_labelx.settings.convert import DERIVATIVE

    if what == "--atlas-dataset":
        return Wanted(starts=("tpl-", "atlas-", "sourcedata"))
    if settings.analysis_level == "group":
        return Wanted(settings.participant_label, at_once=_OF_GROUP)
    own_labels = any(one.partition("=")[2].startswith(DERIVATIVE) for one in settings.atlas)
    own_labels = own_labels or any(one.startswith(DERIVATIVE) for one in settings.atlas)
    asked = {
        "ses": settings.session_label,
        "task": settings.task_id,
        "run": settings.run_id,
        "space": settings.space,
        "res": settings.res,
    }
    return Wanted(
        settings.participant_label,
        without=IGNORED if own_labels else {*IGNORED, ANATOMY},
        entities={key: labels for key, labels in asked.items() if labels},
    )


def _up_to_date(place: Path, what: str, url: str, wanted: Wanted, patience: float) -> Mirror:
    """The mirror of a dataset, with what is asked for of it.

    Raises
    ------
    MissingInputError, CannotWriteError
    """
    from bids_labelx.remote.mirror import make_mirror
    from bids_labelx.remote.store import access_to
    from bids_labelx.remote.tree import update_mirror

    try:
        mirror = make_mirror(place, url, access_to(url, patience))
        update_mirror(mirror, wanted)
    except OSError as error:
        where = str(error.filename or url)
        if where.startswith(str(place)):
            raise CannotWriteError(
                f"{what} {url}: {where}, where files of it are kept, cannot be written "
                f"({error.strerror})"
            ) from None
        raise MissingInputError(f"{what} {where}: cannot be read ({error.strerror})") from None
    return mirror
