"""What an invocation sets is set back at its end."""

from __future__ import annotations

import os
import re
from contextlib import suppress

import pytest

from bids_labelx.app.invocation import environment, invocation_variables
from bids_labelx.files import INVOCATION


def test_variables_are_set_for_as_long_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELX_THERE", "before")
    monkeypatch.delenv("LABELX_NEW", raising=False)
    with suppress(ZeroDivisionError), environment({"LABELX_THERE": "now", "LABELX_NEW": "now"}):
        assert os.environ["LABELX_THERE"] == os.environ["LABELX_NEW"] == "now"
        raise ZeroDivisionError
    assert os.environ["LABELX_THERE"] == "before"
    assert "LABELX_NEW" not in os.environ


def test_a_user_without_a_name_has_a_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name() -> str:
        raise KeyError

    monkeypatch.delenv("LOGNAME", raising=False)
    monkeypatch.setattr("getpass.getuser", no_name)
    assert invocation_variables()["LOGNAME"] == f"uid{os.getuid()}"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("NO_ET", "yes")
    variables = invocation_variables()
    assert (variables["LOGNAME"], variables["NO_ET"]) == ("ann", "yes")


def test_no_two_invocations_have_the_same_token() -> None:
    one, other = (invocation_variables()[INVOCATION] for _ in range(2))
    assert one != other
    assert re.fullmatch(r"[0-9a-f]{12}\.[0-9a-f]{16}", one)
