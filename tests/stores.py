"""Stores on this machine: a web server that gives parts of files, and one of S3, with faults."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

# What is done to an answer: nothing, refused, cut in the middle, cut where it is long, or never
# finished; by method, path, the first byte asked for, and number of the request.
Fault = Callable[[str, str, int, int], str]
LONG = 100_000


def one_in_twenty(method: str, path: str, start: int, number: int) -> str:  # noqa: ARG001
    """Of twenty requests one is refused or cut, which is 5 %."""
    return {7: "503", 27: "cut"}.get(number % 40, "")


@dataclass
class Served:
    """A server, and what was asked of it.

    Attributes
    ----------
    url
        Of its root.
    asked
        Method, path and bytes sent of each answer.
    """

    url: str
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def bytes_of(self, end: str) -> int:
        """Bytes that were sent of files whose names end so."""
        return sum(n for method, path, n in self.asked if method == "GET" and path.endswith(end))


class _Handler(BaseHTTPRequestHandler, ABC):
    """Answers, some of which are spoilt."""

    protocol_version = "HTTP/1.1"
    served: Served
    fault: Fault
    number: itertools.count[int]
    lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    @abstractmethod
    def answer(self, method: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content."""

    def _any(self, method: str) -> None:
        start = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
        with self.lock:
            path = unquote(urlsplit(self.path).path)
            kind = self.fault(method, path, int(start or 0), next(self.number))
            if kind:
                self.served.faults.append(kind)
        if kind == "503":
            status, headers, content = 503, {"Retry-After": "0"}, b"busy"
        else:
            status, headers, content = self.answer(method)
        own = {name.lower(): name for name in headers}
        length = headers.pop(own.get("content-length", ""), str(len(content)))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if method == "HEAD":
            content = b""
        whole = len(content)
        if kind == "long":
            content = content[:LONG]
            kind = "cut" if whole > LONG else ""
        elif kind in ("cut", "stall"):
            content = content[: whole // 2]
        self.served.asked.append((method, path, len(content)))
        with suppress(OSError):
            self.wfile.write(content)
            self.wfile.flush()
            if kind == "stall":
                time.sleep(60)
            if kind in ("cut", "stall") and whole:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        self._any("GET")

    def do_HEAD(self) -> None:
        self._any("HEAD")

    def do_POST(self) -> None:
        self._any("POST")


class _Folder(_Handler):
    """The files of a folder, with pages that list them, ranges and ETags."""

    folder: Path
    # By path and time, what was read before, with its checksum.
    read: dict[tuple[Path, int], tuple[bytes, str]]

    def _content(self, path: Path) -> tuple[bytes, str]:
        key = path, path.stat().st_mtime_ns
        if key not in self.read:
            content = path.read_bytes()
            self.read[key] = content, hashlib.md5(content).hexdigest()  # noqa: S324
        return self.read[key]

    def answer(self, method: str) -> tuple[int, dict[str, str], bytes]:  # noqa: ARG002
        path = self.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if path.is_dir():
            names = sorted(one.name + "/" * one.is_dir() for one in path.iterdir())
            links = "".join(f'<a href="{quote(name)}">{name}</a>\n' for name in names)
            page = f'<html><a href="../">up</a><a href="?C=N">Name</a>\n{links}</html>'
            return 200, {"Content-Type": "text/html"}, page.encode()
        if not path.is_file():
            return 404, {}, b""
        content, checksum = self._content(path)
        headers = {
            "ETag": f'"{checksum}"',
            "Last-Modified": self.date_time_string(int(path.stat().st_mtime)),
            "Accept-Ranges": "bytes",
        }
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if not wanted:
            return 200, headers, content
        start, _, end = wanted.partition("-")
        last = min(int(end or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{last}/{len(content)}"
        return 206, headers, content[int(start) : last + 1]


class _Proxy(_Handler):
    """What another server answers."""

    port: int

    def answer(self, method: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection.request(method, self.path, body, dict(self.headers))
        got = connection.getresponse()
        content = got.read()
        dropped = {"connection", "transfer-encoding", "date", "server"}
        headers = {name: value for name, value in got.getheaders() if name.lower() not in dropped}
        connection.close()
        return got.status, headers, content


def _no_fault(method: str, path: str, start: int, number: int) -> str:  # noqa: ARG001
    return ""


@contextmanager
def _running(kind: type[_Handler], fault: Fault, **more: object) -> Iterator[Served]:
    served = Served("")
    own = {"served": served, "fault": staticmethod(fault), "number": itertools.count(), **more}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (kind,), own))
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def web_server(folder: Path, fault: Fault = _no_fault) -> Iterator[Served]:
    """Serve a folder by HTTP."""
    with _running(_Folder, fault, folder=folder, read={}) as served:
        yield served


@contextmanager
def s3_server(folder: Path, fault: Fault = _no_fault) -> Iterator[Served]:
    """Serve a folder by S3, as the bucket ``bucket``, through a server that spoils answers."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    try:
        _, port = moto.get_host_and_port()
        put_all(folder, f"http://127.0.0.1:{port}")
        with _running(_Proxy, fault, port=port) as served:
            yield served
    finally:
        moto.stop()


def put_all(folder: Path, endpoint: str) -> None:
    """Put all files of a folder into the bucket ``bucket``."""
    import boto3

    known = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **known)
    client.create_bucket(Bucket="bucket", ACL="public-read")
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        key = path.relative_to(folder).as_posix()
        # For anybody, who need not say who they are.
        client.upload_file(str(path), "bucket", key, ExtraArgs={"ACL": "public-read"})
