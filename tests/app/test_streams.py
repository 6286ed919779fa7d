"""Folders under other names in what is printed, logged and raised."""

from __future__ import annotations

import logging
import sys

import pytest

from bids_labelx.app.streams import renamed_in_messages
from bids_labelx.errors import BadDataError

LOGGER = logging.getLogger("bids_labelx")


def tell_of(folder: str, other: str) -> None:
    with renamed_in_messages({folder: "/data/out", other: "s3://bucket/ds"}):
        print(f"reads {other}/a.tsv")
        print(f"writes {folder}/b.tsv", file=sys.stderr)
        LOGGER.warning("of %s in %s", other, folder)
        raise BadDataError(f"{folder}/sub-01: broken")


def test_folders_have_their_other_names_in_all_that_is_told(
    capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadDataError, match=r"^/data/out/sub-01: broken$"):
        tell_of("/work/view", "/work/mirror")
    told = capsys.readouterr()
    assert told.out == "reads s3://bucket/ds/a.tsv\n"
    assert told.err.startswith("writes /data/out/b.tsv\n")
    assert "of s3://bucket/ds in /data/out" in caplog.text


def test_names_hold_no_longer_than_asked_for(
    capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    with renamed_in_messages({"/work/view": "/data/out"}):
        pass
    print("/work/view")
    LOGGER.warning("/work/view")
    assert capsys.readouterr().out == "/work/view\n"
    assert "/work/view" in caplog.text
