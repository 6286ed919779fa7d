"""``--demo`` from the command line: both levels, and the truth that was simulated comes back."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import matplotlib.image
import networkx
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api
from scipy.stats import pearsonr, spearmanr

from bids_labelx.names import parse_name
from bids_labelx.outputs.results import read_series, series_paths

pytestmark = pytest.mark.integration

VOLUMES = "_space-MNI152NLin2009cAsym_"
VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


def matrix(output: Path, path: Path) -> pd.DataFrame:
    found = read_series(output, path).matrices()
    assert len(found) == 1
    return pd.read_csv(output / found[0], sep="\t", index_col=0)


def test_both_levels_are_written_for_all_subjects(demo: tuple[Path, str]) -> None:
    output = demo[0] / "bids_labelx"
    assert [len(series_paths(output, sub)) for sub in ("01", "02", "08", "16")] == [*(12, 6, 3, 6)]
    for name in ("sub-01.html", "sub-02.html", "group.html", "group_qc.tsv", ".bidsignore"):
        assert (output / name).is_file()
    assert len(pd.read_csv(output / "group_qc.tsv", sep="\t")) == 84


def test_it_says_where_to_look(demo: tuple[Path, str]) -> None:
    for name in ("sub-01.html", "group.html", "group_qc.tsv", "truth.tsv"):
        assert name in demo[1]


def test_the_denoised_matrices_recover_the_simulated_network(demo: tuple[Path, str]) -> None:
    output = demo[0] / "bids_labelx"
    truth = pd.read_csv(demo[0] / "truth.tsv", sep="\t", index_col=0)
    edges = np.triu_indices(len(truth), k=1)
    found: dict[str, list[np.ndarray]] = {"raw": [], "simple": [], "scrubbing5": []}
    for participant in ("01", "02"):
        for path in series_paths(output, participant):
            one = matrix(output, path)
            assert one.index.tolist() == one.columns.tolist() == truth.index.tolist()
            strategy = parse_name(path).entities["desc"]
            found[strategy].append(one.to_numpy()[edges])
    expected = truth.to_numpy()[edges]
    # Five runs in the volume, and one of them on surfaces, too.
    assert len(found["scrubbing5"]) == 6
    for values in (*found["simple"], *found["scrubbing5"]):
        # The spread of a correlation over 166 degrees of freedom is about 0.08.
        assert np.abs(values - expected).mean() < 0.1
        assert np.abs(values - expected).max() < 0.3
    assert np.abs(np.mean(found["simple"], axis=0) - expected).mean() < 0.05
    for values in found["raw"]:
        assert np.abs(values - expected).mean() > 0.4


def of_participants(demo: Path, desc: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Fisher z (16, 12, 12) and mean FD (16,) of the participants, and the runs' lost freedom.

    From the matrices, series and input of each run; runs of a participant are averaged.
    """
    z: dict[str, list[np.ndarray]] = {}
    fd: dict[str, list[float]] = {}
    weights: dict[str, list[float]] = {}
    lost = []
    for sub in (f"{i:02d}" for i in range(1, 17)):
        for series in series_paths(demo / "bids_labelx", sub):
            if f"_desc-{desc}_" in series.name and VOLUMES in series.name:
                r = matrix(demo / "bids_labelx", series).to_numpy()
                z.setdefault(sub, []).append(np.arctanh(np.where(np.eye(12), np.nan, r)))
                run = series.name.split("_space-")[0]
                table_of = next((demo / "simulated").rglob(f"{run}_desc-conf*.tsv"))
                values = pd.read_csv(table_of, sep="\t")["framewise_displacement"]
                fd.setdefault(sub, []).append(values.mean())
                sidecar = read_series(demo / "bids_labelx", series).sidecar
                left = sidecar["EffectiveDegreesOfFreedom"]
                weights.setdefault(sub, []).append(left)
                lost.append(sidecar["NumberOfVolumes"] - left)
    means = np.array([np.average(z[sub], axis=0, weights=weights[sub]) for sub in z])
    return means, np.array([np.mean(runs) for runs in fd.values()]), lost


def test_scrubbing_lowers_what_connectivity_has_to_do_with_motion(demo: tuple[Path, str]) -> None:
    output = demo[0] / "bids_labelx"
    (path,) = output.glob("group_*_qcfc.tsv")
    table = pd.read_csv(path, sep="\t").set_index("strategy")
    table = table[table["space"] != "fsLR"]
    assert table["participants"].tolist() == [16] * 3
    (atlas,) = (demo[0] / "atlas").rglob("*_dseg.nii.gz")
    labels = nib.load(atlas)
    names = pd.read_csv(next(output.glob(f"sub-01/**/*{VOLUMES}*_dseg.tsv")), sep="\t")
    middles = [
        nib.affines.apply_affine(labels.affine, np.argwhere(labels.get_fdata() == index)).mean(0)
        for index in names["index"]
    ]
    pairs = [(i, j) for i in range(12) for j in range(i + 1, 12)]
    for strategy, desc in (("simple", "simple"), ("scrubbing.5", "scrubbing5"), ("none", "raw")):
        z, motion, lost = of_participants(demo[0], desc)
        found = [pearsonr(z[:, i, j], motion) for i, j in pairs]
        r = [one.statistic for one in found]
        # Benjamini & Hochberg: all up to the last that is below its share of 5 %.
        below = [
            p <= 0.05 * (k + 1) / 66 for k, p in enumerate(sorted(one.pvalue for one in found))
        ]
        significant = max((k + 1 for k in range(66) if below[k]), default=0) / 66
        millimetres = [np.linalg.norm(middles[i] - middles[j]) for i, j in pairs]
        row = table.loc[strategy]
        assert row["median_abs_qcfc"] == pytest.approx(np.median(np.abs(r)), rel=1e-5)
        assert row["share_significant"] == pytest.approx(significant)
        rho = spearmanr(r, millimetres).statistic
        assert row["distance_dependence"] == pytest.approx(rho, abs=1e-4)
        assert row["mean_dof_lost"] == pytest.approx(np.mean(lost))
        positive = np.maximum(np.nan_to_num(z.mean(axis=0)), 0)
        graph = networkx.from_numpy_array(positive)
        parts = [set(members.index) for _, members in names.groupby("network")]
        q = networkx.community.modularity(graph, parts, weight="weight")
        assert row["modularity"] == pytest.approx(q, rel=1e-5)
        assert f"median QC-FC {np.median(np.abs(r)):.2f}" in demo[1]
    # By chance, 16 participants have a median of about 0.18.
    assert table["median_abs_qcfc"]["simple"] > 0.35
    assert table["median_abs_qcfc"]["scrubbing.5"] < 0.25


def test_scrubbing_finds_the_individuals_whom_motion_hides(demo: tuple[Path, str]) -> None:
    output = demo[0] / "bids_labelx"
    (path,) = output.glob("group_*_strategies.tsv")
    table = pd.read_csv(path, sep="\t").dropna(subset="retest").set_index("strategy")
    assert table["retest"].unique().tolist() == ["sessions"]
    for strategy, desc in (("none", "raw"), ("simple", "simple"), ("scrubbing.5", "scrubbing5")):
        series = sorted(output.glob(f"sub-*/ses-*/func/*{VOLUMES}*_desc-{desc}_timeseries.tsv"))
        of_session: dict[tuple[str, str], list[np.ndarray]] = {}
        for one in series:
            sub, session = one.name.split("_")[:2]
            r = pd.read_csv(one, sep="\t").corr().to_numpy()[np.triu_indices(12, k=1)]
            of_session.setdefault((sub, session), []).append(np.arctanh(r))
        subs = [sub for sub, session in of_session if session == "ses-post"]
        both = [
            np.array([np.mean(of_session[sub, session], axis=0) for sub in subs])
            for session in ("ses-pre", "ses-post")
        ]
        n = len(subs)
        alike = np.corrcoef(*both)[:n, n:]
        hits = [(alike.argmax(axis=axis) == np.arange(n)).mean() for axis in (0, 1)]
        row = table.loc[strategy]
        assert row["participants_retest"] == n == 10
        assert row["fingerprint"] == pytest.approx(np.mean(hits))
        told = f"{np.mean(hits):.0%} of retested participants identified"
        assert f"median retest ICC {row['icc21_median']:.2f}, {told}" in demo[1]
    assert table.loc["scrubbing.5", "icc21_median"] > table.loc["none", "icc21_median"] + 0.1
    assert table.loc["scrubbing.5", "fingerprint"] > 0.7 > 0.4 > table.loc["none", "fingerprint"]


def test_the_figures_of_the_pages_are_the_demo_s(demo: tuple[Path, str]) -> None:
    output, figures = demo[0] / "bids_labelx", Path(__file__).parents[2] / "docs" / "figures"
    command = [sys.executable, "-m", "bids_labelx", demo[0] / "simulated", output, "participant"]
    command += ["--reports-only", "--report-figures", "all", "--participant-label", "08"]
    subprocess.run(command, check=True)
    (carpet,) = (output / "sub-08" / "figures").glob("*_carpet.png")
    # The pages' has fewer colours.
    one, other = (
        matplotlib.image.imread(path)[:, :, :3] for path in (carpet, figures / "carpet.png")
    )
    assert one.shape == other.shape
    # Another release of matplotlib may draw a letter otherwise.
    assert np.abs(one - other).mean() < 0.02
    for pattern, name in (
        ("*space-MNI*_qcfc.svg", "qcfc.svg"),
        ("*space-MNI*_ratings.svg", "ratings.svg"),
        ("*space-MNI*_glass.svg", "glass.svg"),
    ):
        (drawn,) = (output / "figures").glob(pattern)
        texts = [
            re.findall(r"<text[^>]*>(.*?)</text>", path.read_text())
            for path in (drawn, figures / name)
        ]
        assert texts[0] == texts[1], name
        assert "scrubbing.5" in " ".join(texts[0])


def test_the_series_and_the_matrix_beside_it_belong_together(demo: tuple[Path, str]) -> None:
    output = demo[0] / "bids_labelx"
    for path in series_paths(output, "01"):
        series = pd.read_csv(output / path, sep="\t")
        np.testing.assert_allclose(matrix(output, path), np.corrcoef(series.T), atol=1e-6)


def test_metadata_that_stand_at_the_root_only_reach_the_sidecars(demo: tuple[Path, str]) -> None:
    output = demo[0] / "bids_labelx"
    bold = "sub-02_ses-post_task-rest_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.json"
    own = demo[0] / "simulated" / "sub-02" / "ses-post" / "func" / bold
    assert not own.exists() or "RepetitionTime" not in json.loads(own.read_text())
    for path in series_paths(output, "02"):
        assert read_series(output, path).sidecar["RepetitionTime"] == 2.0


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_validator_finds_no_error_in_the_output(demo: tuple[Path, str]) -> None:
    done = subprocess.run(
        [VALIDATOR, demo[0] / "bids_labelx", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0


def harmonised_edges(output: Path, desc: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Fisher z of the harmonised edges, and who the rows are, in their order."""
    (path,) = output.glob(f"group_*_desc-{desc}_harm-combat_edges.h5")
    with h5py.File(path) as file:
        people = file["participant_id"].asstr()[:]
        table = pd.read_csv(output.parent / "simulated" / "participants.tsv", sep="\t")
        own = table.set_index("participant_id").loc[people]
        return file["z"][:].astype(float), own.assign(mean_fd=file["mean_fd"][:])


@pytest.mark.parametrize(
    ("strategy", "desc"), [("none", "raw"), ("simple", "simple"), ("scrubbing.5", "scrubbing5")]
)
def test_the_simulated_difference_of_patients_is_found_and_no_other(
    demo: tuple[Path, str], strategy: str, desc: str
) -> None:
    """Judges: statsmodels for the model, the truth for what should be found."""
    output = demo[0] / "bids_labelx"
    z, people = harmonised_edges(output, desc)
    patient = (people["group"] == "patient").to_numpy(float)
    second = (people["scanner"] == "B").to_numpy(float)
    design = statsmodels.api.add_constant(np.column_stack([patient, second, people["mean_fd"]]))
    fits = [statsmodels.api.OLS(edge, design).fit() for edge in z.T]
    (path,) = output.glob(f"group_*_desc-{desc}_harm-combat_model-A_contrast-group_edges.tsv")
    table = pd.read_csv(path, sep="\t")
    np.testing.assert_allclose(table["beta"], [one.params[1] for one in fits], rtol=1e-4)
    np.testing.assert_allclose(table["t"], [one.tvalues[1] for one in fits], rtol=1e-4)
    network = [table[f"network_{k}"].to_numpy() for k in (1, 2)]
    true = np.array([{*pair} == {"Visual", "Default"} for pair in zip(*network, strict=True)])
    assert true.sum() == 16
    found = (table["p_fwe"] < 0.05).to_numpy()
    assert not found[~true].any()
    by = table["beta"][true].mean()
    assert (
        f"{strategy}: patients differ from controls in {found[true].sum()} of the 16 edges that "
        f"were simulated to differ (family-wise p < 0.05), by {by:.2f} in Fisher z on average for "
        f"{np.arctanh(0.35) - np.arctanh(-0.15):.2f}, and in 0 of 50 others"
    ) in demo[1]
    if strategy == "scrubbing.5":
        assert found[true].all()
        assert by == pytest.approx(np.arctanh(0.35) + np.arctanh(0.15), abs=0.08)


def test_the_second_scanner_is_seen_in_the_edges_until_they_are_harmonised(
    demo: tuple[Path, str],
) -> None:
    output = demo[0] / "bids_labelx"
    after, people = harmonised_edges(output, "scrubbing5")
    (path,) = output.glob("group_*MNI*_desc-scrubbing5_edges.h5")
    with h5py.File(path) as file:
        before = file["z"][:].astype(float)
    second = (people["scanner"] == "B").to_numpy()
    shares = [
        (scipy.stats.f_oneway(z[second], z[~second]).pvalue < 0.05).mean() for z in (before, after)
    ]
    assert shares[0] > 0.3
    assert shares[1] < 0.05
    # The signal that the scanner adds to all regions raises what is correlated little.
    low = before[~second].mean(axis=0) < 0.3
    assert (before[second] - before[~second].mean(axis=0))[:, low].mean() > 0.1
