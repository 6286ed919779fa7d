"""Rating of strategies by the group level, from files as the participant level leaves them."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bids_labelx.app import group_ratings
from bids_labelx.app.group import run_group
from bids_labelx.app.group_ratings import scratch_folder
from bids_labelx.errors import CannotWriteError, UsageError
from bids_labelx.files import write_json, write_tsv
from bids_labelx.outputs.paths import output_path
from bids_labelx.settings import Settings, make_settings

NAMES = ["a", "b", "c", "d", "e"]
N, VOLUMES = 12, 40
ABOVE = np.triu_indices(5, k=1)


def series_of(participant: int, session: str, strategy: str) -> np.ndarray:
    """Volumes (40, 5): participants differ, and move by their number."""
    own = np.random.default_rng(participant).normal(0, 1, (5, 5))
    rng = np.random.default_rng([participant, *map(ord, session + strategy)])
    mixed = rng.normal(0, 1, (VOLUMES, 5)) @ own
    return mixed + participant / 6 * rng.normal(0, 1, (VOLUMES, 1))


def write_run(root: Path, participant: int, session: str, strategy: str) -> None:
    label = f"{participant:02d}"
    entities = {
        "sub": label,
        **({"ses": session} if session else {}),
        "task": "rest",
        "atlas": "A",
    }
    labels = pd.DataFrame({"index": range(1, 6), "name": NAMES, "network": list("vvmmm")})
    labels = labels.assign(coverage=1.0, status="ok", centroid_y=0.0, centroid_z=0.0)
    labels["centroid_x"] = labels["index"] ** 2 * 4.0
    write_tsv(root / output_path(entities, "dseg", ".tsv"), labels)
    of = {"stat": "mean", "desc": strategy}
    sidecar = {
        "RepetitionTime": 2.0,
        "Atlas": "A",
        "Statistic": "mean",
        "DenoisingStrategy": strategy,
        "ConfoundRegressors": [],
        "SampleMask": [True] * VOLUMES,
        "NumberOfVolumes": VOLUMES,
        "NumberOfVolumesKept": VOLUMES,
        "DegreesOfFreedom": 30,
        "EffectiveDegreesOfFreedom": 30.0,
        "MeanFramewiseDisplacement": 0.1 + participant / 50,
    }
    series = series_of(participant, session, strategy)
    path = root / output_path(entities, "timeseries", ".tsv", **of)
    write_json(path.with_suffix(".json"), sidecar)
    write_tsv(path, pd.DataFrame(series, columns=NAMES))
    table = pd.DataFrame(np.corrcoef(series.T), index=pd.Index(NAMES, name="name"), columns=NAMES)
    matrix = root / output_path(entities, "relmat", ".tsv", meas="correlation", **of)
    write_tsv(matrix, table, index=True)


def study(
    folder: Path, sessions: Sequence[str] = ("x", "y"), without: str = "", **options: Any
) -> Settings:
    """Settings of a study with two strategies; the second may lack a participant."""
    bids, output = folder / "bids", folder / "out"
    bids.mkdir()
    (bids / "dataset_description.json").write_text('{"Name": "s", "BIDSVersion": "1.10.0"}')
    lines = [f"sub-{i:02d}\t{20 + (i * 7) % 30}\t{'FM'[i % 2]}" for i in range(N)]
    (bids / "participants.tsv").write_text("\n".join(["participant_id\tage\tsex", *lines]) + "\n")
    for i in range(N):
        for session in sessions:
            for strategy in ("simple", "scrub"):
                if (strategy, f"{i:02d}") != ("scrub", without):
                    write_run(output, i, session, strategy)
    write_json(output / "dataset_description.json", {"GeneratedBy": [{"Name": "bids_labelx"}]})
    return make_settings(
        {
            "bids_dir": bids,
            "output_dir": output,
            "analysis_level": "group",
            "report_figures": "none",
            "permutations": 100,
            **options,
        }
    )


def table(settings: Settings, name: str) -> pd.DataFrame:
    path = settings.output_dir / f"group_atlas-A_{name}.tsv"
    return pd.read_csv(path, sep="\t", na_values="n/a").set_index("strategy")


def z_of(participant: int, session: str, strategy: str, part: slice = slice(None)) -> np.ndarray:
    """Fisher z of the edges, shape (10,)."""
    series = series_of(participant, session, strategy)[part]
    return np.asarray(np.arctanh(np.corrcoef(series.T)[ABOVE]))


def identified(first: np.ndarray, second: np.ndarray) -> float:
    """Share of rows that are nearest to their own, from either side."""
    n = len(first)
    r = np.corrcoef(first, second)[:n, n:]
    same = np.arange(n)
    return float(np.mean([r.argmax(axis=1) == same, r.argmax(axis=0) == same]))


@pytest.mark.parametrize("over", [["run"], ["run", "session"]], ids=["apart", "averaged"])
def test_sessions_are_repeats_whether_they_are_averaged_or_not(
    tmp_path: Path, over: list[str]
) -> None:
    settings = study(tmp_path, average_over=over)
    assert run_group(settings) == 0
    found = table(settings, "strategies")
    for strategy in ("simple", "scrub"):
        row = found.loc[strategy]
        assert (row["retest"], row["participants_retest"]) == ("sessions", N)
        x, y = (np.array([z_of(i, s, strategy) for i in range(N)]) for s in "xy")
        assert row["fingerprint"] == pytest.approx(identified(x, y))
        matrix = f"group_task-rest_atlas-A_meas-correlation_desc-{strategy}_stat-icc21_relmat"
        icc = pd.read_csv(settings.output_dir / f"{matrix}.tsv", sep="\t", index_col=0)
        assert icc.to_numpy()[ABOVE].tolist() == pytest.approx(
            [_icc21(x[:, e], y[:, e]) for e in range(10)], abs=1e-5
        )
        about = json.loads((settings.output_dir / f"{matrix}.json").read_text())
        assert about["NumberOfParticipants"] == N
        assert "ICC(2,1) over sessions" in about["RelationshipMeasure"]
    # Of one table of all sessions there is one picture and one part of the page.
    page = (settings.output_dir / "group.html").read_text()
    assert page.count("Reliability is over sessions") == 1


def _icc21(x: np.ndarray, y: np.ndarray) -> float:
    """By sums of squares, Shrout & Fleiss (1979)."""
    both = np.column_stack((x, y))
    grand, n = both.mean(), len(both)
    rows = 2 * ((both.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((both.mean(axis=0) - grand) ** 2).sum()
    rest = ((both - grand) ** 2).sum() - rows * (n - 1) - columns
    error = rest / (n - 1)
    return float((rows - error) / (rows + error + 2 * (columns - error) / n))


def test_halves_of_the_runs_are_repeats_where_there_is_one_run(tmp_path: Path) -> None:
    settings = study(tmp_path, sessions=("",))
    assert run_group(settings) == 0
    row = table(settings, "strategies").loc["scrub"]
    assert (row["retest"], row["participants_retest"]) == ("halves of runs", N)
    halves = [slice(20), slice(20, None)]
    first, second = (np.array([z_of(i, "", "scrub", h) for i in range(N)]) for h in halves)
    assert row["fingerprint"] == pytest.approx(identified(first, second))


def test_a_participant_whom_a_strategy_lacks_is_in_no_comparison(tmp_path: Path) -> None:
    settings = study(tmp_path, sessions=("",), without="03")
    assert run_group(settings) == 0
    rated, qcfc = table(settings, "strategies"), table(settings, "qcfc")
    assert rated["participants"].tolist() == qcfc["participants"].tolist() == [N - 1] * 2
    assert dict(qcfc["participants_of_strategy"]) == {"simple": N, "scrub": N - 1}
    kept = [i for i in range(N) if i != 3]
    for strategy in ("simple", "scrub"):
        z = np.array([z_of(i, "", strategy) for i in kept])
        r = [np.corrcoef(z[:, e], kept)[0, 1] for e in range(10)]
        median = np.median(np.abs(r))
        assert rated.loc[strategy, "median_abs_qcfc"] == pytest.approx(median, abs=1e-5)
        assert qcfc.loc[strategy, "median_abs_qcfc"] == pytest.approx(median, abs=1e-5)
        name = f"group_task-rest_atlas-A_meas-correlation_desc-{strategy}_stat-qcfc_relmat"
        matrix = pd.read_csv(settings.output_dir / f"{name}.tsv", sep="\t", index_col=0)
        np.testing.assert_allclose(matrix.to_numpy()[ABOVE], r, atol=1e-5)
        about = json.loads((settings.output_dir / f"{name}.json").read_text())
        assert about["NumberOfParticipantsOfQcFc"] == N - 1
    page = (settings.output_dir / "group.html").read_text()
    assert "lack them: sub-03." in page
    assert "by themselves they have" in page


def test_equal_participants_leave_qcfc_as_it_was(tmp_path: Path) -> None:
    settings = study(tmp_path, sessions=("",))
    assert run_group(settings) == 0
    columns = set(table(settings, "qcfc"))
    assert not {"participants_of_strategy", "covariates"} & columns
    for path in settings.output_dir.glob("*_stat-qcfc_relmat.json"):
        assert "NumberOfParticipantsOfQcFc" not in json.loads(path.read_text())
    same = "median_abs_qcfc", "share_significant", "distance_dependence", "mean_dof_lost"
    for column in same:
        one, other = table(settings, "qcfc")[column], table(settings, "strategies")[column]
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_covariates_and_criteria_are_in_the_tables_and_on_the_page(tmp_path: Path) -> None:
    settings = study(
        tmp_path, sessions=("",), qcfc_covariates=["age", "sex"], criterion=["age", "sex"]
    )
    assert run_group(settings) == 0
    qcfc = table(settings, "qcfc")
    assert qcfc["covariates"].tolist() == ["age, sex"] * 2
    participants = np.arange(N)
    design = np.column_stack((np.ones(N), 20 + participants * 7 % 30, participants % 2))
    project = np.eye(N) - design @ np.linalg.pinv(design)
    z = np.array([z_of(i, "", "simple") for i in range(N)])
    r = [np.corrcoef(project @ z[:, e], project @ participants)[0, 1] for e in range(10)]
    assert qcfc.loc["simple", "median_abs_qcfc"] == pytest.approx(np.median(np.abs(r)), abs=1e-5)
    rated = table(settings, "strategies")
    assert rated["criterion_age_participants"].tolist() == [N] * 2
    assert rated["criterion_sex_auc"].between(0, 1).all()
    described = json.loads((settings.output_dir / "group_atlas-A_strategies.json").read_text())
    assert "area under the roc" in described["criterion_sex_auc"]["Description"].lower()
    page = (settings.output_dir / "group.html").read_text()
    assert "partial correlation that holds age and sex constant" in page
    assert "age is predicted with an r of" in page


def test_a_wrong_column_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    settings = study(tmp_path, sessions=("",), criterion=["agee"])
    before = sorted(settings.output_dir.rglob("*"))
    with pytest.raises(UsageError, match="no column agee, did you mean age"):
        run_group(settings)
    assert sorted(settings.output_dir.rglob("*")) == before


def test_the_same_results_give_the_same_bytes_and_leave_no_scratch(tmp_path: Path) -> None:
    settings = study(tmp_path)
    run_group(settings)
    names = [path.name for path in settings.output_dir.iterdir()]
    assert [name for name in names if name.startswith("bids_labelx-")] == []
    path = settings.output_dir / "group_atlas-A_strategies.tsv"
    before = path.read_bytes()
    run_group(settings)
    assert path.read_bytes() == before


def test_what_a_killed_invocation_left_is_removed(tmp_path: Path) -> None:
    settings = study(tmp_path, sessions=("",))
    with scratch_folder(settings) as mine:
        left = mine.with_name(mine.name + "0")
        left.mkdir()
        (left / ".alive").touch()
        (left / "0.float32").touch()
    assert not mine.exists()
    run_group(settings)
    assert not left.exists()


def test_a_scratch_folder_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = study(tmp_path, sessions=())

    def full(_: Path) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(group_ratings, "temporary_folder", full)
    with pytest.raises(CannotWriteError, match=r"temporary folder in .*: Permission denied"):
        scratch_folder(settings).__enter__()


def test_a_series_that_cannot_be_read_is_named_and_its_participant_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(tmp_path, sessions=("",))
    path = next(settings.output_dir.glob("sub-04/func/*desc-scrub_timeseries.tsv"))
    head, first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([head, first.replace("\t", "\tx", 1), *rest]))
    assert run_group(settings) == 1
    assert "sub-04" in capsys.readouterr().err
    found = table(settings, "strategies")
    assert found["participants_retest"].tolist() == [N - 1] * 2
    quality = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    problems = quality[quality["problem"].notna() & (quality["problem"] != "n/a")]
    assert problems["participant_id"].tolist() == ["sub-04"]
