"""How an invocation fetches files of git-annex."""

from __future__ import annotations

import os

from bids_labelx.annex.fetching import Fetching
from bids_labelx.files import INVOCATION
from bids_labelx.settings import Settings


def how_to_fetch(settings: Settings) -> Fetching | None:
    """How files of git-annex are fetched; None where they are not."""
    if settings.datalad is None:
        return None
    # A dry run leaves nothing behind.
    drop = settings.datalad == "get+drop" or settings.dry_run
    return Fetching(drop, os.environ[INVOCATION], settings.remote_timeout)
