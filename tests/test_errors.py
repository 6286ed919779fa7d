from __future__ import annotations

import json
import os
from pathlib import Path

from bids_labelx.errors import BadDataError, Failure, exit_code

RUN = {"sub": "01", "task": "rest", "space": "MNI"}


def test_a_failure_says_what_its_error_says_and_names_what_is_a_mistake_of_ours() -> None:
    assert Failure.of(BadDataError("a.tsv: no rows")).message == "a.tsv: no rows"
    mistake = Failure.of(ZeroDivisionError("oh"), entities=RUN, strategies=("simple",))
    assert mistake == Failure("ZeroDivisionError: oh", RUN, ("simple",))


def test_a_failure_comes_back_from_json_as_it_was() -> None:
    failure = Failure("no\nrows", RUN, ("simple", "36P"), ("A",), ("covariance",), "x.py, line 3")
    assert Failure.from_json(json.loads(json.dumps(failure.to_json()))) == failure


def test_bytes_of_names_that_are_no_utf8_are_spelt_in_a_failure() -> None:
    failure = Failure.of(BadDataError(os.fsdecode(b"r\xe9st\xc3\xa9: no rows")))
    assert failure.message == r"r\udce9sté: no rows"
    failure.message.encode()


def test_paths_in_a_failure_do_not_say_where_the_folders_are() -> None:
    failure = Failure("/data/in/sub-01/c.tsv: no rows, see /out/logs", RUN, trace="/data/in/x.py")
    moved = failure.within(Path("/data/in"), Path("/out"))
    assert moved == Failure("sub-01/c.tsv: no rows, see logs", RUN, trace="x.py")
    assert failure.message.startswith("/data/in/")


def test_the_exit_code_is_1_where_something_failed() -> None:
    assert exit_code([]) == 0
    assert exit_code([Failure("no")]) == 1
