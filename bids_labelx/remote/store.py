"""What a store is asked: its folders, a file's size and version, and its bytes.

Every question is asked again a few times, ever later, where the store is busy or the connection
is cut, and for no longer than a patience in all.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import repeat
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from bids_labelx.errors import MissingInputError
from bids_labelx.remote.urls import SCHEMES, url_in

T = TypeVar("T")

_ATTEMPTS = 8
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0
# After cuts no less is asked for.
_LEAST_BYTES = 1 << 16
# An attempt gets this share of the patience.
_SHARE = 1 / 3
_LONGEST_REASON = 200
_CONNECTIONS = 32

# Answers of web servers after which asking again is of use.
_BUSY, _NOT_FOUND = (408, 425, 429), 404
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_WEB = ("http", "https")


class Version(NamedTuple):
    """What tells a file from what stood under its name before.

    Attributes
    ----------
    size
        In bytes; -1 where the store does not say it.
    etag
        The store's name for these bytes; empty where it gives none.
    changed
        When they were written, in whole seconds; 0 where the store does not say it.
    """

    size: int
    etag: str = ""
    changed: int = 0


class Access(NamedTuple):
    """How a store is asked.

    Attributes
    ----------
    patience
        Seconds without an answer after which a file fails.
    anonymous
        Whether S3 is asked without credentials, as there are none.
    """

    patience: float = 120.0
    anonymous: bool = True


def access_to(url: str, patience: float) -> Access:
    """How the store of a URL is asked from this machine.

    Looked up once and not for each file: without credentials, the library asks the network for
    them as well, as on a machine of Amazon's.

    Raises
    ------
    MissingInputError
        Where the library that reads such a URL is not installed.
    """
    if not url.startswith("s3:"):
        return Access(patience)
    try:
        import botocore.session
    except ImportError:
        raise _not_installed("s3") from None
    return Access(patience, botocore.session.get_session().get_credentials() is None)


class Store:
    """A connection to where a URL leads."""

    def __init__(self, url: str, access: Access) -> None:
        """Connect; nothing is asked yet.

        Raises
        ------
        MissingInputError
            Where the library that reads such a URL is not installed.
        """
        self.url, self.patience = url, access.patience
        self.scheme = url.partition("://")[0]
        self._files = _file_system(self.scheme, access)

    @property
    def lists_below(self) -> bool:
        """Whether all files below a folder can be asked for at once, with their versions."""
        return self.scheme not in _WEB

    def names(self, url: str) -> tuple[list[str], list[str]]:
        """The names of the folders and of the files in a folder.

        Raises
        ------
        OSError
        """
        if self.scheme in _WEB:
            pages: list[str] = self._ask(lambda: self._files._ls(f"{url}/", detail=False), url)
            links = [one[len(url) :].lstrip("/") for one in pages if one.startswith(f"{url}/")]
            plain = [one for one in links if one and not set("?#") & set(one)]
            names = {unquote(one.removeprefix("./")) for one in plain}
            names = {one for one in names if "/" not in one.rstrip("/") and one.strip("./")}
            folders = sorted(one.rstrip("/") for one in names if one.endswith("/"))
            return folders, sorted(one for one in names if not one.endswith("/"))
        found = self._ask(lambda: self._files._ls(self._path(url), detail=True), url)
        entries = {
            one["name"].rstrip("/").rpartition("/")[2]: one["type"] == "directory" for one in found
        }
        own = url.rpartition("/")[2]
        # Some stores have an empty object for a folder.
        folders = sorted(name for name, folder in entries.items() if folder)
        return folders, sorted(n for n, folder in entries.items() if not folder and n and n != own)

    def files_below(self, url: str) -> dict[str, Version]:
        """All files below a folder with their versions, by the path from there.

        Raises
        ------
        OSError
        """
        path = self._path(url)
        found = self._ask(lambda: self._files._find(path, detail=True), url)
        start = len(path.rstrip("/")) + 1
        return {
            name[start:]: _version(about)
            for name, about in found.items()
            if name[start:] and not name.endswith("/")
        }

    def version(self, url: str) -> Version:
        """The version of a file as it is now.

        Raises
        ------
        OSError
        """
        if self.scheme in _WEB:
            return _version(self._ask(lambda: self._head(url), url))
        return _version(self._ask(lambda: self._files._info(self._path(url), refresh=True), url))

    async def _head(self, url: str) -> dict[str, Any]:
        """What a web server says of a file; fsspec would take any error for a missing file."""
        session = await self._files.set_session()
        asked = self._files.encode_url(url)
        headers = {"Accept-Encoding": "identity"}
        async with session.head(asked, headers=headers, allow_redirects=True) as answer:
            if answer.status == _NOT_FOUND:
                raise FileNotFoundError(url)
            answer.raise_for_status()
            told = answer.headers
            known = {name: told.get(name) for name in ("ETag", "Last-Modified")}
            return {"size": told.get("Content-Length"), **known}

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        """The bytes of a file, or those from `start` on and before `end`, of which some may lack.

        After a cut less is asked for, so that what cuts long answers gives the file in the end.

        Raises
        ------
        OSError
        """
        path = self._path(url)
        ends = _ends(start, end)
        content = self._ask(lambda: self._files._cat_file(path, start=start, end=next(ends)), url)
        if start is not None and end is not None and len(content) > end - start:
            raise OSError(
                errno.EOPNOTSUPP,
                "the server gives no parts of files (HTTP's Range), so it cannot be read as a "
                "stream; copy the dataset to a disk",
            )
        return bytes(content)

    def file_url(self, inside: str) -> str:
        """The URL of what lies in the dataset that this is a connection to."""
        return url_in(self.url, inside)

    def _path(self, url: str) -> str:
        return str(self._files._strip_protocol(url))

    def _ask(self, question: Callable[[], Awaitable[T]], url: str) -> T:
        """The answer to a question, which is asked again where that may help.

        Raises
        ------
        OSError
            With an error number, and what is the matter in the place of its text.
        """
        end, wait = time.monotonic() + self.patience, _FIRST_WAIT
        for attempt in range(1, _ATTEMPTS + 1):
            seconds = min(self.patience * _SHARE, max(end - time.monotonic(), 0.1))
            try:
                return self._answer(question, seconds)
            except Exception as error:
                late = time.monotonic() + wait >= end
                if attempt == _ATTEMPTS or late or not _may_pass(error):
                    raise _as_os_error(error, attempt, self.patience, url) from None
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, question: Callable[[], Awaitable[T]], seconds: float) -> T:
        # With all that a connection needs it takes longer to load than --help may.
        import asyncio

        async def within() -> T:
            return await asyncio.wait_for(question(), seconds)

        return asyncio.run_coroutine_threadsafe(within(), self._files.loop).result()


def _ends(start: int | None, end: int | None) -> Iterator[int | None]:
    """Where the part of a file ends that each attempt asks for."""
    if start is None or end is None:
        yield from repeat(end)
        return
    size = end - start
    while True:
        yield start + size
        size = min(size, max(size // 4, _LEAST_BYTES))


def _file_system(scheme: str, access: Access) -> Any:
    options: dict[str, Any] = {"use_listings_cache": False}
    try:
        import fsspec

        if scheme == "s3":
            options["anon"] = access.anonymous
            options["config_kwargs"] = {"max_pool_connections": _CONNECTIONS}
            # Said to fsspec, which would take a connection to another one for the same.
            places = (os.environ.get(name) for name in _ENDPOINTS)
            if endpoint := next(filter(None, places), None):
                options["endpoint_url"] = endpoint
        elif scheme in _WEB:
            # As it is stored, whatever a server says of how that is encoded; and with .netrc.
            options["headers"] = {"Accept-Encoding": "identity"}
            options["client_kwargs"] = {"auto_decompress": False, "trust_env": True}
        return fsspec.filesystem(scheme, **options)
    except ImportError:
        raise _not_installed(scheme) from None


def _not_installed(scheme: str) -> MissingInputError:
    package, extra = SCHEMES[scheme]
    return MissingInputError(
        f"{scheme}:// is read with {package}, which is not installed; install it with\n"
        f'pip install "{extra}"'
    )


def _version(about: dict[str, Any]) -> Version:
    """What a store says of a file, in the words of any of them."""
    size = about.get("size")
    etag = about.get("ETag") or about.get("etag") or ""
    changed = about.get("LastModified") or about.get("Last-Modified") or about.get("mtime") or 0
    if isinstance(changed, str):
        from email.utils import parsedate_to_datetime

        try:
            changed = parsedate_to_datetime(changed)
        except ValueError:
            changed = 0
    seconds = changed.timestamp() if hasattr(changed, "timestamp") else changed
    return Version(-1 if size is None else int(size), str(etag).strip('"'), int(seconds))


def _status(error: BaseException) -> int | None:
    """The number of a web server's answer; None of other errors."""
    status = getattr(error, "status", None) or getattr(error, "code", None)
    return status if isinstance(status, int) else None


def _may_pass(error: Exception) -> bool:
    """Whether a question may be answered when it is asked again."""
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return False
    status = _status(error)
    if status is not None and 400 <= status < 500:
        return status in _BUSY
    # botocore has mistakes in what it is given as ValueError.
    return not isinstance(error, (ValueError, TypeError, AttributeError))


def _as_os_error(error: Exception, attempts: int, patience: float, url: str) -> OSError:
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such file", url)
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return PermissionError(
            errno.EACCES,
            "the store denies access; credentials are taken as its library takes them, see the "
            "documentation on remote datasets",
        )
    if isinstance(error, TimeoutError):
        return TimeoutError(
            errno.ETIMEDOUT,
            f"no data came for {patience:g} s; see whether the server can be reached, and run "
            "again, or wait longer with --remote-timeout",
        )
    status = _status(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if status is not None:
        text = f"the server answers {status} {getattr(error, 'message', '')}".rstrip()
    if len(text) > _LONGEST_REASON:
        text = f"{text[:_LONGEST_REASON]}…"
    times = f"; asked {attempts} times" if attempts > 1 else ""
    return OSError(errno.EIO, f"{text}{times}")
