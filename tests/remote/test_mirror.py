"""Mirrors: what is in them, what becomes of what changes, and reading a series through them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from stores import web_server

from bids_labelx.content import missing_reason
from bids_labelx.extraction.formats import open_stored_data
from bids_labelx.files import read_json, read_text
from bids_labelx.remote.mirror import (
    Mirror,
    is_pointer,
    make_mirror,
    place_of,
    remote_series,
    uri_of,
)
from bids_labelx.remote.store import Access
from bids_labelx.remote.tree import Wanted, update_mirror

pytest.importorskip("aiohttp", reason="bids_labelx[remote] is not installed")

BOLD = "sub-01/func/sub-01_task-rest_bold.nii.gz"
TABLE = "sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv"
LABELS = "sub-01/func/sub-01_task-rest_dseg.nii.gz"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "my ds"
    (root / "sub-01" / "func").mkdir(parents=True)
    (root / "sub-02" / "figures").mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "x"}')
    (root / TABLE).write_text("a\n1\n")
    values = np.random.default_rng(0).integers(0, 999, (12, 12, 10, 20)).astype(np.int16)
    image = nib.Nifti1Image(values, np.eye(4))
    nib.save(image, root / BOLD)
    nib.save(image.slicer[..., 0], root / LABELS)
    (root / "sub-02" / "figures" / "sub-02_x.svg").write_text("<svg/>")
    return root


def update(url: str, place: Path, **wanted: object) -> Mirror:
    mirror = make_mirror(place, url, Access(10))
    update_mirror(mirror, Wanted(**wanted))
    return mirror


def test_tables_are_there_series_stay_where_they_are_and_other_images_come_when_opened(
    dataset: Path, tmp_path: Path
) -> None:
    with web_server(dataset.parent) as served:
        mirror = update(f"{served.url}/my%20ds", tmp_path / "kept")
        root = mirror.root
        assert read_json(root / "dataset_description.json") == {"Name": "x"}
        assert not is_pointer(root / TABLE)
        assert is_pointer(root / LABELS)
        assert missing_reason(root / LABELS) is None
        assert (root / LABELS).read_bytes() == (dataset / LABELS).read_bytes()
        assert missing_reason(root / BOLD) is None
        assert is_pointer(root / BOLD)
        series = remote_series(root / BOLD)
        assert series is not None
        data = open_stored_data(series)
        found = np.concatenate([raw.copy() for _, raw in data.blocks(2)])
    expected = np.asanyarray(nib.load(dataset / BOLD).dataobj)
    assert np.array_equal(found, expected.reshape(-1, 20, order="F").T)
    assert place_of(root / BOLD) == uri_of(root / BOLD) == f"{served.url}/my%20ds/{BOLD}"
    assert mirror.folder.stat().st_mode & 0o077 == 0


def test_of_participants_who_are_not_asked_for_there_is_the_folder_alone(
    dataset: Path, tmp_path: Path
) -> None:
    with web_server(dataset) as served:
        root = update(served.url, tmp_path, participants=("02",), without=("figures",)).root
    assert sorted(one.name for one in root.iterdir()) == [
        *("dataset_description.json", "sub-01", "sub-02")
    ]
    assert [list((root / name).iterdir()) for name in ("sub-01", "sub-02")] == [[], []]


def test_what_changed_is_fetched_again_and_what_is_gone_is_removed(
    dataset: Path, tmp_path: Path
) -> None:
    with web_server(dataset) as served:
        root = update(served.url, tmp_path).root
        assert missing_reason(root / LABELS) is None
        (dataset / TABLE).write_text("a\n2\n")
        (dataset / LABELS).unlink()
        (dataset / "sub-02" / "figures" / "sub-02_x.svg").unlink()
        (dataset / "sub-02" / "figures").rmdir()
        (dataset / "sub-02").rmdir()
        served.asked.clear()
        update(served.url, tmp_path)
        assert read_text(root / TABLE) == "a\n2\n"
        assert not (root / LABELS).exists()
        assert not (root / "sub-02").exists()
        assert served.bytes_of(".json") == 0


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("participants.tsv", True),
        ("sub-01/func/sub-01_task-rest_bold.json", True),
        ("sub-01/func/sub-01_task-other_bold.json", False),
        ("sub-01/func/sub-01_task-rest_space-T1w_desc-brain_mask.nii.gz", True),
        (BOLD, False),
        ("sub-01/func/sub-01_task-rest_boldref.nii.gz", False),
    ],
)
def test_small_files_of_what_is_asked_for_are_fetched_at_once(name: str, now: bool) -> None:
    assert Wanted(entities={"task": ("rest",)}).now(name) is now


@pytest.mark.parametrize(
    "name",
    ["sub-01/../../x.tsv", "sub-01//x.tsv", "sub-01/anat/x.tsv", "sub-01/a.html",
     "sub-01/mirror-0123456789ab/x.tsv"],
)  # fmt: skip
def test_names_that_lead_elsewhere_or_are_not_read_are_not_taken(name: str) -> None:
    assert not Wanted(without=("anat",)).file(name)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>no</html>", "cannot be read as an image"), (b"", "cannot be read as an image")],
)
def test_a_series_that_is_no_image_is_told_by_its_url(
    content: bytes, words: str, dataset: Path, tmp_path: Path
) -> None:
    (dataset / BOLD).write_bytes(content)
    with web_server(dataset) as served:
        series = remote_series(update(served.url, tmp_path).root / BOLD)
        assert series is not None
        with pytest.raises(OSError, match=words) as caught:
            open_stored_data(series)
    assert str(caught.value).startswith(f"{served.url}/{BOLD}: ")


@pytest.mark.parametrize("cut", [5, 1000])
def test_a_series_that_is_damaged_in_the_store_fails_as_one_on_a_disk(
    cut: int, dataset: Path, tmp_path: Path
) -> None:
    (dataset / BOLD).write_bytes((dataset / BOLD).read_bytes()[:-cut])
    with web_server(dataset) as served:
        series = remote_series(update(served.url, tmp_path).root / BOLD)
        assert series is not None
        data = open_stored_data(series)
        with pytest.raises(OSError, match="the file is truncated or corrupt"):
            list(data.blocks(2))


PEAK = """
import resource, sys
from pathlib import Path
from bids_labelx.extraction.formats import open_run_data, open_stored_data
from bids_labelx.remote.mirror import make_mirror, remote_series
from bids_labelx.remote.store import Access
from bids_labelx.remote.tree import Wanted, update_mirror
url, place, name, how = sys.argv[1:]
mirror = make_mirror(Path(place), url, Access(30))
update_mirror(mirror, Wanted())
series = remote_series(mirror.root / name)
data = open_stored_data(series) if how == "stream" else open_run_data(how)
read = sum(raw.nbytes for _, raw in data.blocks(4))
print(read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_memory_of_a_stream_does_not_grow_with_the_series(
    dataset: Path, tmp_path: Path
) -> None:
    name = BOLD.removesuffix(".gz")
    volumes = np.zeros((64, 64, 32, 600), np.int16)
    nib.save(nib.Nifti1Image(volumes, np.eye(4)), dataset / name)
    with web_server(dataset) as served:
        peaks = {}
        for how in ("stream", str(dataset / name)):
            words = [sys.executable, "-c", PEAK, served.url, str(tmp_path / "kept"), name, how]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            read, peak = map(int, done.stdout.split())
            assert read == volumes.nbytes
            peaks[how] = peak * 1024
    kept = sum(one.stat().st_size for one in (tmp_path / "kept").rglob("*") if one.is_file())
    assert kept < 100_000
    more = peaks["stream"] - peaks[str(dataset / name)]
    # A few pieces of 4 MB; the series has 157 MB.
    assert more < volumes.nbytes / 4
