"""Large tables that are in a view by name alone, and are read out of the store."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bids_labelx.content import read_content
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_text
from bids_labelx.outputs.compact import make_view
from bids_labelx.outputs.pieces import pieces, readable, store_of
from bids_labelx.outputs.store import append
from bids_labelx.outputs.unpacking import read_from

STEM = "sub-{0}_task-rest_atlas-A_{1}desc-simple"
LABELS = [f"{number:02d}" for number in range(1, 12)]


def tables(label: str) -> dict[Path, bytes]:
    """A participant's files with their content, which no other one has."""
    folder = Path(f"sub-{label}", "func")
    matrix = folder / f"{STEM.format(label, 'meas-correlation_')}_relmat.tsv"
    series = folder / f"{STEM.format(label, '')}_timeseries.tsv"
    rows = "".join(f"{label}\t{number}\n" for number in range(20000))
    return {
        matrix: rows.encode() + b"matrix\n",
        matrix.with_suffix(".json"): f'{{"of": "{label}"}}\n'.encode(),
        series: rows.encode() + b"series\n",
        series.with_suffix(".json"): b"{}\n",
    }


def add(output: Path, label: str, **other: bytes) -> dict[Path, bytes]:
    """Put a participant's files into the store, with other content of files with some suffixes."""
    found = tables(label)
    root = output.with_name("root")
    for path, content in found.items():
        suffix = path.stem.rpartition("_")[2] if path.suffix == ".tsv" else ""
        found[path] = other.get(suffix, content)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(found[path])
    append(store_of(output), root, list(found))
    return found


@contextmanager
def viewed(output: Path) -> Iterator[Path]:
    view = output.with_name("view")
    view.mkdir()
    with read_from(make_view(output, view, None, whole=False)):
        yield view


@pytest.fixture
def output(tmp_path: Path) -> Path:
    output = tmp_path / "out"
    output.mkdir()
    return output


def test_large_tables_take_no_space_and_read_as_plain_files_do(output: Path) -> None:
    expected = {path: content for label in LABELS for path, content in add(output, label).items()}
    with viewed(output) as view:
        # In any order, and again.
        for path in [*reversed(expected), *expected]:
            assert read_content(view / path) == expected[path]
            about, written = (view / path).stat(), (output.with_name("root") / path).stat()
            assert about.st_size == written.st_size
            assert about.st_mtime_ns == written.st_mtime_ns
            assert path.suffix == ".json" or about.st_blocks == 0
        assert read_content(Path(__file__)) == Path(__file__).read_bytes()


def test_a_table_that_is_read_without_the_store_is_refused(output: Path) -> None:
    path, *_ = add(output, "01")
    with viewed(output) as view:
        pass
    with pytest.raises(BadDataError, match="it has zero bytes"):
        read_text(view / path)


def test_pieces_that_are_merged_meanwhile_are_found_again(output: Path) -> None:
    expected = [add(output, label) for label in LABELS[:7]]
    with viewed(output) as view:
        before = pieces(store_of(output)).standing
        first, *_ = expected[0]
        assert read_content(view / first) == expected[0][first]
        for label in LABELS[7:]:
            add(output, label)
        assert not [piece for piece in before if piece.exists()]
        for files in expected:
            for path, content in files.items():
                assert read_content(view / path) == content


def test_a_table_that_was_written_again_meanwhile_is_told(output: Path) -> None:
    first, *_ = add(output, "01")
    with viewed(output) as view:
        for label in ("01", *LABELS[1:]):
            add(output, label, relmat=b"other\n")
        with pytest.raises(BadDataError, match=r"relmat\.tsv: was written again while"):
            read_content(view / first)


def test_row_groups_hold_files_of_one_kind_also_where_they_were_merged(output: Path) -> None:
    for label in LABELS:
        add(output, label)
    for piece in pieces(store_of(output)).standing:
        file = pq.ParquetFile(piece)
        kinds = []
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=["suffix", "extension"]).to_pylist()
            found = {row["suffix"] if row["extension"] == ".tsv" else ".json" for row in rows}
            assert len(found) == 1
            kinds += found
        assert sorted(set(kinds)) == [".json", "relmat", "timeseries"]


def test_what_a_network_file_system_says_of_a_file_that_is_gone_counts_as_gone() -> None:
    with pytest.raises(FileNotFoundError, match="piece"), readable(Path("piece")):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    with pytest.raises(BadDataError, match="piece: cannot be read"), readable(Path("piece")):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
