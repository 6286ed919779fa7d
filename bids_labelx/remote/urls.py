"""URLs of datasets: which there are, and what is refused in them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

# By scheme, what reads it beside fsspec, and the extra of this package or the package that it is.
SCHEMES = {
    "s3": ("s3fs", "bids_labelx[remote]"),
    "gs": ("gcsfs", "gcsfs"),
    "https": ("aiohttp", "bids_labelx[remote]"),
    "http": ("aiohttp", "bids_labelx[remote]"),
}

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def is_url(text: str) -> bool:
    """Whether a text begins as a URL does."""
    return _URL.match(text) is not None


def url_at_end(text: str) -> str | None:
    """The URL that a text ends with, as in ``NAME=URL``; None where there is none."""
    found = _URL.search(text)
    return text[found.start() :] if found else None


def as_setting(url: str) -> Path:
    """A URL in the place of a folder: ``s3://bucket/prefix`` as the path ``s3:/bucket/prefix``.

    It is a relative path, which no folder's is that a user gave, see `bids_labelx.settings`.
    """
    return Path(url)


def of_setting(folder: Path) -> str | None:
    """The URL that stands in the place of a folder; None of a folder."""
    scheme, colon, rest = folder.as_posix().partition(":/")
    return f"{scheme}://{rest}" if colon and scheme in SCHEMES else None


def url_in(root: str, inside: str) -> str:
    """The URL of what lies at a path in a dataset."""
    if inside in ("", "."):
        return root
    # On the web a blank is %20; in object stores it is a blank.
    return f"{root}/{quote(inside) if root.startswith('http') else inside}"


def has_secret(text: str) -> bool:
    """Whether a URL holds a user, a password or a query, as signed URLs do."""
    if (found := _URL.match(text)) is None:
        return False
    rest = text[found.end() :]
    return "@" in rest.partition("/")[0] or "?" in rest or "#" in rest


def checked_url(text: str) -> str:
    """A URL of a folder without a slash at its end; of ``file://`` the path.

    Raises
    ------
    ValueError
        Where its scheme is not known, or it holds what may be secret; it is not repeated then.
    """
    if has_secret(text):
        raise ValueError(
            "a URL with a user, a password, a query (?…) or # in it is not taken, as it would "
            "stand in logs and sidecars; give it without, and credentials in the way that the "
            "library has for them: for s3:// the variables or files of AWS, for gs:// those of "
            "Google, for https:// a .netrc file"
        )
    parts = urlsplit(text)
    scheme = parts.scheme.lower()
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise ValueError(f"{text!r}: file:// with a machine's name; give file:///PATH")
        return unquote(parts.path)
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in ("file", *SCHEMES))
        raise ValueError(f"{text!r}: a path is expected, or a URL that begins with {known}")
    if not parts.netloc:
        raise ValueError(f"{text!r}: nothing stands where the bucket or the machine is expected")
    return f"{scheme}://{text.partition('://')[2].rstrip('/')}"
