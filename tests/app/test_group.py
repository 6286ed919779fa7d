from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from urllib.parse import unquote

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from group_site import data_of
from tiny import SPACE

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import MissingInputError, NoRunsError
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


RUNS = ("sub-01_ses-a_task-rest", "sub-02_ses-a_task-rest")


@pytest.fixture
def settings(finished: Callable[..., Settings]) -> Settings:
    """Two participants, done with two strategies and two statistics."""
    return replace(finished(*RUNS, statistic=("mean", "median")), analysis_level="group")


@pytest.fixture
def own(finished: Callable[..., Settings]) -> Settings:
    """The same, of an input that may be changed."""
    done = finished(*RUNS, statistic=("mean", "median"), own_input=True)
    return replace(done, analysis_level="group")


def forget(settings: Settings) -> None:
    """Remove what the participant level recorded as written, to which changed files do not fit."""
    shutil.rmtree(settings.output_dir / "logs" / "runs")


def test_there_is_a_row_per_run_and_strategy_with_what_the_sidecars_say(
    settings: Settings,
) -> None:
    assert run_group(settings) == 0
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    assert table["participant_id"].tolist() == ["sub-01"] * 2 + ["sub-02"] * 2
    assert table["strategy"].tolist() == ["none", "simple"] * 2
    assert table["session_id"].unique().tolist() == ["ses-a"]
    assert table["volumes"].tolist() == [40] * 4
    assert table["volumes_kept"].tolist() == [40, 39] * 2
    assert table["labels"].tolist() == [3] * 4
    assert table["min_coverage"].tolist() == [0.5] * 4
    confounds = settings.bids_dir / "sub-01/ses-a/func"
    fd = pd.read_csv(next(confounds.glob("*.tsv")), sep="\t")["framewise_displacement"]
    assert table["mean_fd"][0] == pytest.approx(fd.mean())
    page = (settings.output_dir / "group.html").read_text()
    assert 'href="sub-01.html"' in page
    assert "sub-02" in page


def test_participants_who_are_not_in_the_table_are_named(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "some.tsv"
    table.write_text("participant_id\tgroup\nsub-02\tpatient\n")
    assert run_group(replace(settings, covariates=table)) == 0
    words = f"note: {table}: no row for sub-01; their columns"
    assert words in " ".join(capsys.readouterr().err.split())
    table.write_text("participant_id\tgroup\nsub-02\tpatient\nsub-01\tcontrol\n")
    assert run_group(replace(settings, covariates=table)) == 0
    assert "no row for" not in capsys.readouterr().err


def test_temporal_snr_and_share_above_are_those_of_the_input(settings: Settings) -> None:
    assert run_group(settings) == 0
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    func = settings.output_dir / "sub-01/ses-a/func"
    bold = next((settings.bids_dir / "sub-01").rglob("*_bold.nii.gz"))
    labels = nib.load(next(func.glob("*_dseg.nii.gz"))).get_fdata()
    data = nib.load(bold).get_fdata()
    status = pd.read_csv(next(func.glob("*_dseg.tsv")), sep="\t").set_index("index")["status"]
    # The first volume is none of those that simple keeps.
    for row, first in ((0, 0), (1, 1)):
        ratios = []
        for label in status.index[status == "ok"]:
            voxels = data[labels == label]
            series = voxels[(voxels != 0).any(axis=1)].mean(axis=0)[first:]
            ratios.append(series.mean() / series.std(ddof=1))
        assert table["mean_tsnr"][row] == pytest.approx(np.mean(ratios), rel=1e-5)
    confounds = next((settings.bids_dir / "sub-01/ses-a/func").glob("*.tsv"))
    fd = pd.read_csv(confounds, sep="\t")["framewise_displacement"].dropna()
    assert table["fd_threshold"].tolist() == [0.5] * 4
    assert table["share_fd_above"][0] == pytest.approx((fd > 0.5).mean())


def test_an_excluded_run_keeps_its_row_and_enters_no_mean(settings: Settings) -> None:
    forget(settings)
    for path in (settings.output_dir / "sub-02").rglob("*_timeseries.json"):
        sidecar = json.loads(path.read_text())
        path.write_text(json.dumps({**sidecar, "MeanFramewiseDisplacement": 0.9}))
    run_group(settings)
    rows = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t").groupby("participant_id")
    means = rows["mean_fd"].first()
    assert means.nunique() == 2
    assert run_group(replace(settings, max_mean_fd=float(means.mean()))) == 0
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    assert table["excluded"].tolist() == [int(v > means.mean()) for v in table["mean_fd"]]
    assert table["why"].notna().tolist() == (table["excluded"] == 1).tolist()
    kept = means.idxmin()
    (matrix,) = tables((settings.output_dir / kept).rglob("*stat-mean_*_desc-simple_relmat.tsv"))
    mean, n, _, std = tables(settings.output_dir.glob("group_*_desc-simple_stat-*_relmat.tsv"))
    assert n.loc["two", "five"] == 1
    assert mean.loc["two", "five"] == pytest.approx(np.arctanh(matrix.loc["two", "five"]))
    assert std.isna().all(axis=None)


def test_the_page_says_how_much_of_a_participant_is_excluded(settings: Settings) -> None:
    forget(settings)
    for path in (settings.output_dir / "sub-02").rglob("*desc-simple_timeseries.json"):
        sidecar = json.loads(path.read_text())
        path.write_text(json.dumps({**sidecar, "MeanFramewiseDisplacement": 0.9}))
    assert run_group(replace(settings, max_mean_fd=0.8)) == 0
    page = (settings.output_dir / "group.html").read_text()
    assert page.count("1 of 2 runs and strategies excluded") == 1
    assert [words for _, _, words in data_of(page)["participants"]].count("done") == 1


def test_an_atlas_of_one_region_has_figures_of_quality_and_no_matrix(
    settings: Settings, labels: np.ndarray, write_image: Callable[..., Path], tmp_path: Path
) -> None:
    image = write_image(tmp_path / "one.nii.gz", (labels == 2).astype(np.int16))
    one = replace(
        settings,
        analysis_level="participant",
        output_dir=tmp_path / "other",
        atlas=(f"one={image}",),
        atlas_dataset=None,
        atlas_space=SPACE,
        denoise=("simple",),
    )
    assert run_participants(one) == 0
    assert run_group(replace(one, analysis_level="group")) == 0
    assert len(pd.read_csv(one.output_dir / "group_qc.tsv", sep="\t")) == 2
    found = [path.name for path in one.output_dir.glob("group*")]
    assert sorted(found) == [
        "group.html",
        *("group_atlas-one_coverage.json", "group_atlas-one_coverage.tsv"),
        *("group_qc.json", "group_qc.tsv"),
    ]


def test_what_was_refused_has_a_row_with_the_reason(
    own: Settings, add_run: AddRun, tmp_path: Path
) -> None:
    settings = own
    add_run(tmp_path / "ds", "sub-00_ses-a_task-rest")
    bold = next((tmp_path / "ds/sub-00").rglob("*_bold.nii.gz"))
    bold.write_bytes(bold.read_bytes()[:-500])
    confounds = next((tmp_path / "ds/sub-02").rglob("*.tsv"))
    lines = confounds.read_text().splitlines(keepends=True)
    confounds.write_text("".join(lines[:-1]))
    assert run_participants(replace(settings, analysis_level="participant")) == 1
    # A participant without any result is missing, too.
    assert run_group(settings) == 1
    path = settings.output_dir / "group_qc.tsv"
    table = pd.read_csv(path, sep="\t").set_index(["participant_id", "strategy"])
    assert len(table) == 6
    for strategy in ("none", "simple"):
        lost = table.loc[("sub-00", strategy)]
        assert lost["session_id"] == "ses-a"
        assert "bold.nii.gz" in lost["problem"]
        assert np.isnan(lost["volumes_kept"])
        assert pd.isna(table.loc[("sub-01", strategy), "problem"])
    assert pd.isna(table.loc[("sub-02", "none"), "problem"])
    refused = table.loc[("sub-02", "simple")]
    assert "39 rows, but the BOLD image has 40 volumes" in refused["problem"]
    # Whole numbers stay whole beside rows without any.
    assert "\t40\t39\t" in path.read_text()
    assert "39 rows, but" in (settings.output_dir / "group.html").read_text()
    # What is done later is no problem any more.
    confounds.write_text("".join(lines))
    assert run_participants(replace(settings, participant_label=("02",))) == 0
    assert run_group(replace(settings, participant_label=("02",))) == 0
    assert pd.read_csv(path, sep="\t")["problem"].isna().all()


def test_a_broken_participant_is_listed_and_the_others_are_in(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    forget(settings)
    for path in (settings.output_dir / "sub-01").rglob("*_timeseries.json"):
        path.write_text("{half")
    for path in (settings.output_dir / "sub-02").rglob("*desc-raw_timeseries.json"):
        path.write_text("{}")
    assert run_group(settings) == 1
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    assert table["participant_id"].tolist() == ["sub-02"]
    message = capsys.readouterr().err
    assert "sub-01: " in message
    assert "not valid JSON" in message
    assert "DegreesOfFreedom; run the participant level again" in message


def test_a_participant_that_was_asked_for_and_is_not_there_is_listed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_group(replace(settings, participant_label=("01", "09"))) == 1
    assert "sub-09: no time series" in capsys.readouterr().err


def test_participants_who_are_all_unknown_are_refused_with_those_that_are_there(
    settings: Settings,
) -> None:
    with pytest.raises(NoRunsError, match=r"-label 1, did you mean 01: not in .*there are 01, 02"):
        run_group(replace(settings, participant_label=("1",)))


def test_without_participants_there_is_no_group(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(MissingInputError, match="participant level first"):
        run_group(replace(settings, output_dir=tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoRunsError, match="participant level first"):
        run_group(replace(settings, output_dir=tmp_path / "empty"))


def tables(paths: Iterable[Path]) -> list[pd.DataFrame]:
    """Each file by itself, as pandas reads it, in the order of names."""
    return [
        pd.read_csv(path, sep="\t", index_col=0, na_values="n/a")
        for path in sorted(paths, key=lambda path: path.name)
    ]


def without_label_9(dataset: Path) -> None:
    (path,) = (dataset / "sub-03").rglob("*_mask.nii.gz")
    image = nib.load(path)
    mask = np.asarray(image.dataobj).copy()
    mask[4] = 0
    nib.save(nib.Nifti1Image(mask, image.affine), path)


@pytest.fixture
def third(finished: Callable[..., Settings]) -> Settings:
    """One participant more, with a brain mask that leaves nothing of label 9."""
    runs = (*RUNS, "sub-03_ses-a_task-rest_run-2")
    done = finished(*runs, change=without_label_9, statistic=("mean", "median"))
    return replace(done, analysis_level="group")


def test_mean_matrices_are_those_of_the_files_and_say_how_many_participants_an_edge_has(
    third: Settings,
) -> None:
    output = third.output_dir
    assert run_group(third) == 0
    for desc, stat, name in (
        ("raw", "mean", "raw"),
        ("simple", "mean", "simple"),
        ("simple", "median", "simpleMedian"),
    ):
        of_runs = tables(output.glob(f"sub-*/**/*_stat-{stat}_*_desc-{desc}_relmat.tsv"))
        stem = f"group_ses-a_task-rest_space-{SPACE}_atlas-Slabs_meas-correlation_desc-{name}_stat"
        _, mean, n, _, std = tables(output.glob(f"{stem}-*_relmat.tsv"))
        assert len(of_runs) == 3
        assert mean.index.tolist() == mean.columns.tolist() == ["nine", "two", "five"]
        for a, b in permutations(mean.index, 2):
            values = [r for table in of_runs if not np.isnan(r := table.loc[a, b])]
            assert n.loc[a, b] == len(values) == (2 if "nine" in (a, b) else 3)
            assert mean.loc[a, b] == pytest.approx(np.mean(np.arctanh(values)), rel=1e-8)
            spread = np.std(np.arctanh(values), ddof=1)
            assert std.loc[a, b] == pytest.approx(spread, rel=1e-6)
        assert np.isnan(np.diag(mean)).all()
        assert np.diag(n).tolist() == [0, 0, 0]
        sidecar = json.loads((output / f"{stem}-n_relmat.json").read_text())
        assert (sidecar["NumberOfRuns"], sidecar["NumberOfParticipants"]) == (3, 3)
        assert (output / "figures" / f"{stem}-mean_relmat.svg").is_file()


def test_what_was_averaged_and_what_could_not_be_is_in_sidecar_terminal_and_page(
    third: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    output = third.output_dir
    forget(third)
    (path,) = (output / "sub-02").rglob("*_stat-mean_*_desc-simple_relmat.tsv")
    table = pd.read_csv(path, sep="\t", index_col=0)
    table.loc["two", "five"] = table.loc["five", "two"] = 1
    table.to_csv(path, sep="\t")
    # A second run, without which there is nothing to weight.
    first, second = output / "sub-01/ses-a/func", output / "sub-01/ses-b/func"
    second.mkdir(parents=True)
    for one in first.iterdir():
        (second / one.name.replace("_ses-a_", "_ses-b_")).write_bytes(one.read_bytes())
    for one in output.rglob("*_timeseries.json"):
        content = json.loads(one.read_text())
        content.pop("EffectiveDegreesOfFreedom", None)
        one.write_text(json.dumps(content))
    run_group(replace(third, average_over=("run", "session")))
    stem = f"group_task-rest_space-{SPACE}_atlas-Slabs_meas-correlation_desc-simple_stat-mean"
    sidecar = json.loads((output / f"{stem}_relmat.json").read_text())
    assert sidecar["AveragedOver"] == ["run", "session"]
    assert sidecar["RunWeights"] == "equal"
    note = "runs count equally: 4 of 4 have no EffectiveDegreesOfFreedom"
    assert sidecar["RunWeightsNote"].startswith(note)
    assert sidecar["PairsWithPerfectCorrelations"] == [["two", "five"]]
    perfect = "1 correlation of ±1 in 1 pair of regions, such as two and five"
    told = capsys.readouterr().err
    page = (output / "group.html").read_text()
    assert "their weights: equal." in page
    for text in (note, perfect, "run and session"):
        assert text in told
        assert text in page
    n = pd.read_csv(output / f"{stem.replace('stat-mean', 'stat-n')}_relmat.tsv", sep="\t")
    assert n.set_index("name").loc["two", "five"] == 2


def test_the_coverage_table_has_the_labels_in_their_order(third: Settings) -> None:
    assert run_group(third) == 0
    found = pd.read_csv(third.output_dir / "group_atlas-Slabs_coverage.tsv", sep="\t")
    of_runs = [
        pd.read_csv(path, sep="\t") for path in third.output_dir.glob("sub-*/**/*_dseg.tsv")
    ]
    assert len(of_runs) == 3
    assert found["name"].tolist() == ["nine", "two", "five"]
    assert found["index"].tolist() == [9, 2, 5]
    assert found["network"].tolist() == ["b", "a", "a"]
    assert found["runs"].tolist() == [3, 3, 3]
    for i in range(3):
        shares = [run["coverage"][i] for run in of_runs]
        assert found["mean_coverage"][i] == pytest.approx(np.mean(shares))
        assert found["min_coverage"][i] == min(shares)
    assert found["lost_in_runs"].tolist() == [1, 0, 0]


def test_a_broken_matrix_is_named_and_the_others_are_averaged(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    forget(settings)
    broken = next(settings.output_dir.glob("sub-01/**/*_stat-mean_*_desc-simple_relmat.tsv"))
    broken.write_bytes(broken.read_bytes()[:-5])
    assert run_group(settings) == 1
    assert f"missing or broken: sub-01: {broken}: cut off" in capsys.readouterr().err
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    table = table.set_index(["participant_id", "strategy"])
    assert "cut off" in table.loc[("sub-01", "simple"), "problem"]
    assert table["problem"].isna().sum() == 3
    ns = tables(settings.output_dir.glob("group_*_desc-*_stat-n_relmat.tsv"))
    # rawMedian, raw, simpleMedian, simple
    assert [n.loc["two", "five"] for n in ns] == [2, 2, 2, 1]
    assert "cut off" in (settings.output_dir / "group.html").read_text()


@pytest.mark.figures
def test_the_same_results_give_the_same_bytes_in_any_order_of_participants(
    third: Settings,
) -> None:
    def content() -> dict[str, bytes]:
        paths = [*third.output_dir.glob("group_*"), *third.output_dir.glob("figures/*")]
        return {path.name: path.read_bytes() for path in paths}

    run_group(third)
    before = content()
    run_group(replace(third, participant_label=("03", "01", "02", "01")))
    assert content() == before
    # 4 means of JSON, table and figure; spreads, numbers, QC-FC and ICC; edges; four tables with
    # JSON. 4 histograms, cost and reliability of strategies by statistic, and missing labels. Data
    # of the means and of the brain for the page.
    assert len(before) == 4 * 3 + 4 * 2 * 4 + 4 + 4 * 2 + 4 + 2 * 2 + 1 + 5


def test_a_broken_centroid_leaves_its_run_out_and_is_named(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    forget(settings)
    broken = next(settings.output_dir.glob("sub-01/**/*_dseg.tsv"))
    table = pd.read_csv(broken, sep="\t", dtype=str, keep_default_na=False)
    table.loc[1, "centroid_y"] = "-6.O"
    table.to_csv(broken, sep="\t", index=False)
    assert run_group(settings) == 1
    text = f"missing or broken: sub-01: {broken}: centroid_y '-6.O' of label two, a number in mm"
    assert text in capsys.readouterr().err
    table = pd.read_csv(settings.output_dir / "group_atlas-Slabs_qcfc.tsv", sep="\t")
    assert table["participants"].tolist() == [1] * 4
    # One participant has no QC-FC, and its networks a modularity.
    assert table["median_abs_qcfc"].isna().all()
    assert table["modularity"].notna().any()


def test_a_group_of_fewer_leaves_nothing_of_the_one_before(settings: Settings) -> None:
    run_group(settings)
    assert list(settings.output_dir.glob("figures/group_*_stat-median_*_cost.svg"))
    for path in settings.output_dir.rglob("sub-*/**/*_stat-median_*"):
        path.unlink()
    forget(settings)
    assert run_group(settings) == 0
    assert list(settings.output_dir.glob("**/group_*_desc-rawMedian_*")) == []
    assert list(settings.output_dir.glob("figures/group_*_stat-median_*")) == []
    assert len(list(settings.output_dir.glob("group_*_relmat.tsv"))) == 8


def test_the_page_links_to_all_files_and_shows_the_matrices(settings: Settings) -> None:
    run_group(settings)
    page = (settings.output_dir / "group.html").read_text()
    files = {path.name for path in settings.output_dir.glob("group_*.tsv")}
    assert len(files) == 20
    for name in files:
        assert f'href="{name}"' in page
    for path in settings.output_dir.glob("figures/*.svg"):
        assert f'src="figures/{path.name}"' in page


def test_the_page_has_its_sections_and_every_figure_it_shows(third: Settings) -> None:
    run_group(third)
    page = (third.output_dir / "group.html").read_text()
    anchors = re.findall(r'<section id="([^"]+)"', page)
    assert anchors == [
        *("summary", "runs", "quality", "matrices", "strategies", "reliability"),
        *("missing-labels", "participants", "methods", "files"),
    ]
    shown = {unquote(src) for src in re.findall(r'<img src="([^"]+)"', page)}
    pictures = data_of(page)["pictures"]
    shown |= {
        one["src"] for of in pictures for one in [of, *of.get("matrices", [])] if "src" in one
    }
    there = {f"figures/{path.name}" for path in third.output_dir.glob("figures/*")}
    assert shown == there
    assert "figures/group_atlas-Slabs_lost.png" in there
    # Its table has the label that is missing in one of three runs, and no other.
    part = page[page.index('id="missing-labels"') : page.index('id="participants"')]
    assert re.findall(r'<th scope="row"[^>]*>([^<]+)<', part) == ["nine"]
    assert "There is no QC-FC: it needs 4 participants with a mean FD, and there are 3." in page


def test_limits_and_excluded_are_in_the_summary(settings: Settings) -> None:
    assert run_group(replace(settings, max_mean_fd=1e-9, min_minutes=1.0)) == 0
    page = (settings.output_dir / "group.html").read_text()
    assert "4 of 4 rows (run × atlas × strategy): 4 by --max-mean-fd 1e-09, " in page
    assert "by --min-minutes 1" in page
    assert "mean FD" in str(data_of(page)["runs"]["columns"])
    assert data_of(page)["runs"]["marks"] == ["amber"] * 4
    assert "There is no mean matrix." in page
    assert run_group(settings) == 0
    page = (settings.output_dir / "group.html").read_text()
    assert "none: no limits are set" in page


def test_without_static_figures_those_of_before_are_removed_and_the_page_draws(
    settings: Settings,
) -> None:
    figures = settings.output_dir / "figures"
    assert run_group(settings) == 0
    scripts = {path.name for path in figures.glob("*.js")}
    assert {path.suffix for path in figures.iterdir()} == {".js", ".svg"}
    assert run_group(replace(settings, report_figures="none")) == 0
    assert {path.name for path in figures.iterdir()} == scripts
    page = (settings.output_dir / "group.html").read_text()
    assert "<img" not in page
    assert run_group(replace(settings, report_figures="all")) == 0
    assert {path.suffix for path in figures.iterdir()} == {".js", ".svg"}


def test_strategies_come_as_they_were_typed_those_of_the_latest_invocation_first(
    finished: Callable[..., Settings],
) -> None:
    done = finished(*RUNS, denoise=("simple", "none"))
    settings = replace(done, analysis_level="group")
    assert run_group(settings) == 0
    table = pd.read_csv(settings.output_dir / "group_atlas-Slabs_qcfc.tsv", sep="\t")
    assert table["strategy"].tolist() == ["simple", "none"]
    page = (settings.output_dir / "group.html").read_text()
    matrices = next(one for one in data_of(page)["pictures"] if one["kind"] == "matrices")
    assert [one["strategy"] for one in matrices["matrices"]] == ["simple", "none"]
    assert "<dt>Denoising strategies</dt><dd>simple, none</dd>" in page


def test_what_is_broken_is_in_the_summary_without_the_folder(settings: Settings) -> None:
    forget(settings)
    broken = next(settings.output_dir.glob("sub-01/**/*_stat-mean_*_desc-simple_relmat.tsv"))
    broken.write_bytes(broken.read_bytes()[:-5])
    assert run_group(settings) == 1
    page = (settings.output_dir / "group.html").read_text()
    warnings = page[page.index('class="warnings"') : page.index('id="runs"')]
    assert "sub-01: sub-01/ses-a/func/" in warnings
    assert str(settings.output_dir) not in warnings


def test_who_has_runs_in_the_input_alone_is_told(
    own: Settings, add_run: AddRun, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = own
    add_run(settings.bids_dir, "sub-04_ses-a_task-rest")
    assert run_group(settings) == 0
    assert "in the input and not in the output: sub-04\n" in capsys.readouterr().err
    page = (settings.output_dir / "group.html").read_text()
    assert "sub-04" in page
    assert 'href="sub-04.html"' not in page
    assert run_group(replace(settings, participant_label=("01",))) == 0
    assert "sub-04" not in capsys.readouterr().err


@pytest.mark.figures
@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_validator_finds_no_error_after_the_group(settings: Settings) -> None:
    run_group(settings)
    done = subprocess.run(
        [VALIDATOR, settings.output_dir, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_runs_of_other_repetition_times_in_one_mean_are_told(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_group(settings) == 0
    assert "repetition times" not in capsys.readouterr().err
    again = replace(
        settings, analysis_level="participant", participant_label=("02",), overwrite=True
    )
    assert run_participants(replace(again, repetition_time=3.0)) == 0
    capsys.readouterr()
    assert run_group(settings) == 0
    text = "the repetition times of the runs in one mean matrix differ: 2 s (1 run), 3 s (1 run)"
    assert capsys.readouterr().err.count(text) == 1
    assert text in (settings.output_dir / "group.html").read_text()
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    assert table.groupby("participant_id")["repetition_time"].first().tolist() == [2, 3]


def test_the_methods_text_of_the_group_is_on_its_page_and_in_four_files(third: Settings) -> None:
    run_group(third)
    logs = third.output_dir / "logs"
    text = (logs / "CITATION_group.txt").read_text()
    people = len(list(third.output_dir.glob("sub-*.html")))
    assert text.startswith(f"Results of {people} participants were combined")
    page = (third.output_dir / "group.html").read_text()
    for end in ("txt", "md", "tex", "bib"):
        assert (logs / f"CITATION_group.{end}").is_file()
        assert f'<a href="logs/CITATION_group.{end}">' in page
