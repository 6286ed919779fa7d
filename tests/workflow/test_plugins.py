"""Processes of nodes and the results they send; names of plugins."""

from __future__ import annotations

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec

from bids_labelx.errors import Failure
from bids_labelx.workflow.processes import ProcessPerNode, _Task


class EndsWhenPolled:
    """A process that sends its result and ends the moment it is asked whether it is alive."""

    exitcode = 0

    def __init__(self, sender: Connection, sent: Any) -> None:
        self.sender, self.sent = sender, sent

    def is_alive(self) -> bool:
        if self.sent is not None:
            self.sender.send(self.sent)
        self.sender.close()
        return False

    def join(self) -> None:
        pass

    def close(self) -> None:
        pass


def waiting_for(process: Any, receiver: Connection) -> ProcessPerNode:
    plugin = ProcessPerNode({})
    node = SimpleNamespace(mem_gb=0.5, inputs=BaseInterfaceInputSpec())
    plugin._tasks[1] = _Task(node, False, process, receiver)
    return plugin


def result_with(sent: Any) -> dict | None:
    receiver, sender = Pipe(duplex=False)
    return waiting_for(EndsWhenPolled(sender, sent), receiver)._get_result(1)


def test_a_process_that_ends_between_two_polls_is_received() -> None:
    assert result_with(([], None, False)) == {"result": None, "traceback": []}
    assert result_with((["what failed\n"], Failure("why"), False)) == {
        "result": None,
        "traceback": ["what failed\n"],
    }


def test_a_process_that_ends_without_a_result_has_failed() -> None:
    result = result_with(None)
    assert result is not None
    assert "ended with exit code 0 and without a result" in result["traceback"][0]
    assert "about 0.50 GB were expected to be needed, limits are" in result["traceback"][0]


def test_a_running_process_has_no_result_yet() -> None:
    class Running(EndsWhenPolled):
        def is_alive(self) -> bool:
            return True

    receiver, sender = Pipe(duplex=False)
    assert waiting_for(Running(sender, None), receiver)._get_result(1) is None
    sender.close()
