"""Work folders: results of other inputs, broken files, other users, killed invocations, locks."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.app.participant import run_participants
from bids_labelx.app.work_folder import work_folder
from bids_labelx.errors import UsageError
from bids_labelx.files import INVOCATION, TEMPORARY, whole_file
from bids_labelx.locks import lock, new_token
from bids_labelx.participant.contents import _remove_leftovers, whole_files_only
from bids_labelx.participant.finished import this_invocation
from bids_labelx.participant.plan import make_plan
from bids_labelx.settings import Settings
from bids_labelx.workflow import interfaces
from bids_labelx.workflow.graph import init_bids_labelx_wf

AddRun = Callable[..., Path]

# flock as file systems without locks have it.
NO_FLOCK = """
#include <errno.h>
int flock(int descriptor, int operation) { errno = NUMBER; return -1; }
"""


@pytest.fixture
def settings(tmp_path: Path, add_run: AddRun, atlas_dataset: Path) -> Settings:
    """One run, with a work folder."""
    add_run(tmp_path / "ds")
    return Settings(
        bids_dir=tmp_path / "ds",
        output_dir=tmp_path / "out",
        analysis_level="participant",
        atlas_dataset=atlas_dataset,
        denoise=("none", "simple"),
        nprocs=1,
        work_dir=tmp_path / "work",
    )


def results(settings: Settings) -> dict[str, bytes]:
    """All results, of a run into an empty folder."""
    shutil.rmtree(settings.output_dir, ignore_errors=True)
    assert run_participants(settings) == 0
    return {path.name: path.read_bytes() for path in settings.output_dir.glob("sub-01/func/*")}


def keys(settings: Settings, folder: Path) -> dict[str, str]:
    """What decides whether the kept result of each node is taken."""
    plan = make_plan(settings)
    (folder / "atlases").mkdir(parents=True, exist_ok=True)
    invocation = this_invocation(settings, plan)
    workflow = init_bids_labelx_wf(settings, plan, invocation, work_dir=folder, records=folder)
    names = (name for name in workflow.list_node_names() if "_wf." in name)
    nodes = {name.rpartition(".")[2]: workflow.get_node(name) for name in names}
    wanted = ("resample_atlas", "label_reduce", "clean_signal")
    return {name: nodes[name].inputs.get_hashval(hash_method="timestamp")[1] for name in wanted}


def rewrite_in_place(path: Path, content: bytes) -> None:
    """Other content of the same length, time and inode."""
    before = path.stat()
    assert len(content) == before.st_size
    with path.open("r+b") as stream:
        stream.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_whatever_a_node_reads_decides_whether_its_kept_result_is_taken(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, atlas_dataset: Path
) -> None:
    before = keys(settings, tmp_path / "records")
    assert keys(settings, tmp_path / "records") == before

    def changed() -> set[str]:
        nonlocal before
        now = keys(settings, tmp_path / "records")
        found = {name for name in now if now[name] != before[name]}
        before = now
        return found

    (bold,) = tmp_path.rglob("*_bold.nii.gz")
    content = bytearray(bold.read_bytes())
    content[9] ^= 1  # of the gzip header: nothing of the image
    rewrite_in_place(bold, bytes(content))
    assert changed() == {"label_reduce"}
    (table,) = tmp_path.rglob("*_desc-confounds_timeseries.tsv")
    table.with_suffix(".json").write_text('{"a_comp_cor_00": {"VarianceExplained": 0.1}}')
    assert changed() == {"clean_signal"}
    rewrite_in_place(table.with_suffix(".json"), b'{"a_comp_cor_00": {"VarianceExplained": 0.9}}')
    assert changed() == {"clean_signal"}
    (labels,) = atlas_dataset.rglob("*_dseg.tsv")
    rewrite_in_place(labels, labels.read_bytes().replace(b"five", b"six5"))
    assert changed() == {"resample_atlas"}
    plain = metadata.version
    for library in ("numpy", "scipy", "nibabel"):
        monkeypatch.setattr(
            interfaces, "version", lambda name, at=library: plain(name) + "x" * (name == at)
        )
        assert changed() == set(before), library
    monkeypatch.setattr(interfaces, "__version__", "0.0.1")
    assert changed() == set(before)


def test_a_bold_file_of_the_same_size_and_time_gives_its_own_results(
    settings: Settings, tmp_path: Path, add_run: AddRun
) -> None:
    (bold,) = tmp_path.rglob("*_bold.nii.gz")
    plain = bold.with_suffix("")
    subprocess.run(["gunzip", str(bold)], check=True)
    first = results(settings)
    other = add_run(tmp_path / "other", seed=7)
    subprocess.run(["gunzip", str(other)], check=True)
    rewrite_in_place(plain, other.with_suffix("").read_bytes())
    second = results(settings)
    shutil.rmtree(tmp_path / "work")
    assert results(settings) == second
    assert any(second[name] != first[name] for name in first if name.endswith("timeseries.tsv"))


@pytest.mark.parametrize("spoil", ["empty", "cut", "gone"])
def test_files_of_a_work_folder_that_are_not_whole_are_made_anew(
    settings: Settings, tmp_path: Path, spoil: str
) -> None:
    expected = results(settings)
    spoilt = [
        path
        for name in ("result_*.pklz", "*.pkl", "labels.*", "*.sizes.json")
        for path in (tmp_path / "work").rglob(name)
    ]
    assert {path.name for path in spoilt} >= {
        "result_label_reduce.pklz",
        "result_all_labels.pklz",
        "extracted.pkl",
        "denoised.pkl",
        "matrices.pkl",
        "labels.npy",
        "labels.tsv",
        "label_reduce.sizes.json",
    }
    # Every third at a time: what makes one anew would hide that it does so for another.
    for start in range(3):
        for path in spoilt[start::3]:
            if path.exists():
                content = path.read_bytes()
                path.unlink() if spoil == "gone" else path.write_bytes(
                    b"" if spoil == "empty" else content[: len(content) // 2]
                )
        assert results(settings) == expected


def test_a_work_folder_is_closed_to_others(settings: Settings) -> None:
    with work_folder(settings) as place:
        assert place.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_work_folder_that_others_can_write_to_is_refused(
    settings: Settings, tmp_path: Path, mode: int
) -> None:
    place = tmp_path / "work" / "all"
    place.mkdir(parents=True)
    place.chmod(mode)
    with pytest.raises(UsageError, match=r"others can write to .*has to be yours alone"):
        run_participants(settings)
    assert not list(place.rglob("*.pklz"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_in_a_work_folder_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    results(settings)
    (placed,) = (tmp_path / "work").rglob("result_label_reduce.pklz")
    os.chown(placed, 4321, -1)
    with pytest.raises(UsageError, match=r"another user owns .*result_label_reduce\.pklz"):
        run_participants(settings)


def in_child(work: Callable[[Any], None]) -> Any:
    """A process that does some work; it says when it has begun, and waits then."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(sender,))
    process.start()
    return process, receiver.recv()


def test_the_temporary_folder_of_a_killed_invocation_is_removed_by_the_next_one(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    temporary = Settings(settings.bids_dir, settings.output_dir, "participant")

    def work(sender: Any) -> None:
        with work_folder(temporary) as place:
            (place / "large").write_bytes(b"x")
            sender.send(place)
            time.sleep(60)

    killed, left = in_child(work)
    alive, kept = in_child(work)
    # Another user's folder or one under another kernel tells nothing.
    (tmp_path / "bids_labelx-other").mkdir()
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert left.is_dir()
    with work_folder(temporary) as place:
        assert {path.name for path in tmp_path.glob("bids_labelx-*")} == {
            place.name,
            kept.name,
            "bids_labelx-other",
        }
    alive.kill()
    alive.join()


def test_a_folder_of_the_user_that_is_called_like_a_temporary_one_stays(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own, left = tmp_path / "bids_labelx-results", tmp_path / "bids_labelx-otherkernel-x"
    for folder in (own, left):
        folder.mkdir()
        (folder / "a.tsv").touch()
    (left / ".alive").touch()
    for folder in (own, left):
        os.utime(folder, (0, 0))
    with work_folder(Settings(settings.bids_dir, settings.output_dir, "participant")):
        assert (own / "a.tsv").exists()
        assert not left.exists()


def test_an_unfinished_file_is_removed_when_its_invocation_has_ended_and_not_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(settings)
    output = settings.output_dir

    def work(sender: Any) -> None:
        # As in a container that has this one's name and process ids.
        os.environ[INVOCATION] = new_token()
        with whole_files_only(output, plan), whole_file(output / "sub-01" / "a.tsv") as path:
            sender.send(path)
            time.sleep(60)

    process, unfinished = in_child(work)
    monkeypatch.setenv(INVOCATION, new_token())
    _remove_leftovers(output, plan)
    assert unfinished.is_file()
    process.kill()
    process.join()
    # Of nobody known, but not a day old.
    unknown = output / f"{TEMPORARY}{new_token()}-x"
    unknown.touch()
    _remove_leftovers(output, plan)
    assert not unfinished.exists()
    assert unknown.exists()
    os.utime(unknown, (0, 0))
    _remove_leftovers(output, plan)
    assert not unknown.exists()


@pytest.fixture
def no_flock(tmp_path: Path) -> Callable[[int], dict[str, str]]:
    """An environment in which flock fails with a number."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make flock fail with")

    def make(number: int) -> dict[str, str]:
        (tmp_path / "flock.c").write_text(NO_FLOCK.replace("NUMBER", str(number)))
        library = tmp_path / "flock.so"
        command = ["cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "flock.c")]
        subprocess.run(command, check=True)
        return {**os.environ, "LD_PRELOAD": str(library)}

    return make


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_without_locks_of_the_file_system_lock_files_serve_with_one_warning_each(
    settings: Settings, no_flock: Callable[[int], dict[str, str]], number: int
) -> None:
    command = [sys.executable, "-m", "bids_labelx", str(settings.bids_dir)]
    command += [str(settings.output_dir), "participant", "--denoise", "none", "--nprocs", "1"]
    command += ["--atlas-dataset", str(settings.atlas_dataset), "-w", str(settings.work_dir)]
    done = subprocess.run(
        command, env=no_flock(number), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "knows no locks" in line]
    assert sum(str(settings.output_dir) in line for line in told) == 1
    assert "flock" not in done.stderr
    assert list(settings.output_dir.glob("sub-01/func/*timeseries.tsv"))
    assert (settings.output_dir / "sub-01.html").is_file()


def test_a_lock_file_is_there_within_a_second_and_excludes_others(
    tmp_path: Path, no_flock: Callable[[int], dict[str, str]]
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from filelock import Timeout\n"
        "from bids_labelx.locks import lock\n"
        "path, start = Path(sys.argv[1]), time.monotonic()\n"
        "with lock(path, 30):\n"
        "    took = time.monotonic() - start\n"
        "    try:\n"
        "        with lock(path, 0.1): print('both')\n"
        "    except Timeout: print('one', took < 1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / ".lock")],
        env=no_flock(errno.ENOLCK),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["one", "True"], done.stderr


def test_reports_of_other_participants_are_not_waited_for(settings: Settings) -> None:
    (settings.output_dir / "logs").mkdir(parents=True)
    with lock(settings.output_dir / "logs" / ".lock-sub-02", 1):
        assert run_participants(settings) == 0
    assert (settings.output_dir / "sub-01.html").is_file()
