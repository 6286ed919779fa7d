"""Processes of nodes, and what they are heard to say."""

from __future__ import annotations

from multiprocessing import Pipe
from multiprocessing.connection import Connection

from bids_labelx.workflow.plugins import ProcessPerNode


class EndsWhileLookedAt:
    """A process that says its last words and ends the moment somebody asks whether it lives."""

    exitcode = 0

    def __init__(self, sender: Connection, words: list[str] | None) -> None:
        self.sender, self.words = sender, words

    def is_alive(self) -> bool:
        if self.words is not None:
            self.sender.send(self.words)
        self.sender.close()
        return False

    def join(self) -> None:
        pass


def heard(words: list[str] | None) -> dict | None:
    plugin = ProcessPerNode({})
    receiver, sender = Pipe(duplex=False)
    plugin._running[1] = (EndsWhileLookedAt(sender, words), receiver)
    return plugin._get_result(1)


def test_a_process_that_ends_between_two_looks_is_heard() -> None:
    assert heard([]) == {"result": None, "traceback": []}
    assert heard(["what went wrong\n"]) == {"result": None, "traceback": ["what went wrong\n"]}


def test_a_process_that_ends_without_a_word_has_failed() -> None:
    result = heard(None)
    assert result is not None
    assert "ended with exit code 0 and said nothing" in result["traceback"][0]


def test_a_process_that_works_is_waited_for() -> None:
    class Works(EndsWhileLookedAt):
        def is_alive(self) -> bool:
            return True

    plugin = ProcessPerNode({})
    receiver, sender = Pipe(duplex=False)
    plugin._running[1] = (Works(sender, None), receiver)
    assert plugin._get_result(1) is None
    sender.close()
