from __future__ import annotations

import pytest

from bids_labelx.outputs.states import DONE, FAILED, PARTLY_DONE, state_of, state_words


@pytest.mark.parametrize(
    ("done", "failed", "state", "words"),
    [
        (["a", "b"], [], DONE, "done"),
        (["a", "b"], ["c", "d"], PARTLY_DONE, "partly done (2 of 4 strategies)"),
        ([], ["c", "d"], FAILED, "failed"),
        # It has its series and lacks a matrix.
        (["a", "b"], ["b"], PARTLY_DONE, "partly done (1 of 2 strategies)"),
        (["a"], ["a"], PARTLY_DONE, "partly done"),
        ([], [], FAILED, "failed"),
    ],
)
def test_a_run_is_done_partly_done_or_failed(
    done: list[str], failed: list[str], state: str, words: str
) -> None:
    assert state_of(done, failed) == state
    assert state_words(done, failed) == words
