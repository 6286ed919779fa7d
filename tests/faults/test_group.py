"""What is spoilt in an output folder is named by the group level, and in no mean."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import pytest

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

Study = Callable[..., Settings]


@pytest.fixture
def study(finished: Callable[..., Settings]) -> Study:
    """The participant level of these runs, with `none` and `simple`; settings for the group."""

    def make(participants: Iterable[str], *, own_input: bool = False) -> Settings:
        runs = [f"sub-{label}_task-rest" for label in participants]
        return replace(finished(*runs, own_input=own_input), analysis_level="group")

    return make


def result(settings: Settings, label: str, end: str) -> Path:
    """The result of a participant whose name ends so."""
    (path,) = (settings.output_dir / f"sub-{label}").rglob(f"sub-*{end}")
    return path


def quality(settings: Settings) -> pd.DataFrame:
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t", dtype=str)
    return table.set_index(["participant_id", "strategy"])


def averaged(settings: Settings, desc: str) -> set[str]:
    """Labels of the participants whose edges are in the group's file of a strategy."""
    (path,) = settings.output_dir.glob(f"group_*_desc-{desc}_edges.h5")
    with h5py.File(path, locking=False) as file:
        return {one.decode().removeprefix("sub-") for one in file["participant_id"]}


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edited(path: Path) -> None:
    """One digit of one number is another, as a flipped bit makes it."""
    text = path.read_text()
    at = re.search(r"\.\d{3}", text).end() - 1  # type: ignore[union-attr]
    path.write_text(text[:at] + str(9 - int(text[at])) + text[at + 1 :])


SERIES, MATRIX = "_desc-simple_timeseries", "_desc-simple_relmat"
# By participant: what becomes of its files, the file that is named, the strategies that are in
# no mean for it, and the state of simple.
SPOILT: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "03": (Path.unlink, f"{MATRIX}.tsv", "simple", "partly done"),
    "04": (Path.unlink, f"{MATRIX}.json", "simple", "partly done"),
    "05": (Path.unlink, f"{SERIES}.tsv", "simple", "failed"),
    "06": (Path.unlink, f"{SERIES}.json", "simple", "failed"),
    "07": (halved, f"{SERIES}.tsv", "simple", "failed"),
    "08": (halved, "_dseg.tsv", "raw simple", "failed"),
    "09": (lambda path: path.write_bytes(b""), f"{MATRIX}.tsv", "simple", "partly done"),
    "10": (Path.unlink, "_dseg.nii.gz", "", "partly done"),
    "13": (edited, f"{MATRIX}.tsv", "simple", "partly done"),
    "14": (edited, f"{SERIES}.json", "simple", "failed"),
    "11": (Path.unlink, "_desc-simple_outliers.tsv", "", "partly done"),
}


def test_every_recorded_file_that_is_gone_or_cut_is_named_and_in_no_mean(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(["01", "02", *SPOILT, "12"])
    spoilt = {}
    for label, (spoil, end, _, _) in SPOILT.items():
        spoilt[label] = result(settings, label, end)
        spoil(spoilt[label])
    shutil.rmtree(settings.output_dir / "sub-12")
    capsys.readouterr()
    assert run_group(settings) == 1
    told = capsys.readouterr().err
    table = quality(settings)
    page = (settings.output_dir / "group.html").read_text()
    good = {"01", "02", *SPOILT}
    for desc in ("raw", "simple"):
        lost = {label for label, (_, _, descs, _) in SPOILT.items() if desc in descs.split()}
        assert averaged(settings, desc) == good - lost
    for label, (_, _, descs, state) in SPOILT.items():
        assert f"sub-{label}: {spoilt[label]}: " in told
        assert spoilt[label].name in page
        row = table.loc[f"sub-{label}", "simple"]
        assert spoilt[label].name in row["problem"]
        assert row["state"] == state
        other = table.loc[f"sub-{label}", "none"]
        shared = "desc" not in spoilt[label].name
        assert (other["state"] == "done") != shared
        assert pd.isna(row["mean_fd"]) == (state == "failed"), descs
    assert f"{settings.output_dir / 'sub-12'}: is not there, with " in told
    assert table.loc["sub-12"]["state"].tolist() == ["failed"] * 2
    assert table.loc["sub-01"]["state"].tolist() == ["done"] * 2
    assert page[page.index('id="participants"') :].count(": done</li>") == 2
    # The gaps are accepted, and told all the same.
    assert run_group(replace(settings, allow_missing=True)) == 0
    assert capsys.readouterr().err == told


def test_what_failed_is_not_complete(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(["01", "02", "03"], own_input=True)
    confounds = next((tmp_path / "ds/sub-02").rglob("*.tsv"))
    confounds.write_text("".join(confounds.read_text().splitlines(keepends=True)[:-1]))
    halved(next((tmp_path / "ds/sub-03").rglob("*_bold.nii.gz")))
    shutil.rmtree(settings.output_dir)
    assert run_participants(replace(settings, analysis_level="participant")) == 1
    capsys.readouterr()
    assert run_group(settings) == 1
    told = capsys.readouterr().err
    assert "3 runs: 1 done, 1 partly done, 1 failed" in told
    assert "failed: sub-02_task-rest_" in told
    assert "39 rows, but the BOLD image has 40 volumes" in told
    table = quality(settings)
    assert table["state"].to_dict() == {
        ("sub-01", "none"): "done",
        ("sub-01", "simple"): "done",
        ("sub-02", "none"): "done",
        ("sub-02", "simple"): "failed",
        ("sub-03", "none"): "failed",
        ("sub-03", "simple"): "failed",
    }
    page = (settings.output_dir / "group.html").read_text()
    assert "3 runs: 1 done, 1 partly done, 1 failed" in page
    assert "partly done (1 of 2 strategies); " in page
    assert page[page.index('id="participants"') :].count(": done</li>") == 1
    assert run_group(replace(settings, allow_missing=True)) == 0


def test_a_run_that_fails_after_it_was_done_is_in_no_mean(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(["01", "02", "03"], own_input=True)
    halved(next((tmp_path / "ds/sub-02").rglob("*_bold.nii.gz")))
    confounds = next((tmp_path / "ds/sub-03").rglob("*.tsv"))
    confounds.write_text("".join(confounds.read_text().splitlines(keepends=True)[:-1]))
    assert run_participants(replace(settings, analysis_level="participant")) == 1
    assert run_group(settings) == 1
    assert averaged(settings, "raw") == {"01", "03"}
    assert averaged(settings, "simple") == {"01"}
    table = quality(settings)
    for row in (("sub-02", "none"), ("sub-02", "simple"), ("sub-03", "simple")):
        assert table.loc[row]["state"] == "failed"
        assert pd.isna(table.loc[row]["mean_fd"])
    assert "bold.nii.gz" in capsys.readouterr().err


def edited(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def without(path: Path, key: str) -> None:
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))


def zero_diagonal(path: Path) -> None:
    table = pd.read_csv(path, sep="\t", index_col=0)
    for name in table:
        table.loc[name, name] = 0
    table.to_csv(path, sep="\t", na_rep="n/a")


def shorter_mask(path: Path) -> None:
    edited(path, SampleMask=json.loads(path.read_text())["SampleMask"][:-1])


def last_line_cut(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/to-be-found")


def without_signal(path: Path) -> None:
    path.write_text(path.read_text().replace("\tok\n", "\tlow-coverage\n"))


# By participant: the file, what becomes of it, and what is told.
UNRECORDED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "02": (".json", lambda path: edited(path, DegreesOfFreedom=-5), "DegreesOfFreedom is -5"),
    "03": (
        ".json",
        lambda path: edited(path, MeanFramewiseDisplacement=float("nan")),
        "MeanFramewiseDisplacement is nan",
    ),
    "04": (".json", shorter_mask, "a list of 40 truth values of which 39 are true is expected"),
    "05": (".json", lambda path: without(path, "DenoisingStrategy"), "no DenoisingStrategy"),
    "06": (".json", lambda path: path.write_text('{"Atlas": '), "not valid JSON"),
    "07": (".tsv", lambda path: path.write_bytes(b""), "0 whole rows"),
    "08": (".tsv", last_line_cut, "38 whole rows"),
    "09": ("_relmat.tsv", zero_diagonal, "0 on the diagonal"),
    "10": ("_dseg.tsv", without_signal, "no signal by the label table"),
    "11": (
        ".json",
        lambda path: edited(path, NumberOfVolumesKept=400),
        "NumberOfVolumesKept is 400, a number from 1 to 40 is expected",
    ),
    "12": (".tsv", link_to_nothing, "is a link to /nowhere/to-be-found, which is not there"),
}


def test_results_that_no_record_tells_of_are_looked_at_themselves(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(["01", *UNRECORDED])
    # As of an earlier version, or copied by hand.
    shutil.rmtree(settings.output_dir / "logs" / "runs")
    spoilt = {}
    for label, (end, spoil, _) in UNRECORDED.items():
        own = end if "_" in end else f"{SERIES}{end}"
        if own == "_relmat.tsv":
            own = f"{MATRIX}.tsv"
        spoilt[label] = result(settings, label, own)
        spoil(spoilt[label])
    assert run_group(settings) == 1
    told = capsys.readouterr().err
    for label, (_, _, text) in UNRECORDED.items():
        lines = [one for one in told.splitlines() if f"sub-{label}" in one and text in one]
        # A label table is of both strategies, and their matrices are named.
        assert len(lines) == (2 if label == "10" else 1), label
        for line in lines:
            assert line.startswith("missing or broken: ")
            assert spoilt[label].name in line or label == "10"
    assert averaged(settings, "simple") == {"01"}
    assert averaged(settings, "raw") == {"01", *UNRECORDED} - {"10"}


def test_results_of_other_settings_than_their_label_table_are_refused_by_name(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(["01", "02"])
    simple = result(settings, "02", f"{SERIES}.tsv")
    # A folder that an interruption or a copy has left with two truths.
    path = next((settings.output_dir / "logs" / "runs").glob("sub-02_*.json"))
    record = json.loads(path.read_text())
    (key,) = record["invocations"]
    other = json.loads(json.dumps(record["invocations"][key]))
    other["made_with"]["settings"]["--min-coverage"] = 0.95
    record["invocations"]["other"] = other
    for name, file in record["files"].items():
        if "_dseg" in name:
            file[1] = "other"
    path.write_text(json.dumps(record))
    assert run_group(settings) == 1
    told = capsys.readouterr().err
    assert f"sub-02: {simple}: made with other settings" in told
    assert "--min-coverage was 0.5, is 0.95" in told
    assert averaged(settings, "simple") == {"01"}


def test_a_broken_record_is_named_and_the_results_are_looked_at_themselves(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(["01", "02"])
    path = next((settings.output_dir / "logs" / "runs").glob("sub-02_*.json"))
    halved(path)
    assert run_group(settings) == 1
    assert f"sub-02: {path}: " in capsys.readouterr().err
    assert averaged(settings, "simple") == {"01", "02"}


def test_a_broken_record_of_failures_leaves_its_run_out(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(["01", "02"])
    (run,) = (settings.output_dir / "logs" / "runs").glob("sub-02_*.json")
    path = settings.output_dir / "logs" / "failures" / run.name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"failures": [{"message"')
    assert run_group(settings) == 1
    assert f"{path}: the record of what failed is broken" in capsys.readouterr().err
    assert averaged(settings, "simple") == averaged(settings, "raw") == {"01"}
    assert quality(settings).loc["sub-02"]["state"].tolist() == ["failed"] * 2
