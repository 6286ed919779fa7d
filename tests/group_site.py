"""A group's page with everything in it, beside the tables that its numbers are judged by."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from browsing import EVIL

from bids_labelx.files import write_tsv
from bids_labelx.group.batches import Batches
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.evidence import Evidence, summarize_edges
from bids_labelx.group.exclusion import Limits
from bids_labelx.group.harmonize import Effect, Harmonised
from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.group.write import write_quality
from bids_labelx.pictures.packing import pack_integers, write_script
from bids_labelx.report.group_matrices import GroupMatrix
from bids_labelx.report.group_page import GroupContent, write_group_report

# As they were typed, which is not as they are sorted.
STRATEGIES = ("simple", "24P", EVIL)
NAMES = ["V1", "M1", EVIL, "A1", "V2", "M2"]
NETWORKS = ["Vis", "Mot", "Mot", "Aud", "Vis", "Mot"]
# As a page orders regions by these networks.
ORDER = [0, 4, 1, 2, 5, 3]
COVERAGE = "group_atlas-A_coverage.tsv"
COUNT = 30
ENDS = (("q1", -0.1), ("median", 0.0), ("q3", 0.1), ("low", -0.3), ("high", 0.3))


def entities(strategy: int, atlas: str = "A") -> dict[str, str]:
    """Of the matrices of a strategy, by its position."""
    own = {"task": "rest", "atlas": atlas, "stat": "mean", "meas": "correlation"}
    return {**own, "desc": f"s{strategy}"}


def matrix(seed: int, count: int = len(NAMES), spread: float = 0.4) -> np.ndarray:
    """Mean Fisher z, n/a on the diagonal."""
    values = np.random.default_rng(seed).normal(0, spread, (count, count))
    values = (values + values.T) / 2
    np.fill_diagonal(values, np.nan)
    return values


def quality(count: int = COUNT, **columns: Any) -> pd.DataFrame:
    """A row per participant and strategy."""
    rng = np.random.default_rng(1)
    fd = rng.gamma(3, 0.06, count)
    rows = [
        {
            "participant_id": f"sub-{i:02d}",
            "session_id": None,
            "run": "task-rest_space-MNI",
            "atlas": "A",
            "strategy": strategy,
            "state": "done",
            "volumes": 200,
            "volumes_kept": int(rng.integers(120, 200)),
            "minutes_kept": float(rng.uniform(4, 7)),
            "mean_fd": fd[i],
            "fd_threshold": 0.5,
            "share_fd_above": float(rng.uniform(0, 0.2)),
            "effective_degrees_of_freedom": 100.0,
            "labels": 6,
            "labels_lost": int(rng.integers(0, 3)),
            "min_coverage": float(rng.uniform(0, 1)),
            "excluded": int(fd[i] > 0.25),
            "why": "mean FD" if fd[i] > 0.25 else None,
            "problem": None,
        }
        for i in range(count)
        for strategy in sorted(STRATEGIES)
    ]
    return pd.DataFrame(rows).assign(**columns).convert_dtypes()


def coverage() -> pd.DataFrame:
    """How often each label is missing, in 30 runs."""
    lost = [0, 3, 30, 0, 1, 15]
    known = {"index": [10, 20, 30, 40, 50, 60], "name": NAMES, "network": NETWORKS}
    shares = {"runs": COUNT, "mean_coverage": 0.7, "min_coverage": 0.1, "lost_in_runs": lost}
    return pd.DataFrame({**known, **shares})


def evidence(strategy: int) -> Evidence:
    """Of one strategy, by its position."""
    rng = np.random.default_rng(strategy)
    r, mm = np.tanh(rng.normal(0, 0.3, (12, 12))), rng.uniform(10, 120, (12, 12))
    row = {
        "strategy": STRATEGIES[strategy],
        "participants": 20,
        "motion": "mean_fd",
        "median_abs_qcfc": 0.25 - 0.1 * strategy,
        "distance_dependence": -0.125 * strategy,
        "mean_dof_lost": 20.0,
        "modularity": 0.3,
        "signed_modularity": -0.2,
    }
    return Evidence(entities(strategy), row, summarize_edges(r, mm), (10, 20.0, 45), 200.0)


def harmonised(
    strategy: int,
    *,
    counts: Mapping[str, int] | None = None,
    names: tuple[str, ...] = ("age",),
    dropped: Mapping[str, str] | None = None,
    missing: int | None = None,
) -> Harmonised:
    """Of one strategy, by its position; the later ones have smaller differences before."""
    counts = counts or {"A": 5, "B": 4}
    labels = tuple(label for label, n in counts.items() for _ in range(n))
    count = len(labels)
    last = {"sub-07": "no age"} if dropped is None else dropped
    batches = Batches(
        "site", labels, names, names, np.zeros((count, len(names))), np.arange(count), last
    )
    shares = np.linspace(0, 1, 41)
    first, *others = counts
    means = {first: 0.3, **dict.fromkeys(others, 0.5)}
    before = Effect(15, (0.62, 0.095, 0.05)[strategy], 0.12, 0.3 * shares**2, means)
    after = Effect(15, 0.0, 0.015, 0.04 * shares, dict.fromkeys(counts, 0.4))
    edges = EdgeRows(
        {**entities(strategy), "harm": "combat"},
        STRATEGIES[strategy],
        tuple(NAMES),
        tuple(NETWORKS),
        np.zeros((6, 3)),
        tuple(Unit(f"{k:02d}") for k in range(count)),
        np.zeros(count),
        Path("x.h5"),
    )
    lost = 3 * (strategy == 1) if missing is None else missing
    return Harmonised(edges, batches, before, after, 0.1 * shares, lost)


def rated() -> RatedStrategies:
    """All strategies, retested in a second session."""
    rows = [
        {
            "strategy": strategy,
            "participants": 28,
            "retest": "sessions",
            "participants_retest": 20,
            "repeats": 2,
            **{f"icc{kind}_{end}": 0.5 + off - 0.1 * k for kind in (21, 31) for end, off in ENDS},
            "fingerprint": 0.75 - 0.25 * k,
            "fingerprint_chance": 0.05,
            "fingerprint_p": 0.001,
            "discriminability": 0.9 - 0.1 * k,
            "within": 0.6,
            "between": 0.1,
            "segregation": 0.8,
            "median_abs_qcfc": 0.25 - 0.1 * k,
            "mean_dof_lost": 20.0,
        }
        for k, strategy in enumerate(STRATEGIES)
    ]
    known = [entities(k) for k in range(len(STRATEGIES))]
    return RatedStrategies(known, rows, [], tuple(NAMES), ())


def content(**changes: Any) -> GroupContent:
    """All that the page has."""
    count = range(len(STRATEGIES))
    people = [f"sub-{i:02d}" for i in range(COUNT)]
    usual: dict[str, Any] = {
        "quality": quality(),
        "limits": Limits(max_mean_fd=0.25, min_minutes=5.0),
        "excluded_by": {"--max-mean-fd 0.25": 3},
        "coverage": {COVERAGE: coverage()},
        "evidence": [evidence(k) for k in count],
        "rated": [rated()],
        "matrices": [
            GroupMatrix(entities(k), STRATEGIES[k], NAMES, NETWORKS, matrix(k), COUNT, COUNT)
            for k in count
        ],
        "labels": {COVERAGE: [Path("sub-00/func/sub-00_task-rest_space-MNI_atlas-A_dseg.tsv")]},
        "strategies": STRATEGIES,
        "participants": [
            *((one, f"{one}.html", "done") for one in people[:-2]),
            (people[-2], f"{people[-2]}.html", "partly done (1 of 3 strategies)"),
            (people[-1], "", f"failed; {EVIL}"),
        ],
        "states": "30 runs: 28 done, 1 partly done, 1 failed",
        "failures": [],
        "problems": [],
        "averaged": "run",
        "run_weights": "equal",
        "findings": ["A finding", EVIL],
        "notes": ["A note"],
        "absent": [],
        "not_averaged": [],
        "files": ["group_qc.tsv", COVERAGE],
        "harmonised": [harmonised(k, counts={"A": 5, EVIL: 4}) for k in count],
    }
    return GroupContent(**(usual | changes))


def write_atlas(folder: Path) -> None:
    """The data of the first participant's page on the whole atlas: two slices."""
    regions = np.array([[0, 1, 1, 2], [3, 3, 4, 2], [5, 5, 6, 0]], np.uint16)
    plane = {"axis": 0, "at": 0.0, "left": 0.0, "right": 8.0, "top": 6.0, "bottom": 0.0}
    panels = [
        {
            "title": f"x = {k} mm",
            "row": 0,
            "marks": ["P", "A"],
            "regions": pack_integers(regions[:: 1 - 2 * k]),
            "background": pack_integers(np.full((3, 4), 99, np.uint8)),
            "plane": plane,
        }
        for k in range(2)
    ]
    known = {"index": coverage()["index"].tolist(), "name": NAMES}
    path = folder / "sub-00" / "figures" / "sub-00_task-rest_space-MNI_atlas-A_report.js"
    write_script(path, {"kind": "atlas", "regions": known, "panels": panels})


def write_group(folder: Path, *, static: bool = True, **changes: Any) -> list[Path]:
    """Write a page with its tables; gives the files of its figures."""
    write_atlas(folder)
    whole = content(**changes)
    write_quality(folder, whole.quality)
    write_tsv(folder / COVERAGE, coverage())
    for k in range(len(STRATEGIES)):
        table = pd.DataFrame(matrix(k), index=pd.Index(NAMES, name="name"), columns=NAMES)
        write_tsv(folder / f"strategy-{k}.tsv", table, index=True)
    for label, page, _ in whole.participants:
        if page:
            (folder / page).write_text(f"<!DOCTYPE html><title>{label}</title>")
    return write_group_report(folder, whole, static=static)


def data_of(html: str) -> dict[str, Any]:
    """What the page's script draws from."""
    (text,) = re.findall(r'id="group-contents">(.*?)</script>', html)
    data = base64.b64decode(json.loads(text)["data"])
    return dict(json.loads(zlib.decompress(data)))
