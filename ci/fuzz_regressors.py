"""The readers of other programs' regressors that `ci/fuzz` feeds with spoilt files."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from fuzz_engine import Attempt
from fuzz_targets import plain_text, require

from bids_labelx.denoise import read_strategies
from bids_labelx.denoise.columns import wanted_columns
from bids_labelx.denoise.motion_files import read_motion_file
from bids_labelx.denoise.tables import table_query
from bids_labelx.denoise.tedana import read_tedana

_ORDER = {"fsl": [3, 4, 5, 0, 1, 2], "spm": [0, 1, 2, 3, 4, 5], "afni": [4, 5, 3, 1, 2, 0]}
_PARAMETERS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


def motion(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Text files of motion parameters; their names begin with whose they are."""
    rows = np.random.default_rng(0).normal(scale=0.2, size=(12, 6))
    lines = [[f"{value:.5f}" for value in row] for row in rows]
    files = {
        "fsl.par": "".join("  ".join(line) + "  \n" for line in lines),
        "spm.txt": "".join("\t".join(line) + "\n" for line in lines),
        "afni.1D": "# roll pitch yaw\n" + "".join(" ".join(line) + "\n" for line in lines),
        "spm.csv": "".join(",".join(line) + "\n" for line in lines),
    }

    def attempt(name: str, content: bytes) -> None:
        path, source = folder / name, name.partition(".")[0]
        path.write_bytes(content)
        table = read_motion_file(path, source)
        plain = plain_text(content).replace(",", " ")
        kept = [line for line in plain.split("\n") if not line.lstrip().startswith("#")]
        naive = np.loadtxt(io.StringIO("\n".join(kept)), ndmin=2)[:, _ORDER[source]]
        if source == "afni":
            naive[:, 3:] = np.radians(naive[:, 3:])
        same = naive.shape == (len(table), 6) and np.allclose(naive, table[_PARAMETERS], 1e-12, 0)
        require(same, "other numbers", f"{naive} {table[_PARAMETERS]}")
        require(np.isfinite(naive).all(), "a number that is none", naive)
        require((np.abs(naive[:, 3:]) < 6.3).all(), "more than a turn", naive)

    return {name: text.encode() for name, text in files.items()}, attempt


def tedana(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """tedana's mixing matrix and table of metrics, of which one is spoilt at a time."""
    rng = np.random.default_rng(1)
    names = [f"ICA_{i:02d}" for i in range(6)]
    mixing = pd.DataFrame(rng.standard_normal((15, 6)), columns=names)
    classes = ["accepted", "rejected", "ignored", "rejected", "accepted", "rejected"]
    metrics = pd.DataFrame({"Component": names, "kappa": 30.5, "classification": classes})
    files = {
        "mixing.tsv": mixing.to_csv(sep="\t", index=False, float_format="%.4f").encode(),
        "metrics.tsv": metrics.to_csv(sep="\t", index=False).encode(),
    }

    def attempt(name: str, content: bytes) -> None:
        for file, intact in files.items():
            (folder / file).write_bytes(content if file == name else intact)
        paths = folder / "mixing.tsv", folder / "metrics.tsv"
        found, remarks = read_tedana(*paths, "rejected")
        series, about = (_cells(path.read_bytes()) for path in paths)
        pairs = [*zip(about["Component"], about["classification"], strict=True)]
        rejected = [component.strip() for component, kind in pairs if kind == "rejected"]
        accepted = [component.strip() for component, kind in pairs if kind == "accepted"]
        require(sorted(found) == sorted(rejected), "other components", f"{list(found)} {rejected}")
        require(bool(rejected) != bool(remarks), "a remark too few or many", remarks)
        numbers = {name: np.array(list(map(float, cells))) for name, cells in series.items()}
        for column in rejected:
            same = np.allclose(found[column], numbers[column], 1e-12, 0)
            require(same, "other numbers", column)
        orthogonal, _ = read_tedana(*paths, "rejected_orthogonalized")
        for column in accepted:
            shared = np.abs(numbers[column] @ orthogonal.to_numpy())
            scale = np.abs(numbers[column]).sum() * np.abs(found.to_numpy()).max(initial=1)
            require((shared <= 1e-9 * scale).all(), "not orthogonal", shared)

    return files, attempt


def _cells(content: bytes) -> dict[str, list[str]]:
    """Cells by heading."""
    lines = [line.split("\t") for line in plain_text(content).split("\n") if line.strip()]
    rows = [[cell.strip().strip('"') for cell in line] for line in lines]
    return {name: [row[k] for row in rows[1:]] for k, name in enumerate(rows[0]) if name}


_XCP_D = """name: mine
description: |
  Six columns [@someone].
confounds:
  preproc_confounds:
    dataset: preprocessed
    query:
      space: null
      desc: confounds
      extension: .tsv
      suffix: timeseries
    columns:
    - trans_x
    - csf
    - ^w_comp_cor_0[0-4]$
    # Cosines
    - ^cosine\\d+$
"""
_AVAILABLE = ["trans_x", "csf", "w_comp_cor_00", "w_comp_cor_07", "cosine00", "Cosine01", "csf_wm"]


def xcp_d(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Files of XCP-D's; which of seven columns they take."""

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        (strategy,) = read_strategies([path])
        asked = yaml.safe_load(plain_text(content))
        require(strategy.name == asked.get("name", path.stem), "another name", strategy.name)
        expected, lacking = [], False
        for one in asked["confounds"].values():
            query = {key: value for key, value in one["query"].items() if value is not None}
            table = tuple(str(query.get(key, "")).strip() for key in ("suffix", "desc"))
            dataset = one["dataset"].strip()
            require(str(query["extension"]).strip() == ".tsv", "another extension", query)
            if (dataset, *table) != ("preprocessed", "timeseries", "confounds"):
                # Another table, which the run or --datasets may have.
                found_tables = map(table_query, strategy.confounds.get("tables", ()))
                there = [(each.dataset, each.suffix, each.desc) for each in found_tables]
                require((dataset, *table) in there, "another table", f"{query} {there}")
                continue
            for column in one["columns"]:
                matched = [
                    other
                    for other in _AVAILABLE
                    if (
                        re.match(column, other, re.IGNORECASE)
                        if column.startswith("^")
                        else column == other
                    )
                ]
                expected += matched
                lacking |= not matched
        found = wanted_columns(strategy.confounds, _AVAILABLE, n_volumes=9, t_r=2.0, metadata={})
        require(bool(found.lacking) == lacking, "other columns lack", found.lacking)
        if not lacking:
            same = sorted(found.columns) == sorted(set(expected))
            require(same, "other columns", f"{found.columns} {expected}")

    flow = yaml.safe_dump(yaml.safe_load(_XCP_D), default_flow_style=True)
    return {"block.yml": _XCP_D.encode(), "flow.yaml": flow.encode()}, attempt
