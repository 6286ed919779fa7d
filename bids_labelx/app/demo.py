"""``--demo``: a simulated dataset with known truth, and both levels run on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bids_labelx.app.group import run_group
from bids_labelx.app.invocation import without_users_settings
from bids_labelx.app.participant import run_participants
from bids_labelx.app.simulate import Demo, simulate
from bids_labelx.app.simulated_study import RUNS
from bids_labelx.errors import CannotWriteError
from bids_labelx.files import read_json, read_tsv
from bids_labelx.names import parse_name
from bids_labelx.outputs.results import participants_of, read_series, series_paths
from bids_labelx.settings import make_settings


def run_demo(folder: Path, options: Mapping[str, Any]) -> int:
    """Simulate a dataset in `folder`, run participant and group level on it, say where to look.

    Options of the command line win over the demo's own. Gives the exit code of the level that
    ended worst.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"simulating a dataset in {folder}", markup=False)
    try:
        demo = simulate(folder)
    except OSError as error:
        raise CannotWriteError(f"{folder}: {error.strerror}") from None
    output = folder / "bids_labelx"
    chosen: dict[str, Any] = {
        "bids_dir": demo.dataset,
        "output_dir": output,
        "atlas_dataset": demo.atlas_dataset,
        "denoise": ["none", "simple", "scrubbing.5"],
        # Two of the participants have sessions, and all count as one group.
        "average_over": ["run", "session"],
        "model": ["group + scanner + mean_fd"],
        "contrast": ["group"],
        "harmonize": "combat",
        "batch": "scanner",
        "preserve": ["group"],
        **{name: value for name, value in options.items() if value is not None},
    }
    participant = make_settings({**chosen, "analysis_level": "participant"})
    group = make_settings({**chosen, "analysis_level": "group"})
    with without_users_settings():
        codes = [run_participants(participant), run_group(group)]
    rated = _rated(output)
    for strategy, off in truth_error(demo, output).items():
        console.print(
            f"{strategy}: the correlations are off the simulated truth by {off:.2f} on average"
            f"{rated.get(strategy, '')}",
            markup=False,
        )
    for line in group_difference(demo, output):
        console.print(line, markup=False)
    console.print(
        f"\nlook at\n  {output}/sub-01.html\n  {output}/sub-08.html\n  {output}/group.html\n"
        f"  {output}/group_qc.tsv\nand compare the matrices with {demo.truth}",
        markup=False,
    )
    return max(codes)


def _rated(output: Path) -> dict[str, str]:
    """QC-FC and reliability of the mean signals' correlations in words, by strategy."""
    words = {
        "median_abs_qcfc": ", median QC-FC {:.2f}",
        "icc21_median": ", median retest ICC {:.2f}",
        "fingerprint": ", {:.0%} of retested participants identified",
    }
    found: dict[str, str] = {}
    for path in output.glob("group_*_strategies.tsv"):
        table = read_tsv(path, numbers=True)
        of = table[(table["stat"] == "mean") & (table["meas"] == "correlation")]
        known = of.reindex(columns=["strategy", *words]).dropna()
        for _, row in known.iterrows():
            found[row["strategy"]] = "".join(words[key].format(row[key]) for key in words)
    return found


def group_difference(demo: Demo, output: Path) -> list[str]:
    """Which of the edges that were simulated to differ between groups the model finds, in words.

    Judged by the family-wise p of the edges, and by what its estimates are on average.
    """
    controls, patients = (
        read_tsv(path, numbers=True).set_index("name").astype(float)
        for path in (demo.truth, demo.truth_of_patients)
    )
    off_diagonal = ~np.eye(len(controls), dtype=bool)
    difference = (patients.where(off_diagonal, 0)).apply(np.arctanh)
    difference -= controls.where(off_diagonal, 0).apply(np.arctanh)
    lines = []
    for path in sorted(output.glob("group_*_contrast-group_edges.tsv")):
        table = read_tsv(path, numbers=True)
        true = np.array(
            [
                difference.at[one, other]
                for one, other in zip(table["region_1"], table["region_2"], strict=True)
            ]
        )
        differs = np.abs(true) > 1e-6
        found = (table["p_fwe"] < 0.05).to_numpy()
        strategy = read_json(path.with_suffix(".json"))["DenoisingStrategy"]
        beta = table["beta"].to_numpy(float)
        lines.append(
            f"{strategy}: patients differ from controls in {found[differs].sum()} of the "
            f"{differs.sum()} edges that were simulated to differ (family-wise p < 0.05), by "
            f"{beta[differs].mean():.2f} in Fisher z on average for {true[differs].mean():.2f}, "
            f"and in {found[~differs].sum()} of {(~differs).sum()} others"
        )
    return lines


def truth_error(demo: Demo, output: Path) -> dict[str, float]:
    """Mean absolute difference between the runs' correlations and the truth, by strategy.

    The matrices of the controls on the first scanner, of whose group it is the truth, are averaged
    over all runs first.
    """
    truth = read_tsv(demo.truth, numbers=True)
    truth = truth.set_index(truth.columns[0])
    matrices: dict[str, list[np.ndarray]] = {}
    others = {run.subject for run in RUNS if run.group != "control" or run.scanner != "A"}
    for participant in sorted({*participants_of(output)} - others):
        for path in series_paths(output, participant):
            one = read_series(output, path)
            for matrix in one.matrices():
                if parse_name(matrix).entities["meas"] != "correlation":
                    continue
                values = read_tsv(output / matrix, numbers=True).set_index("name")
                aligned = values.loc[truth.index, truth.columns].to_numpy(float)
                matrices.setdefault(one.sidecar["DenoisingStrategy"], []).append(aligned)
    edges = np.triu_indices(len(truth), k=1)
    return {
        strategy: float(np.abs((np.mean(found, axis=0) - truth.to_numpy())[edges]).mean())
        for strategy, found in sorted(matrices.items())
    }
