"""Models of simulated edges, fitted, for the page's pictures and words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.models.plans import plan_models
from bids_labelx.models.results import ModelResult, fit_models
from bids_labelx.models.rows import merge_rows
from bids_labelx.settings.model_options import ModelOptions

COUNT = 24


def modelled(
    folder: Path,
    names: tuple[str, ...],
    networks: tuple[str, ...] | None,
    strategies: tuple[str, ...],
    *,
    effect: float = 0.0,
    placed: bool = True,
    missing: int = 0,
    **options: object,
) -> list[ModelResult]:
    """The contrast of two groups, of edges that differ by `effect` if of the first region.

    `missing` participants have no group. Regions but the last have places, with `placed`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = [f"{i:02d}" for i in range(COUNT)]
    group = [*(["patient", "control"] * (COUNT // 2 - missing)), *(["n/a"] * 2 * missing)]
    table = {"participant_id": [f"sub-{one}" for one in labels], "group": group}
    pd.DataFrame(table).to_csv(folder / "participants.tsv", sep="\t", index=False)
    n_edges = len(names) * (len(names) - 1) // 2
    points = np.random.default_rng(9).normal(0, 40, (len(names), 3))
    points[-1] = np.nan
    edges = []
    for k, strategy in enumerate(strategies):
        z = np.random.default_rng([7, k]).standard_normal((COUNT, n_edges)).astype(np.float32)
        z[np.array(group) == "patient", : len(names) - 1] += effect
        path = folder / f"{k}.float32"
        path.write_bytes(z.tobytes())
        entities = {"task": "rest", "atlas": "A", "stat": "mean", "meas": "correlation"}
        edges.append(
            EdgeRows(
                {**entities, "desc": f"s{k}"},
                strategy,
                names,
                networks,
                points if placed else np.full_like(points, np.nan),
                tuple(map(Unit, labels)),
                np.full(COUNT, 0.1),
                path,
            )
        )
    wanted = {"model": ("group",), "contrast": ("group",), "permutations": 200, **options}
    asked = ModelOptions(**wanted)  # type: ignore[arg-type]
    plans = plan_models(merge_rows(edges, "participant"), asked, folder)
    return [one for planned in plans.planned for one in fit_models(planned, asked)]
