"""A folder as the bucket ``bucket`` of an S3 server on this machine, for `ci/bench`.

It answers what s3fs asks of a bucket that is read: lists, heads and parts of objects, which the
system copies from the disk to the network, so that the server takes next to none of the time. The
server that tests have, moto's, reads an object as a whole for each part that is asked for.
"""

from __future__ import annotations

import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class _Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        key = unquote(parts.path).strip("/").partition("/")[2]
        path = self.folder / key
        if "list-type" in parts.query:
            self._send(200, _listed(self.folder, parse_qs(parts.query)))
        elif key and path.is_file():
            self._send_file(path)
        else:
            self._send(404, b"")

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", f"{len(content)}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_file(self, path: Path) -> None:
        about = path.stat()
        first, last = 0, about.st_size - 1
        if asked := self.headers.get("Range", "").removeprefix("bytes="):
            start, _, end = asked.partition("-")
            first, last = int(start), min(int(end or last), last)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{about.st_size}")
        self.send_header("ETag", _etag(path))
        self.send_header("Last-Modified", formatdate(about.st_mtime, usegmt=True))
        self.send_header("Content-Length", f"{last - first + 1}")
        self.end_headers()
        if self.command != "HEAD":
            with path.open("rb") as stream:
                self.connection.sendfile(stream, first, last - first + 1)


def _etag(path: Path) -> str:
    about = path.stat()
    return f'"{about.st_size:x}-{about.st_mtime_ns:x}"'


def _listed(folder: Path, query: dict[str, list[str]]) -> bytes:
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    rows, above = [], set()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        key = path.relative_to(folder).as_posix()
        if not key.startswith(prefix):
            continue
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if found:
            above.add(f"{prefix}{head}/")
            continue
        changed = formatdate(path.stat().st_mtime, usegmt=True)
        rows.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{changed}</LastModified>"
            f"<ETag>{escape(_etag(path))}</ETag><Size>{path.stat().st_size}</Size></Contents>"
        )
    rows += [f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in above]
    text = (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
        f"<IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>"
    )
    return text.encode()


def serve(folder: Path) -> None:
    """Serve until standard input ends; the port is printed."""
    _Bucket.folder = folder
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
