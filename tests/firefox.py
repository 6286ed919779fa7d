"""The system's Firefox, spoken to by Marionette, its own protocol: messages ``length:JSON``."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("firefox", "firefox-esr")


def firefox_path() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Firefox:
    """A window of Firefox."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("rb")
        self._count = 0
        self._read()  # Its greeting.
        self.do("WebDriver:NewSession")

    def _read(self) -> Any:
        length = b""
        while (byte := self._answers.read(1)) != b":":
            length += byte
        return json.loads(self._answers.read(int(length)))

    def do(self, command: str, **parameters: Any) -> Any:
        """The answer to a command of WebDriver."""
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, answer = self._read()
        assert error is None, error
        return answer.get("value", answer)

    def open(self, url: str, width: int = 1440, height: int = 1000) -> None:
        self.do("WebDriver:SetWindowRect", width=width, height=height)
        self.do("WebDriver:Navigate", url=url)

    def ask(self, expression: str, *arguments: Any) -> Any:
        """The value of an expression of JavaScript; a promise's once it is there."""
        script = f"return {expression}"
        return self.do("WebDriver:ExecuteScript", script=script, args=list(arguments))

    def wait_for(self, expression: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < end, f"not within {seconds} s: {expression}"
            time.sleep(0.05)

    def place(self, element: str, seconds: float = 20) -> tuple[float, float, float]:
        """Where an element is in the window, and its width, once nothing moves it any more."""
        box = f"(({{ x, y, width }}) => [x, y, width])({element}.getBoundingClientRect())"
        end, places = time.monotonic() + seconds, [self.ask(box)]
        while len(places) < 5 or any(one != places[-1] for one in places[-5:]):
            assert time.monotonic() < end, f"still moving after {seconds} s: {element}"
            time.sleep(0.1)
            places.append(self.ask(box))
        return tuple(places[-1])

    def point(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the pointer in the window, and press it."""
        actions: list[dict[str, Any]] = [{"type": "pointerMove", "x": round(x), "y": round(y)}]
        if click:
            actions += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self.do("WebDriver:PerformActions", actions=[{**pointer, "actions": actions}])

    def complaints(self) -> list[str]:
        """Errors and warnings that files have caused since they were last asked for."""
        self.do("Marionette:SetContext", value="chrome")
        texts = self.ask("Services.console.getMessageArray().map((one) => one.message)")
        self.do("WebDriver:ExecuteScript", script="Services.console.reset()", args=[])
        found = [text for text in texts if '{file: "file:' in text]
        self.do("Marionette:SetContext", value="content")
        return found


@contextmanager
def started(path: str, profile: Path) -> Iterator[Firefox]:
    """Start Firefox with a new profile, and end it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    profile.mkdir()
    (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
    options = ("--headless", "--no-remote", "--marionette", "--remote-allow-system-access")
    process = subprocess.Popen(
        [path, *options, "--profile", str(profile)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with _connect(process, port) as connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        process.wait(30)


def _connect(process: subprocess.Popen[bytes], port: int) -> socket.socket:
    end = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError:
            assert process.poll() is None, "Firefox has ended"
            assert time.monotonic() < end, "Firefox does not answer"
            time.sleep(0.1)
