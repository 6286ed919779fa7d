"""Regressors out of several datasets on real runs, against nilearn's `clean` by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean

from bids_labelx.app.cli import main
from bids_labelx.files import read_tsv

STRATEGY = """
[confounds]
wm_csf = "basic"

[[confounds.tables]]
dataset = "aroma"
desc = "aroma"
suffix = "timeseries"
columns = ["^aroma_motion_\\\\d+$"]

[[confounds.tables]]
dataset = "tedana"
tedana = "KIND"

[clean]
detrend = true
filter = "butterworth"
high_pass = 0.01
low_pass = 0.1
"""

pytestmark = pytest.mark.integration


def companions(real: Path, root: Path) -> dict[str, pd.DataFrame]:
    """Tables as fMRIPost-AROMA and tedana name them; by run, the columns that count."""
    rng = np.random.default_rng(20)
    found = {}
    for path in sorted(real.glob("sub-*/func/*_desc-confounds_timeseries.tsv")):
        stem = path.name.removesuffix("_desc-confounds_timeseries.tsv")
        n_volumes = len(read_tsv(path))
        of_aroma = pd.DataFrame(
            rng.standard_normal((n_volumes, 4)),
            columns=["aroma_motion_01", "aroma_motion_12", "aroma_orth_motion_01", "other"],
        )
        names = [f"ICA_{i:02d}" for i in range(5)]
        mixing = pd.DataFrame(rng.standard_normal((n_volumes, 5)), columns=names)
        classes = ["accepted", "rejected", "accepted", "rejected", "rejected"]
        metrics = pd.DataFrame({"Component": names, "classification": classes})
        for dataset, end, table in (
            ("aroma", "desc-aroma_timeseries", of_aroma),
            ("tedana", "desc-ICA_mixing", mixing),
            ("tedana", "desc-tedana_metrics", metrics),
        ):
            to = root / dataset / path.parent.relative_to(real) / f"{stem}_{end}.tsv"
            to.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(to, sep="\t", index=False)
        tissue = read_tsv(path, numbers=True)[["csf", "white_matter"]]
        found[stem] = pd.concat([tissue, of_aroma.iloc[:, :2], mixing], axis="columns")
    for dataset in ("aroma", "tedana"):
        about = {"Name": dataset, "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
        about["GeneratedBy"] = [{"Name": f"{dataset} like", "Version": "1.2"}]  # type: ignore[assignment]
        (root / dataset / "dataset_description.json").write_text(json.dumps(about))
    return found


@pytest.mark.parametrize("kind", ["rejected", "rejected_orthogonalized"])
def test_series_are_those_of_nilearn_with_the_columns_put_together_by_hand(
    kind: str, shared_data: Path, tmp_path: Path
) -> None:
    real = shared_data / "real-fmriprep-like"
    tables = companions(real, tmp_path)
    (tmp_path / "mine.toml").write_text(STRATEGY.replace("KIND", kind))
    atlas = shared_data / "atlases" / "atlas-dataset"
    out = tmp_path / "out"
    arguments = [real, out, "participant", "--atlas", "AAL", "--atlas-dataset", atlas]
    arguments += ["--datasets", f"aroma={tmp_path / 'aroma'}", f"tedana={tmp_path / 'tedana'}"]
    arguments += ["--denoise", "none", tmp_path / "mine.toml", "--nprocs", "2"]
    assert main(list(map(str, arguments))) == 0
    checked = 0
    for stem, table in tables.items():
        accepted = table[["ICA_00", "ICA_02"]].to_numpy()
        rejected = table[["ICA_01", "ICA_03", "ICA_04"]].to_numpy()
        if kind == "rejected_orthogonalized":
            rejected = rejected - accepted @ np.linalg.lstsq(accepted, rejected, rcond=None)[0]
        columns = [table[["csf", "white_matter"]], table.filter(like="aroma"), rejected]
        regressors = np.column_stack(columns)
        (raw,) = out.glob(f"sub-*/func/{stem}_space-*_desc-raw_timeseries.tsv")
        ours = read_tsv(Path(str(raw).replace("desc-raw", "desc-mine")), numbers=True)
        sidecar = json.loads(
            Path(str(raw).replace("desc-raw", "desc-mine")).with_suffix(".json").read_text()
        )
        series = read_tsv(raw, numbers=True).to_numpy(float)
        there = np.isfinite(series).all(axis=0)
        expected = clean(
            series[:, there],
            confounds=regressors,
            t_r=sidecar["RepetitionTime"],
            detrend=True,
            standardize=None,
            filter="butterworth",
            low_pass=0.1,
            high_pass=0.01,
            butterworth__padtype="constant",
            butterworth__padlen=len(series) - 1,
            butterworth__order=2,
        )
        scale = np.abs(expected).max()
        np.testing.assert_allclose(ours.to_numpy(float)[:, there], expected, atol=1e-6 * scale)
        assert sidecar["ConfoundRegressors"] == [
            *("csf", "white_matter", "aroma_motion_01", "aroma_motion_12"),
            *("ICA_01", "ICA_03", "ICA_04"),
        ]
        sources = [uri for uri in sidecar["Sources"] if uri.endswith(".tsv")]
        assert [uri.split(":")[1] for uri in sources] == [
            *("preprocessed", "aroma", "tedana", "tedana"),
            "atlas-AAL",
        ]
        assert sidecar["PreprocessedBy"] == {
            "fMRIPrep-like arrangement 0": ["image", "mask", "confounds"],
            "aroma like 1.2": [f"{stem}_desc-aroma_timeseries"],
            "tedana like 1.2": [f"{stem}_desc-ICA_mixing", f"{stem}_desc-tedana_metrics"],
        }
        checked += 1
    assert checked == 2
    links = json.loads((out / "dataset_description.json").read_text())["DatasetLinks"]
    assert links["tedana"] == (tmp_path / "tedana").as_uri()
    text = (out / "logs" / "CITATION.md").read_text()
    assert "aroma like 1.2" in text
    assert "tedana like 1.2" in text
