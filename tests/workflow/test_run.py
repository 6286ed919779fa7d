"""Running the graph: plugins and their files, killed nodes, stops, and what is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bids_labelx.app.participant import run_participants
from bids_labelx.errors import BadDataError, LabelxError, MissingInputError, UsageError
from bids_labelx.participant import denoise_run
from bids_labelx.settings import Settings
from bids_labelx.workflow import plugins
from bids_labelx.workflow.plugins import read_plugin

AddRun = Callable[..., Path]


def settings_for(root: Path, atlas_dataset: Path, **options: Any) -> Settings:
    given = {
        "output_dir": root.parent / "out",
        "denoise": ("none",),
        "connectivity": ("none",),
        "nprocs": 2,
        **options,
    }
    return Settings(
        bids_dir=root, analysis_level="participant", atlas_dataset=atlas_dataset, **given
    )


def files(folder: Path) -> dict[str, bytes]:
    """All outputs but logs and reports."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "logs" not in path.parts and path.suffix != ".html"
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yml", "plugin: SLURM\nplugin_args:\n  sbatch_args: --mem=1G\n"),
        ("p.toml", 'plugin = "SLURM"\n[plugin_args]\nsbatch_args = "--mem=1G"\n'),
    ],
)
def test_a_plugin_file_is_yaml_or_toml(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    settings = settings_for(tmp_path, tmp_path, nipype_plugin_file=path, work_dir=tmp_path)
    assert read_plugin(settings) == ("SLURM", {"sbatch_args": "--mem=1G"})
    with pytest.raises(UsageError, match="SLURM needs --work-dir"):
        read_plugin(settings_for(tmp_path, tmp_path, nipype_plugin_file=path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plugin: [", "not YAML"),
        ("- SLURM", "under the key plugin is expected"),
        ("plugin: SLURM\nargs: {}", "found args"),
        ("plugin: SLURM\nplugin_args: 3", "found plugin_args"),
        ("plugin: SLURM\n0: {}\nargs: {}", "found 0, args"),
        ("plugin: MultiProc\nplugin_args: {n_procs: many}", "n_procs is str, a whole number"),
        ("plugin: MultiProc\nplugin_args: {n_procs: -1}", "n_procs is -1, a whole number"),
        ("plugin: MultiProc\nplugin_args: {n_procs: 2.5}", "n_procs is 2.5, a whole number"),
        ("plugin: MultiProc\nplugin_args: {n_procs: true}", "n_procs is True, a whole number"),
        ("plugin: MultiProc\nplugin_args: {memory_gb: .nan}", "memory_gb is nan, a number of GB"),
        ("plugin: MultiProc\nplugin_args: {memory_gb: []}", "memory_gb is list, a number of GB"),
        ("plugin: SLRUM", "SLRUM is no plugin of nipype's; there are .*, SLURM"),
        ("plugin: SLURMGraph", "SLURMGraph is not supported; use SLURM, or a job array"),
        ("plugin: SGEGraph", "SGEGraph is not supported; use SGE, or a job array"),
    ],
)
def test_a_wrong_plugin_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.yml"
    path.write_text(text)
    settings = settings_for(tmp_path, tmp_path, nipype_plugin_file=path, work_dir=tmp_path)
    with pytest.raises(BadDataError, match=said):
        read_plugin(settings)
    path.unlink()
    with pytest.raises(MissingInputError, match=r"p\.yml:? cannot be read"):
        read_plugin(settings)


def test_processes_and_memory_are_those_of_the_options(tmp_path: Path) -> None:
    plugin, arguments = read_plugin(settings_for(tmp_path, tmp_path, nprocs=3, mem_gb=5.5))
    assert (plugin, arguments["n_procs"], arguments["memory_gb"]) == ("MultiProc", 3, 5.5)


def test_plugins_of_this_machine_have_the_limits_of_the_options_unless_they_say(
    tmp_path: Path,
) -> None:
    path = tmp_path / "p.yml"
    for text, n_procs in (
        ("plugin: Linear", 1),
        ("plugin: LegacyMultiProc\nplugin_args: {n_procs: 7}", 7),
        ("plugin: MultiProc", 3),
    ):
        path.write_text(text)
        given = settings_for(tmp_path, tmp_path, nprocs=3, mem_gb=5.5, nipype_plugin_file=path)
        plugin, arguments = read_plugin(given)
        assert plugins.plugin_class(plugin) is plugins.ProcessPerNode
        assert (arguments["n_procs"], arguments["memory_gb"]) == (n_procs, 5.5)


@pytest.mark.parametrize(("mem_gb", "most"), [(0.6, 2), (5.0, 4)])
def test_nodes_that_run_at_once_fit_into_processes_and_memory(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    mem_gb: float,
    most: int,
) -> None:
    for sub in range(1, 7):
        add_run(tmp_path / "ds", f"sub-0{sub}_task-rest")
    at_once: list[tuple[int, float]] = []
    plain = plugins.ProcessPerNode._submit_job

    def counted(self: Any, node: Any, updatehash: bool = False) -> int:
        running = [self.procs[jobid].mem_gb for _, jobid in self.pending_tasks]
        at_once.append((len(running) + 1, sum(running) + node.mem_gb))
        return plain(self, node, updatehash)

    monkeypatch.setattr(plugins.ProcessPerNode, "_submit_job", counted)
    assert (
        run_participants(settings_for(tmp_path / "ds", atlas_dataset, nprocs=4, mem_gb=mem_gb))
        == 0
    )
    # No more than is allowed, and as many as that allows.
    assert max(count for count, _ in at_once) == most
    assert max(memory for _, memory in at_once) <= mem_gb


def test_a_node_that_is_killed_fails_its_run_and_no_other(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for sub in ("01", "02", "03"):
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest")
    plain = denoise_run.denoise_signals

    def killed(extracted: Any, source: Any, *arguments: Any) -> Any:
        if "sub-02" in str(source.confounds):
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(extracted, source, *arguments)

    monkeypatch.setattr(denoise_run, "denoise_signals", killed)
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    assert run_participants(settings) == 1
    told = capsys.readouterr().err
    assert "its process was killed by SIGKILL, mostly for lack of memory; about 0." in told
    done = {path.name for path in settings.output_dir.glob("sub-*") if path.is_dir()}
    assert done == {"sub-01", "sub-03"}


def test_a_second_start_on_the_same_runs_and_work_folder_is_refused(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset, work_dir=tmp_path / "work")
    (tmp_path / "work" / "all").mkdir(parents=True)
    with (
        FileLock(tmp_path / "work" / "all" / ".lock"),
        pytest.raises(UsageError, match="another bids_labelx works on the same runs"),
    ):
        run_participants(settings)
    other = settings_for(
        tmp_path / "ds", atlas_dataset, work_dir=tmp_path / "work", participant_label=("01",)
    )
    with FileLock(tmp_path / "work" / "all" / ".lock"):
        assert run_participants(other) == 0


def start(settings: Settings, tmp_path: Path) -> subprocess.Popen[str]:
    options = ["--denoise", "none", "simple", "--nprocs", "2", "-w", str(tmp_path / "work")]
    command = [sys.executable, "-m", "bids_labelx", str(settings.bids_dir)]
    command += [str(settings.output_dir), "participant"]
    command += ["--atlas-dataset", str(settings.atlas_dataset), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(found: Callable[[], bool]) -> None:
    for _ in range(1200):
        if found():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def processes_of(group: int) -> list[int]:
    """Processes of a session that are alive."""
    alive = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(rest[3]) == group and rest[0] != "Z":
            alive.append(int(path.parent.name))
    return alive


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
@pytest.mark.figures
def test_stops_and_kills_leave_no_half_file_and_the_same_command_ends_it(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    for sub in range(1, 6):
        add_run(tmp_path / "ds", f"sub-0{sub}_task-rest", seed=sub)
    clean = settings_for(
        tmp_path / "ds",
        atlas_dataset,
        output_dir=tmp_path / "clean",
        denoise=("none", "simple"),
        connectivity=("correlation",),
    )
    assert run_participants(clean) == 0
    expected = files(clean.output_dir)
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    output = settings.output_dir
    for i, number in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGKILL)):
        process = start(settings, tmp_path)
        # Later and later: in the first runs, then with some of them done.
        wait_for(lambda i=i: len(list(output.glob("logs/*.log"))) > i)
        wait_for(lambda i=i: len(list(output.glob("sub-*/func/*"))) > 10 * i)
        assert process.poll() is None
        sent = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
        if number != signal.SIGKILL:
            assert time.monotonic() - sent < 10
            assert process.returncode == 128 + number
            assert f"stopped by {number.name}" in told
            assert not list(output.rglob(".tmp-*"))
        wait_for(lambda process=process: not processes_of(process.pid))
        for name, content in files(output).items():
            if (
                name not in ("descriptions.tsv", "dataset_description.json")
                and ".tmp-" not in name
            ):
                assert content == expected[name], name
    process = start(settings, tmp_path)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert files(output) == expected
    # The folder of work holds no copy of the images, and nothing is left of the stopped ones.
    assert not [p for p in (tmp_path / "work").rglob("*bold*") if p.is_file()]
    assert not list(output.rglob(".tmp-*"))
    with pytest.raises(LabelxError):
        read_plugin(settings_for(tmp_path, tmp_path, nipype_plugin_file=tmp_path / "none.yml"))
