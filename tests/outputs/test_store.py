"""The store of compact output folders, written by many processes at once, and read by pandas."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from bids_labelx.errors import BadDataError
from bids_labelx.outputs.pieces import index_of, pieces, places
from bids_labelx.outputs.store import append, merge
from bids_labelx.outputs.unpacking import unpack

# Adds the files of participants one after the other, and tells when each is in.
JOB = """
import sys
from pathlib import Path
from bids_labelx.outputs.store import append
store, root = map(Path, sys.argv[1:3])
first, count = map(int, sys.argv[3:])
for number in range(first, first + count):
    label = f"sub-{number:03d}"
    own = Path(label, "func", f"{label}_task-rest_atlas-A_desc-simple_timeseries.tsv")
    (root / own).parent.mkdir(parents=True)
    (root / own).write_text(f"{label}\\n" * 20000)
    beside = own.with_suffix(".json")
    (root / beside).write_text(label)
    append(store, root, [own, beside])
    print(number, flush=True)
"""


def text_of(number: int) -> bytes:
    return f"sub-{number:03d}\n".encode() * 20000


def as_pandas_has_it(store: Path) -> dict[str, bytes]:
    """What a user reads without anything of ours."""
    table = pd.read_parquet(store).sort_values("sequence").drop_duplicates("path", keep="last")
    table = table[table["size"] >= 0]
    return dict(zip(table["path"], table["content"], strict=True))


def as_read(store: Path) -> dict[str, bytes]:
    found = pieces(store).standing
    known = index_of(found)
    with TemporaryDirectory() as folder:
        unpack(places(found, known), known, Path(folder), verify=True)
        there = (path for path in Path(folder).rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in there}


def write(root: Path, **files: str) -> list[Path]:
    paths = [Path(f"sub-{label}", f"sub-{label}_dseg.tsv") for label in files]
    for path, text in zip(paths, files.values(), strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return paths


def test_many_jobs_add_at_once_and_killed_ones_leave_what_they_had_done(tmp_path: Path) -> None:
    store, n_jobs, n_each = tmp_path / "store", 6, 14
    store.mkdir()
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", JOB, store, tmp_path / f"{k}", str(k * n_each), str(n_each)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for k in range(n_jobs)
    ]
    told: list[int] = []
    # Half of them are killed, each after another number of participants and in another place.
    for k in (0, 2, 4):
        output = jobs[k].stdout
        assert output is not None
        told += [int(output.readline()) for _ in range(3 + k)]
        time.sleep(0.005 * k)
        jobs[k].send_signal(signal.SIGKILL)
    for job in jobs:
        rest, _ = job.communicate(timeout=120)
        told += map(int, rest.split())
    assert {job.returncode for job in jobs} == {0, -signal.SIGKILL}

    found = as_pandas_has_it(store)
    assert as_read(store) == found
    tables = {path: content for path, content in found.items() if path.endswith(".tsv")}
    numbers = {path: int(path[4:7]) for path in tables}
    assert set(told) <= set(numbers.values())
    assert len(set(told)) >= 3 * n_each
    assert all(content == text_of(numbers[path]) for path, content in tables.items())
    # One that was not told is in with all of its files, or with none.
    assert {path[:7] for path in found if path.endswith(".json")} == {path[:7] for path in tables}
    assert len(pieces(store).standing) < 24


def test_no_reader_misses_what_is_in_while_pieces_are_merged(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    job = subprocess.Popen(
        [sys.executable, "-c", JOB, store, tmp_path / "root", "0", "40"], stdout=subprocess.PIPE
    )
    assert job.stdout is not None
    os.set_blocking(job.stdout.fileno(), False)
    told = b""
    n_reads = 0
    while job.poll() is None:
        told += job.stdout.read() or b""
        before = {f"sub-{int(one):03d}" for one in told.split(b"\n")[:-1]}
        try:
            known = index_of(pieces(store).standing)
        except FileNotFoundError:
            continue
        assert before <= {path[:7] for path in known}
        n_reads += 1
    assert job.returncode == 0
    assert n_reads > 10


def test_the_last_row_of_a_file_counts_and_a_removed_one_is_gone(tmp_path: Path) -> None:
    store, root = tmp_path / "store", tmp_path / "root"
    append(store, root, write(root, a="1", b="1"))
    append(store, root, write(root, a="22"))
    append(store, root, [], [Path("sub-b", "sub-b_dseg.tsv")])
    for _ in range(2):
        assert as_read(store) == as_pandas_has_it(store) == {"sub-a/sub-a_dseg.tsv": b"22"}
        # Once more after some have been merged.
        for number in range(6):
            append(store, root, [], [Path(f"sub-c/sub-c_{number}.tsv")])
    assert len(list(store.glob("part-*"))) == 1 + 7


def test_entities_are_columns_by_which_pandas_reads_what_is_wanted(tmp_path: Path) -> None:
    store, root = tmp_path / "store", tmp_path / "root"
    stem = "sub-01_ses-a_task-rest_atlas-A_meas-correlation_desc-36P"
    own = Path("sub-01", "ses-a", "func", f"{stem}_relmat.tsv")
    (root / own).parent.mkdir(parents=True)
    (root / own).write_text("x")
    append(store, root, [own, *write(root, a="1")])
    wanted = [("sub", "==", "01"), ("suffix", "==", "relmat"), ("extension", "==", ".tsv")]
    (row,) = pd.read_parquet(store, filters=wanted).to_dict("records")
    assert [row[key] for key in ("path", "ses", "task", "atlas", "meas", "desc", "content")] == [
        *(own.as_posix(), "a", "rest", "A", "correlation", "36P", b"x")
    ]


def test_a_merge_that_was_killed_before_it_removed_its_sources_changes_nothing(
    tmp_path: Path,
) -> None:
    store, root, kept = (tmp_path / name for name in ("store", "root", "kept"))
    for number in range(7):
        append(store, root, write(root, a=str(number), **{f"b{number}": "x"}))
    shutil.copytree(store, kept)
    append(store, root, write(root, a="7"))
    before = as_read(store)
    for path in kept.glob("part-*"):
        shutil.copy(path, store)
    assert as_read(store) == before
    assert as_pandas_has_it(store) == before
    merge(store)
    assert [path.name for path in store.glob("part-*")] == [pieces(store).standing[0].name]


def test_a_broken_piece_is_told_by_its_name(tmp_path: Path) -> None:
    store, root = tmp_path / "store", tmp_path / "root"
    append(store, root, write(root, a="1" * 5000))
    (piece,) = pieces(store).standing
    piece.write_bytes(piece.read_bytes()[:-20])
    with pytest.raises(BadDataError, match=rf"{piece.name}: cannot be read as a part of the st"):
        index_of(pieces(store).standing)


def test_a_damaged_byte_of_a_piece_is_told_before_anything_is_read_from_it(tmp_path: Path) -> None:
    store, root = tmp_path / "store", tmp_path / "root"
    noise = "".join(map(str, range(9000)))
    append(store, root, write(root, a=noise))
    (piece,) = pieces(store).standing
    content = bytearray(piece.read_bytes())
    # The bytes of the file are by far the most of a piece.
    content[len(content) // 3] ^= 1
    piece.write_bytes(content)
    with pytest.raises(BadDataError, match=rf"{piece.name}: cannot be read as a part of the st"):
        as_read(store)
