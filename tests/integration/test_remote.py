"""The demo dataset from stores, with faults: what is written is that from a disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stores import Fault, Served, one_in_twenty, s3_server, web_server
from trees import files_of

from bids_labelx.app.cli import main
from bids_labelx.app.simulate import simulate

pytest.importorskip("s3fs", reason="bids_labelx[remote] is not installed")
pytest.importorskip("moto", reason="moto is not installed")

pytestmark = pytest.mark.integration

KEY, SECRET = "AKIAOFNOBODYATALL", "a-secret-that-nobody-may-read"
RUN = "sub-01_ses-pre_task-rest_run-2_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"
WHICH = ("--participant-label", "01", "--nprocs", "2")


@pytest.fixture(scope="session")
def study(made_once: Callable[..., Path]) -> Path:
    return made_once("remote-study", simulate)


@pytest.fixture(scope="session")
def from_disk(made_once: Callable[..., Path], study: Path) -> Path:
    def fill(root: Path) -> None:
        assert run(study, root / "out") == 0

    return made_once("remote-from-disk", fill) / "out"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def arguments(root: Path | str, out: Path, *more: str) -> list[str]:
    return [f"{root}/simulated", str(out), "participant", "--atlas-dataset", f"{root}/atlas",
            *WHICH, *more]  # fmt: skip


def run(root: Path | str, out: Path, *more: str) -> int:
    return main(arguments(root, out, *more))


@contextmanager
def served_s3(
    study: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> Iterator[tuple[str, Served]]:
    with s3_server(study, fault) as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL", served.url)
        yield "s3://bucket", served


@contextmanager
def served_web(
    study: Path,
    _: pytest.MonkeyPatch,
    fault: Fault,
) -> Iterator[tuple[str, Served]]:
    with web_server(study, fault) as served:
        yield served.url, served


STORES = pytest.mark.parametrize("store", [served_s3, served_web], ids=["s3", "http"])


@STORES
def test_a_store_of_which_5_percent_fails_gives_the_files_from_disk_byte_for_byte(
    store: Callable[..., object], study: Path, from_disk: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with store(study, monkeypatch, one_in_twenty) as (url, served):
        assert run(url, tmp_path / "out", "-w", str(tmp_path / "work")) == 0
    assert {"503", "cut"} <= set(served.faults)
    expected = files_of(from_disk)
    found = files_of(tmp_path / "out")
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    described = json.loads((tmp_path / "out/dataset_description.json").read_text())
    links = {"preprocessed": f"{url}/simulated", "atlas-Demo": f"{url}/atlas"}
    assert described["DatasetLinks"] == links
    assert described["SourceDatasets"] == [{"URL": f"{url}/simulated"}]


@STORES
def test_no_series_is_ever_on_the_disk_and_no_mirror_in_the_output(
    store: Callable[..., object], study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    with store(study, monkeypatch, lambda *_: "") as (url, _):
        assert run(url, out, "-w", str(work)) == 0
    series = list(work.rglob("*_bold.*nii*"))
    assert len([one for one in series if one.stat().st_size < 300]) == len(series) > 2
    text = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert str(work / "remote").encode() not in text


def test_with_compact_the_files_from_disk_come_out_of_the_store(
    study: Path, from_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="bids_labelx[parquet] is not installed")
    out, plain = tmp_path / "out", tmp_path / "plain"
    with served_s3(study, monkeypatch, one_in_twenty) as (url, _):
        assert run(url, out, "--compact", "-w", str(tmp_path / "work")) == 0
    assert not list(out.rglob("sub-*"))
    assert main(["unpack", str(out), str(plain)]) == 0
    assert files_of(plain) == files_of(from_disk)


def test_nothing_is_done_again_until_an_object_changes(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root, out = shutil.copytree(study, tmp_path / "study"), tmp_path / "out"
    with web_server(root) as served:
        # Temporary mirrors, each in a folder of its own.
        assert run(served.url, out) == 0
        assert "finished before" not in capsys.readouterr().err
        before = served.bytes_of("_bold.nii.gz")
        assert run(served.url, out) == 0
        assert "4 runs finished before" in capsys.readouterr().err
        (table,) = root.glob("simulated/sub-01/ses-post/func/*confounds*.tsv")
        table.write_bytes(table.read_bytes() + b"\n")
        assert run(served.url, out) == 0
        assert "2 runs finished before" in capsys.readouterr().err
    assert before > 0
    record = json.loads(next(out.glob("logs/runs/sub-01_ses-pre*run-1*")).read_text())
    image = next(url for url in record["etags"] if url.endswith("_bold.nii.gz"))
    assert image.startswith(f"{served.url}/simulated/sub-01/ses-pre/func/")
    assert record["etags"][image]


def test_a_kept_mirror_fetches_nothing_again(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "database"
    with served_s3(study, monkeypatch, lambda *_: "") as (url, served):
        assert run(url, tmp_path / "one", "--bids-database-dir", str(database)) == 0
        assert served.bytes_of(".tsv") > 0
        served.asked.clear()
        assert run(url, tmp_path / "two", "--bids-database-dir", str(database)) == 0
        assert served.bytes_of(".tsv") == served.bytes_of(".json") == 0
        assert served.bytes_of("_mask.nii.gz") == served.bytes_of("_dseg.nii.gz") == 0
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_killed_in_the_middle_of_a_stream_and_started_again_it_gives_the_same(
    study: Path, from_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = True

    def fault(method: str, path: str, start: int, number: int) -> str:  # noqa: ARG001
        # Behind the first piece, which has the header.
        return "stall" if slow and path.endswith(RUN) and start else ""

    with served_s3(study, monkeypatch, fault) as (url, served):
        out, work = tmp_path / "out", tmp_path / "work"
        command = [sys.executable, "-m", "bids_labelx", *arguments(url, out, "-w", str(work))]
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while "stall" not in served.faults and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert "stall" in served.faults
        slow = False
        assert run(url, out, "-w", str(work)) == 0
    assert files_of(out) == files_of(from_disk)


def test_a_server_that_stalls_fails_that_run_by_name_and_the_others_are_done(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fault(method: str, path: str, start: int, number: int) -> str:  # noqa: ARG001
        return "stall" if path.endswith(RUN) and start else ""

    with served_s3(study, monkeypatch, fault) as (url, _):
        assert run(url, tmp_path / "out", "--remote-timeout", "6") == 1
    told = capsys.readouterr().err
    assert f"{url}/simulated/sub-01/ses-pre/func/{RUN}: cannot be read (no data came" in (
        " ".join(told.split())
    )
    assert "4 runs: 3 done, 0 partly done, 1 failed" in told
    failures = list((tmp_path / "out/logs/failures").glob("*run-2*"))
    assert len(failures) == 1
    assert "no data came for 6 s" in failures[0].read_text()


def test_an_object_that_changes_under_way_fails_that_run_by_name(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root = shutil.copytree(study, tmp_path / "study")
    (image,) = root.glob("simulated/sub-01/ses-post/func/*desc-preproc_bold.nii.gz")

    def fault(method: str, path: str, start: int, number: int) -> str:  # noqa: ARG001
        # It was listed; before it is read it becomes another.
        if method == "GET" and path.endswith(image.name):
            image.write_bytes(image.read_bytes() + b"\0")
        return ""

    with web_server(root, fault) as served:
        assert run(served.url, tmp_path / "out") == 1
    told = " ".join(capsys.readouterr().err.split())
    assert f"{served.url}/{image.relative_to(root)}: changed since it was listed" in told


def test_credentials_are_in_no_file_and_in_nothing_printed(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    with served_s3(study, monkeypatch, one_in_twenty) as (url, _):
        assert run(url, tmp_path / "out", "-w", str(tmp_path / "work"), "-v") == 0
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        more = ("--remote-timeout", "2", "-v")
        assert run(url, tmp_path / "out", "-w", str(tmp_path / "work"), *more) == 66
    printed = capfd.readouterr()
    assert KEY not in printed.out + printed.err
    assert SECRET not in printed.out + printed.err
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert KEY.encode() not in content, path
            assert SECRET.encode() not in content, path


def test_the_group_level_reads_the_participants_of_a_url(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with web_server(study) as served:
        assert run(served.url, tmp_path / "out") == 0
        capsys.readouterr()
        assert main([f"{served.url}/simulated", str(tmp_path / "out"), "group"]) == 0
        assert served.bytes_of("participants.tsv") > 0
    told = capsys.readouterr().err
    assert "in the input and not in the output: sub-02, sub-03" in told
