"""What a store is asked, how often, and what its errors become."""

from __future__ import annotations

import errno
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import stores
from stores import LONG, s3_server, web_server

from bids_labelx.app.cli import main
from bids_labelx.remote.store import Access, Store, Version
from bids_labelx.remote.stream import RemoteFile

pytest.importorskip("s3fs", reason="bids_labelx[remote] is not installed")
pytest.importorskip("moto", reason="moto is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "ds"
    (root / "sub-01" / "func").mkdir(parents=True)
    (root / "a b+c.tsv").write_text("x\n1\n")
    (root / "sub-01" / "func" / "big.bin").write_bytes(bytes(range(256)) * 40_000)
    return root


def test_folders_and_files_of_a_web_server_are_those_of_the_disk(folder: Path) -> None:
    with web_server(folder) as served:
        store = Store(served.url, Access(20))
        assert store.names(served.url) == (["sub-01"], ["a b+c.tsv"])
        assert store.read(store.file_url("a b+c.tsv")) == b"x\n1\n"
        version = store.version(store.file_url("a b+c.tsv"))
    assert version.size == 4
    assert version.changed == int((folder / "a b+c.tsv").stat().st_mtime)


def test_folders_and_files_of_s3_are_those_of_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(folder) as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL", served.url)
        store = Store("s3://bucket", Access(20))
        assert store.names("s3://bucket") == (["sub-01"], ["a b+c.tsv"])
        found = store.files_below("s3://bucket/sub-01")
        assert list(found) == ["func/big.bin"]
        assert found["func/big.bin"] == store.version("s3://bucket/sub-01/func/big.bin")
        assert store.read("s3://bucket/a b+c.tsv") == b"x\n1\n"


def test_names_that_lead_out_of_a_folder_are_not_taken(tmp_path: Path) -> None:
    with web_server(tmp_path) as served:
        assert Store(served.url, Access(20)).names(served.url) == ([], [])


@pytest.mark.parametrize("kind", ["503", "cut"])
def test_an_answer_that_fails_is_asked_for_again(folder: Path, kind: str) -> None:
    def fault(method: str, path: str, start: int, number: int) -> str:  # noqa: ARG001
        return kind if number in (0, 1) else ""

    with web_server(folder, fault) as served:
        store = Store(served.url, Access(20))
        assert store.read(store.file_url("a b+c.tsv")) == b"x\n1\n"
    assert served.faults == [kind, kind]


@pytest.mark.parametrize(
    ("kind", "number", "words"),
    [("503", errno.EIO, "answers 503"), ("stall", errno.ETIMEDOUT, "no data came for 2 s")],
)
def test_a_server_that_always_fails_is_given_up_in_time(
    folder: Path, kind: str, number: int, words: str
) -> None:
    with web_server(folder, lambda *_: kind) as served:
        store = Store(served.url, Access(2))
        started = time.monotonic()
        with pytest.raises(OSError, match=words) as caught:
            store.read(store.file_url("sub-01/func/big.bin"))
        # Far below what a stalled server would keep it.
        assert time.monotonic() - started < 30
    assert caught.value.errno == number


def test_what_is_not_there_is_asked_for_once(folder: Path) -> None:
    with web_server(folder) as served:
        store = Store(served.url, Access(20))
        for ask in (store.read, store.version):
            with pytest.raises(FileNotFoundError, match="there is no such file"):
                ask(store.file_url("nothing.tsv"))
    assert len(served.asked) == 2


@pytest.mark.parametrize("cuts", [0, 3])
def test_a_stream_is_the_file_and_goes_on_after_cuts(folder: Path, cuts: int) -> None:
    def fault(method: str, path: str, start: int, number: int) -> str:  # noqa: ARG001
        return "cut" if number and number % 2 == 0 and number <= 2 * cuts else ""

    with web_server(folder, fault) as served:
        store = Store(served.url, Access(20))
        url = store.file_url("sub-01/func/big.bin")
        with RemoteFile(url, store.version(url), Access(20)).open() as stream:
            assert stream.read() == (folder / "sub-01/func/big.bin").read_bytes()
            # Begun anew, as a reader does that counts whole volumes.
            stream.seek(0)
            stream.seek(300)
            assert stream.read(3) == bytes([44, 45, 46])
    assert served.faults == ["cut"] * cuts


def test_a_server_that_cuts_all_long_answers_gives_the_file_in_the_end(folder: Path) -> None:
    with web_server(folder, lambda *_: "long") as served:
        store = Store(served.url, Access(20))
        url = store.file_url("sub-01/func/big.bin")
        content = b""
        while len(content) < 300_000:
            content += store.read(url, len(content), len(content) + 4 * LONG)
    assert content == (folder / "sub-01/func/big.bin").read_bytes()[: len(content)]
    assert served.faults.count("long") >= 6


def test_no_more_than_a_first_piece_is_asked_for_where_no_more_is_read(folder: Path) -> None:
    with web_server(folder) as served:
        store = Store(served.url, Access(20))
        url = store.file_url("sub-01/func/big.bin")
        with RemoteFile(url, store.version(url), Access(20)).open() as stream:
            assert stream.read(348) == (bytes(range(256)) * 2)[:348]
    assert served.bytes_of("big.bin") == 1 << 16


def test_a_version_that_is_not_the_one_listed_is_told(folder: Path) -> None:
    with web_server(folder) as served:
        url = Store(served.url, Access(20)).file_url("a b+c.tsv")
        listed = Store(served.url, Access(20)).version(url)
        (folder / "a b+c.tsv").write_text("x\n2\n")
        with pytest.raises(OSError, match=r"a%20b%2Bc\.tsv: changed since it was listed"):
            RemoteFile(url, listed, Access(20)).check_unchanged()


def test_a_server_without_ranges_is_refused(folder: Path, monkeypatch: Any) -> None:
    with web_server(folder) as served:
        monkeypatch.setattr("stores._Folder.parse_request", _without_range())
        url = Store(served.url, Access(20)).file_url("sub-01/func/big.bin")
        with (
            pytest.raises(OSError, match="gives no parts of files"),
            RemoteFile(url, Version(10_240_000), Access(5)).open() as stream,
        ):
            stream.read(100)


def _without_range() -> Any:
    usual = stores._Folder.parse_request

    def parse(self: Any) -> bool:
        done = usual(self)
        if done and "Range" in self.headers:
            del self.headers["Range"]
        return done

    return parse


@pytest.mark.parametrize(
    ("url", "package", "advice"),
    [
        ("s3://bucket/ds", "s3fs", 'pip install "bids_labelx[remote]"'),
        ("https://host/ds", "aiohttp", 'pip install "bids_labelx[remote]"'),
        ("gs://bucket/ds", "gcsfs", 'pip install "gcsfs"'),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_the_command_for_it(
    url: str, package: str, advice: str, tmp_path: Path
) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\nfrom bids_labelx.app.cli import main\n"
        f"sys.exit(main([{url!r}, {str(tmp_path / 'out')!r}, 'participant', '--atlas', 'any']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 66
    assert advice in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("s3://nobucket/ds", "BIDS_DIR s3://nobucket/ds: cannot be read ("),
        ("s3://bucket/nothing", "BIDS_DIR s3://bucket/nothing: cannot be read ("),
        ("s3://bucket/sub-01", "s3://bucket/sub-01: no dataset_description.json here"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_with_the_url(
    where: str, words: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    with s3_server(folder) as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL", served.url)
        code = main([where, str(tmp_path / "out"), "participant", "--atlas", "any"])
    told = capsys.readouterr().err
    assert code in (16, 66)
    assert words in told
    assert "mirror-" not in told
