from __future__ import annotations

import os

import pytest

from bids_labelx.app.environment import environment, login_name


def test_variables_are_set_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "before")
    monkeypatch.delenv("OTHER", raising=False)
    with pytest.raises(ZeroDivisionError), environment({"ONE": "within", "OTHER": "within"}):
        assert (os.environ["ONE"], os.environ["OTHER"]) == ("within", "within")
        raise ZeroDivisionError
    assert os.environ["ONE"] == "before"
    assert "OTHER" not in os.environ


def test_a_user_without_a_name_has_a_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name() -> str:
        raise KeyError

    monkeypatch.setenv("LOGNAME", "ann")
    assert login_name() == "ann"
    monkeypatch.setattr("getpass.getuser", no_name)
    assert login_name() == f"uid{os.getuid()}"
