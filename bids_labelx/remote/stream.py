"""A file of a store as a stream, which is read piece by piece and never kept."""

from __future__ import annotations

import errno
import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from bids_labelx.remote.store import Access, Store, Version

# The first piece has the header; those after it are read ahead, a few at once.
_FIRST_BYTES, _PIECE_BYTES, _AHEAD = 1 << 16, 1 << 22, 3


@dataclass(frozen=True)
class RemoteFile:
    """A file of a store, in the version that was listed.

    Attributes
    ----------
    url
        Where it is.
    version
        Its size and ETag when it was listed.
    access
        How the store is asked.
    """

    url: str
    version: Version
    access: Access

    def __str__(self) -> str:
        """The URL, which messages have."""
        return self.url

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.version.size

    def open(self) -> BinaryIO:
        """A stream of its bytes from the first one on.

        Raises
        ------
        OSError
            Where the store does not say how long it is.
        """
        if self.version.size < 0:
            raise OSError(
                errno.EOPNOTSUPP,
                "the server does not say how long it is (HTTP's Content-Length), so it cannot be "
                "read as a stream; copy the dataset to a disk",
            )
        return cast(BinaryIO, io.BufferedReader(_Pieces(self), _FIRST_BYTES))

    def check_unchanged(self, stream: BinaryIO | None = None) -> None:  # noqa: ARG002
        """Ask the store whether it is still the version that was listed.

        Raises
        ------
        OSError
            Where it is not, or the store cannot be asked.
        """
        try:
            now = Store(self.url, self.access).version(self.url)
        except OSError as error:
            raise type(error)(f"{self.url}: cannot be read ({error.strerror})") from error
        if now != self.version:
            raise OSError(
                f"{self.url}: changed since it was listed ({_shown(self.version)} then, "
                f"{_shown(now)} now); run again when nothing writes to it"
            )


def _shown(version: Version) -> str:
    return f"{version.size} bytes, ETag {version.etag or 'none'}"


class _Pieces(io.RawIOBase):
    """Pieces of a file in their order, of which some are read ahead."""

    def __init__(self, file: RemoteFile) -> None:
        super().__init__()
        self._file, self._store = file, Store(file.url, file.access)
        self._threads = ThreadPoolExecutor(_AHEAD)
        self._restart()

    def _restart(self) -> None:
        self._ahead: deque[Future[bytes]] = deque()
        # The next byte to ask for, what is left of the current piece, and how much was given.
        self._next, self._piece, self._given = 0, memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._given

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on, past bytes that are read, or back to the beginning."""
        to = offset + (self._given if whence == io.SEEK_CUR else 0)
        if whence == io.SEEK_END or 0 < to < self._given:
            raise io.UnsupportedOperation("a stream goes forward, or begins anew")
        if to == 0 and self._given:
            self._drop()
            self._restart()
        buffer = bytearray(_FIRST_BYTES)
        while self._given < to and (
            self.readinto(memoryview(buffer)[: min(to - self._given, len(buffer))])
        ):
            pass
        return self._given

    def readinto(self, buffer: Any) -> int:
        if not self._piece:
            self._piece = memoryview(self._next_piece())
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        self._given += count
        return count

    def _next_piece(self) -> bytes:
        size = self._file.size
        # After the first piece: who reads no more than the header asks for no more.
        ahead = _AHEAD if self._next else 1
        while len(self._ahead) < ahead and self._next < size:
            end = min(self._next + (_PIECE_BYTES if self._next else _FIRST_BYTES), size)
            self._ahead.append(self._threads.submit(self._whole, self._next, end))
            self._next = end
        return self._ahead.popleft().result() if self._ahead else b""

    def _whole(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`; after a cut the store is asked for the rest."""
        parts: list[bytes] = []
        while start < end:
            part = self._store.read(self._file.url, start, end)
            if not part:
                raise OSError(errno.EIO, f"the store gives nothing from byte {start} on")
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _drop(self) -> None:
        for one in self._ahead:
            one.cancel()
        self._ahead.clear()

    def close(self) -> None:
        if not self.closed:
            self._drop()
            self._threads.shutdown(wait=False, cancel_futures=True)
        super().close()
