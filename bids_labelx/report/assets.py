"""The files that all pages of an output dataset share, and that a single page contains.

Observable Plot and d3 are bundled as their makers distribute them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from bids_labelx.files import write_text

FOLDER = "report"
LIBRARIES = ("d3.min.js", "plot.min.js")
_AS_THEY_ARE = (*LIBRARIES, "LICENSE-d3.txt", "LICENSE-plot.txt", "page.css")
# In the order in which they build on each other.
_OF_PAGES = (
    *("core", "heat", "tables", "chart", "brain"),
    *("pictures", "regions", "participant", "models", "batches", "group"),
)


def write_assets(output: Path) -> list[Path]:
    """Write what the pages of an output dataset share, where it is not there as it should be.

    Returns
    -------
    list of pathlib.Path
        The files, within the output dataset.

    Raises
    ------
    CannotWriteError
        If one cannot be written.
    """
    paths = []
    for name, content in _contents():
        path = output / FOLDER / name
        if not path.is_file() or path.read_bytes() != content.encode():
            write_text(path, content)
        paths.append(Path(FOLDER, name))
    return paths


def scripts(*names: str) -> str:
    """Our own scripts, one after the other."""
    return "\n".join(read_asset(f"{name}.js") for name in names)


def read_asset(name: str) -> str:
    """A file that comes with the package."""
    return files("bids_labelx.report").joinpath("static", name).read_text(encoding="utf-8")


def _contents() -> Iterator[tuple[str, str]]:
    for name in _AS_THEY_ARE:
        yield name, read_asset(name)
    yield "page.js", scripts(*_OF_PAGES)
