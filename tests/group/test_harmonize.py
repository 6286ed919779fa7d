"""Harmonised files beside raw ones, judged by neuroCombat and scipy from the raw file."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import h5py
import neuroCombat
import numpy as np
import pandas as pd
import pytest
from edge_tables import ENTITIES, NAMES, table, write_edges
from scipy.stats import f_oneway

from bids_labelx.errors import CannotWriteError
from bids_labelx.group.batches import batches_of
from bids_labelx.group.harmonize import Harmonised, harmonize

N = 24
SITES = np.array(["one"] * 7 + ["two"] * 9 + ["three"] * 8)
AGES = [*(20.5 + (7 * k) % 40 for k in range(N - 1)), "n/a"]
KEPT = N - 1
STEM = "group_atlas-A_meas-correlation_desc-simple"


def edges() -> np.ndarray:
    rng = np.random.default_rng(0)
    z = rng.normal(0.3, 0.1, (N, 15))
    z[SITES == "two"] += rng.normal(0.15, 0.05, 15)
    z[SITES == "three"] *= 1.7
    return z.astype(np.float32)


@pytest.fixture
def made(tmp_path: Path) -> Harmonised:
    """24 participants of three sites, of whom the last one has no age."""
    return harmonised_in(tmp_path, edges())


def harmonised_in(folder: Path, z: np.ndarray) -> Harmonised:
    ids = [f"sub-{k:02d}" for k in range(N)]
    covariates = table(folder / "bids", {"participant_id": ids, "site": SITES, "age": AGES})
    rows = write_edges(folder / "out", z, covariates)
    batches = batches_of(covariates, rows.units, "site", ("age",))
    return harmonize(folder / "out", rows, batches, covariates)


def test_the_harmonised_edges_are_neurocombats(
    made: Harmonised, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sys.modules["neuroCombat.neuroCombat"]
    monkeypatch.setattr(own.it_sol, "__defaults__", (1e-12,))
    known = pd.DataFrame({"site": SITES, "age": AGES})[:KEPT]
    with contextlib.redirect_stdout(io.StringIO()):
        expected = neuroCombat.neuroCombat(
            edges()[:KEPT].T.astype(float), known, "site", continuous_cols=["age"]
        )["data"]
    np.testing.assert_allclose(made.edges.read(), expected.T, rtol=0, atol=1e-6)
    assert made.not_harmonised == 0


def test_the_raw_file_stays_and_the_other_one_has_what_it_has(
    made: Harmonised, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with h5py.File(out / f"{STEM}_edges.h5") as raw:
        np.testing.assert_array_equal(raw["z"][:], edges())
        assert "Harmonisation" not in raw.attrs
        with h5py.File(out / f"{STEM}_harm-combat_edges.h5") as file:
            assert set(file) == set(raw)
            for name in ("participant_id", "runs", "mean_fd", "minutes_kept"):
                np.testing.assert_array_equal(file[name][:], raw[name][:KEPT])
            for name in ("region_1", "region_2", "network_1", "network_2"):
                np.testing.assert_array_equal(file[name][:], raw[name][:])
            ages = file["participants/age"][:]
            about = dict(file.attrs)
            assert about["AveragedOver"] == raw.attrs["AveragedOver"]
    np.testing.assert_array_equal(ages, np.array(AGES[:KEPT], dtype=float))
    assert about["BatchColumn"] == "site"
    assert json.loads(about["BatchCounts"]) == {"one": 7, "three": 7, "two": 9}
    assert json.loads(about["PreservedCovariates"]) == ["age"]
    assert json.loads(about["ParticipantsDropped"]) == {"sub-23": "no age"}
    assert "ComBat" in about["Harmonisation"]
    assert [unit.participant for unit in made.edges.units] == [f"{k:02d}" for k in range(KEPT)]
    assert made.edges.entities == {**ENTITIES, "harm": "combat"}
    assert len(made.edges.mean_fd) == KEPT


def test_mean_spread_and_number_are_those_of_the_harmonised_edges(
    made: Harmonised, tmp_path: Path
) -> None:
    out, z = tmp_path / "out", made.edges.read().astype(float)
    above = np.triu_indices(len(NAMES), k=1)
    found = {}
    for statistic in ("mean", "std", "n"):
        path = out / f"{STEM}_harm-combat_stat-{statistic}_relmat.tsv"
        values = pd.read_csv(path, sep="\t", index_col="name", na_values="n/a")
        assert list(values) == list(values.index) == list(NAMES)
        assert np.allclose(values, values.T, equal_nan=True)
        found[statistic] = values.to_numpy()[above]
        sidecar = json.loads(path.with_suffix(".json").read_text())
        assert sidecar["SourceEntities"] == ENTITIES
        assert sidecar["NumberOfParticipants"] == KEPT
        assert sidecar["ParticipantsDropped"] == {"sub-23": "no age"}
    np.testing.assert_allclose(found["mean"], z.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["std"], z.std(axis=0, ddof=1), rtol=1e-6)
    assert (found["n"] == KEPT).all()
    written = sorted(
        path.relative_to(out) for path in out.glob("*harm*") if path.suffix != ".json"
    )
    assert sorted(made.files) == written


def test_before_and_after_are_analyses_of_variance_of_what_is_in_the_files(
    made: Harmonised,
) -> None:
    sites = SITES[:KEPT]
    for effect, z in ((made.before, edges()[:KEPT]), (made.after, made.edges.read())):
        groups = [z[sites == site].astype(float) for site in ("one", "two", "three")]
        p = f_oneway(*groups).pvalue
        assert effect.share_significant == pytest.approx((p < 0.05).mean())
        grand = np.vstack(groups).mean(axis=0)
        between = sum(len(own) * (own.mean(axis=0) - grand) ** 2 for own in groups)
        eta = between / ((np.vstack(groups) - grand) ** 2).sum(axis=0)
        assert effect.median_eta_squared == pytest.approx(np.median(eta))
        assert effect.quantiles == pytest.approx(np.quantile(eta, np.linspace(0, 1, 41)))
        assert effect.means == pytest.approx(
            {site: own.mean() for site, own in zip(("one", "two", "three"), groups, strict=True)}
        )
        assert effect.edges == 15
    assert made.before.share_significant > 0.5
    assert made.after.share_significant == 0


def test_an_edge_that_a_batch_lacks_is_missing_in_all_and_counted(tmp_path: Path) -> None:
    z = edges()
    z[SITES == "one", 4] = np.nan
    z[0, 7] = np.nan
    made = harmonised_in(tmp_path, z)
    found = made.edges.read()
    assert made.not_harmonised == 1
    assert np.isnan(found).sum(axis=0).tolist() == [KEPT if k == 4 else k == 7 for k in range(15)]
    assert made.before.edges == made.after.edges == 14
    sidecar = json.loads((tmp_path / "out" / made.files[1]).with_suffix(".json").read_text())
    assert sidecar["NumberOfEdgesNotHarmonised"] == 1
    n = pd.read_csv(tmp_path / "out" / made.files[3], sep="\t", index_col="name")
    assert n.to_numpy()[np.triu_indices(6, k=1)][[4, 7]].tolist() == [0, KEPT - 1]


def test_the_same_edges_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for folder in ("a", "b"):
        harmonised_in(tmp_path / folder, edges())
        paths = sorted((tmp_path / folder / "out").iterdir())
        contents.append({path.name: path.read_bytes() for path in paths})
    assert contents[0] == contents[1]


def test_a_full_disk_is_one_message_and_leaves_the_raw_edges(small_disk: Path) -> None:
    """Raw edges of 0.7 MB are on a disk of 1 MB."""
    names = [f"region {k}" for k in range(120)]
    z = np.random.default_rng(1).normal(size=(N, 7140)).astype(np.float32)
    ids = [f"sub-{k:02d}" for k in range(N)]
    small = small_disk / "bids"
    covariates = table(small, {"participant_id": ids, "site": SITES})
    rows = write_edges(small_disk, z, names=names, networks=None)
    batches = batches_of(covariates, rows.units, "site")
    with pytest.raises(CannotWriteError, match=r"harm-combat_edges\.h5.*No space left on device"):
        harmonize(small_disk, rows, batches)
    assert sorted(small_disk.iterdir()) == [small, rows.path]
    np.testing.assert_array_equal(rows.read(), z)
