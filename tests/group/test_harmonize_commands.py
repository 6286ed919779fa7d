"""--harmonize and --parquet through the command line: files, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from model_study import NAME, Study

from bids_labelx.statistics.combat import combat

LABELS = [f"{k:02d}" for k in range(1, 13)]
AGES = [21.5, 34, 56, 23, 45, 61, 38, 29, 50, 44, 33, 27]
SITES = [1, 2, 2, 1, 1, 2, 2, 2, 1, 2, 1, 1]
COMBAT = ("--harmonize", "combat", "--batch", "site")


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Twelve participants of two sites."""
    made = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        made.add(label, seed)
    ids = [f"sub-{label}" for label in LABELS]
    made.table({"participant_id": ids, "age": AGES, "site": SITES, "study": ["p"] * 12})
    return made


def written(study: Study) -> list[str]:
    return sorted(path.name for path in study.out.glob("group*"))


def harmonised(study: Study, *covariates: list[float]) -> np.ndarray:
    """Fisher z of all edges, harmonised from the participants' matrices."""
    z = np.array([study.z(label) for label in LABELS])
    of = np.column_stack(covariates) if covariates else None
    return combat(z, [str(site) for site in SITES], of)[0]


def test_harmonised_files_stand_beside_the_raw_ones(study: Study) -> None:
    assert study.group() == 0
    raw = written(study)
    contents = {name: (study.out / name).read_bytes() for name in raw if "_atlas-" in name}
    assert study.group(*COMBAT, "--preserve", "age") == 0
    new = {one for one in written(study) if one not in raw}
    stem = f"{NAME}_harm-combat"
    tables = {f"{stem}_stat-{one}_relmat" for one in ("mean", "std", "n")}
    ends = {f"{one}.{end}" for one in tables for end in ("tsv", "json")}
    assert new == {f"{stem}_edges.h5", *ends}
    assert {name: (study.out / name).read_bytes() for name in contents} == contents
    with h5py.File(study.out / f"{stem}_edges.h5") as file:
        np.testing.assert_allclose(file["z"][:], harmonised(study, AGES), atol=1e-6)
    # What is not asked for any more is removed.
    assert study.group() == 0
    assert written(study) == raw


def test_models_are_of_the_harmonised_edges(study: Study) -> None:
    model = ("--model", "age + site", "--contrast", "age", "--permutations", "0")
    kept = ("--preserve", "age")
    assert study.group("--harmonize", "COMBAT", *COMBAT[2:], *kept, *model) == 0
    assert (
        {one for one in written(study) if "_model-" in one}
        == {one for one in written(study) if "_harm-combat_model-A" in one}
        != set()
    )
    edges = study.read("model-A_contrast-age_edges", f"{NAME}_harm-combat")
    expected = [
        smf.ols("z ~ age + site", pd.DataFrame({"z": z, "age": AGES, "site": SITES}))
        .fit()
        .tvalues["age"]
        for z in harmonised(study, AGES).T
    ]
    np.testing.assert_allclose(edges["t"], expected, rtol=1e-4)


def test_parquet_files_are_of_raw_and_harmonised_edges_and_of_regions(study: Study) -> None:
    assert study.group(*COMBAT, "--parquet") == 0
    for stem in (NAME, f"{NAME}_harm-combat"):
        table = pd.read_parquet(study.out / f"{stem}_edges.parquet")
        with h5py.File(study.out / f"{stem}_edges.h5") as file:
            np.testing.assert_array_equal(table.iloc[:, -6:], file["z"][:])
        assert table["age"].tolist() == AGES
    regions = pd.read_parquet(study.out / "group_regions.parquet")
    assert len(regions) == 12 * 4
    recorded = json.loads((study.out / "logs" / "group.json").read_text())["files"]
    assert sorted(one for one in recorded if one.endswith(".parquet")) == [
        one for one in written(study) if one.endswith(".parquet")
    ]
    assert study.group() == 0
    assert not list(study.out.glob("*.parquet"))


def z_of(out: Path, label: str, session: str) -> np.ndarray:
    """Fisher z of the run of a session."""
    (path,) = (out / f"sub-{label}" / f"ses-{session}").rglob("*_relmat.tsv")
    r = pd.read_csv(path, sep="\t", index_col=0).to_numpy()
    return np.arctanh(r[np.triu_indices(len(r), k=1)])


def test_sessions_are_harmonised_by_the_scanner_of_each(
    tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    study = Study(tmp_path, write_run)
    for k, label in enumerate(LABELS[:8]):
        for session in "ab":
            study.add(label, k + 20 * (session == "b"), ses=session)
        scanners = {"session_id": ["ses-a", "ses-b"], "scanner": ["PQ"[k % 2], "QP"[k % 2]]}
        study.table(scanners, f"sub-{label}/sub-{label}_sessions.tsv")
    study.table({"participant_id": LABELS[:8]})
    assert study.group("--harmonize", "combat", "--batch", "scanner") == 0
    for session, first in (("a", "P"), ("b", "Q")):
        (path,) = study.out.glob(f"group_ses-{session}_*_harm-combat_edges.h5")
        z = np.array([z_of(study.out, label, session) for label in LABELS[:8]])
        other = {"P": "Q", "Q": "P"}[first]
        with h5py.File(path) as file:
            expected = combat(z, [first, other] * 4)[0]
            np.testing.assert_allclose(file["z"][:], expected, atol=1e-6)


def test_a_session_of_one_scanner_alone_is_noted_and_the_other_one_harmonised(
    tmp_path: Path, write_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study(tmp_path, write_run)
    for seed, (label, site) in enumerate(zip(LABELS, SITES, strict=True)):
        study.add(label, seed, ses="a")
        if site == 1:
            study.add(label, seed + 20, ses="b")
    study.table({"participant_id": LABELS, "site": SITES})
    assert study.group(*COMBAT) == 0
    assert [one for one in written(study) if one.endswith("_harm-combat_edges.h5")] == [
        f"group_ses-a_{NAME.removeprefix('group_')}_harm-combat_edges.h5"
    ]
    told = capsys.readouterr().err
    assert f"neither harmonised nor modelled: group_ses-b_{NAME.removeprefix('group_')}: " in told
    assert "site: one batch only (1)" in told
    assert "neither harmonised nor modelled" in (study.out / "group.html").read_text()


def test_one_edge_is_refused_after_the_raw_files_are_written(
    tmp_path: Path, write_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    atlas = pd.DataFrame({"index": [1, 2], "name": ["one", "two"]})
    study = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        study.add(label, seed, atlas=atlas)
    study.table({"participant_id": LABELS, "site": SITES})
    assert study.group(*COMBAT) == 65
    assert "pools its estimates over edges, and 1 of 1" in capsys.readouterr().err
    assert not [one for one in written(study) if "harm" in one]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--harmonize", "combat"), "--harmonize: say which covariate has the batches"),
        (("--harmonize", "other", "--batch", "site"), "'other': choose from combat"),
        (("--batch", "site"), "--batch: is for --harmonize"),
        ((*COMBAT, "--preserve", "site"), "--preserve site: it is the batch"),
        (
            (*COMBAT, "--model", "1", "--contrast", "Intercept", "--model-rows", "run"),
            "--model-rows run models those of single runs",
        ),
        (("--harmonize", "combat", "--batch", "scanner"), "there is no column scanner"),
        (("--harmonize", "combat", "--batch", "study"), "one batch only"),
        ((*COMBAT, "--preserve", "study"), "study: the same for all rows of a batch"),
    ],
    ids=["no-batch", "method", "alone", "itself", "runs", "no-column", "one-batch", "confounded"],
)
def test_it_is_refused_and_nothing_is_written(
    study: Study, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.group(*arguments) not in (0, 1)
    assert message in capsys.readouterr().err
    assert written(study) == []


def test_without_a_table_of_participants_it_is_refused(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.bids / "participants.tsv").unlink()
    assert study.group(*COMBAT) == 66
    assert "participants.tsv: there is no such file" in capsys.readouterr().err
    assert written(study) == []
    assert study.group() == 0


def test_without_pyarrow_nothing_is_written(study: Study, tmp_path: Path) -> None:
    package = tmp_path / "without" / "pyarrow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('not here')\n")
    paths = [str(package.parent), *filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, "-m", "bids_labelx", study.bids, study.out, "group", "--parquet"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert "pip install 'bids_labelx[parquet]'" in done.stderr
    assert written(study) == []


def test_a_broken_table_of_participants_is_noted_where_no_option_needs_it(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.bids / "participants.tsv").write_text("label\tage\n01\t2\n")
    assert study.group() == 0
    assert "its columns are not in the tables of edges" in capsys.readouterr().err
    with h5py.File(study.out / f"{NAME}_edges.h5") as file:
        assert "participants" not in file
