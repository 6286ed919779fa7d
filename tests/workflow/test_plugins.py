"""Processes of nodes and the results they send; names of plugins."""

from __future__ import annotations

from multiprocessing import Pipe
from multiprocessing.connection import Connection

from bids_labelx.workflow.plugins import ProcessPerNode


class EndsWhenPolled:
    """A process that sends its result and ends the moment it is asked whether it is alive."""

    exitcode = 0

    def __init__(self, sender: Connection, lines: list[str] | None) -> None:
        self.sender, self.lines = sender, lines

    def is_alive(self) -> bool:
        if self.lines is not None:
            self.sender.send(self.lines)
        self.sender.close()
        return False

    def join(self) -> None:
        pass


def result_with(lines: list[str] | None) -> dict | None:
    plugin = ProcessPerNode({})
    receiver, sender = Pipe(duplex=False)
    plugin._running[1] = (EndsWhenPolled(sender, lines), receiver)
    return plugin._get_result(1)


def test_a_process_that_ends_between_two_polls_is_received() -> None:
    assert result_with([]) == {"result": None, "traceback": []}
    assert result_with(["what failed\n"]) == {
        "result": None,
        "traceback": ["what failed\n"],
    }


def test_a_process_that_ends_without_a_result_has_failed() -> None:
    result = result_with(None)
    assert result is not None
    assert "ended with exit code 0 and sent no result" in result["traceback"][0]


def test_a_running_process_has_no_result_yet() -> None:
    class Running(EndsWhenPolled):
        def is_alive(self) -> bool:
            return True

    plugin = ProcessPerNode({})
    receiver, sender = Pipe(duplex=False)
    plugin._running[1] = (Running(sender, None), receiver)
    assert plugin._get_result(1) is None
    sender.close()
