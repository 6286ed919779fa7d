"""The row of `ci/bench` on permutations over all edges of a large study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_measure import Row, memory, seconds, snippet

# Intercept, age, sex and three sites; seven networks. float32 row by row, as files have it.
SETUP = """
import numpy as np
from bids_labelx.statistics.inference import infer
from bids_labelx.statistics.networks import network_pairs
n, regions, permutations = {sizes}
rng = np.random.default_rng(0)
z = np.empty((n, regions * (regions - 1) // 2), np.float32)
for row in z:
    row[:] = rng.standard_normal(len(row), np.float32)
site = np.arange(n) % 3
design = np.column_stack(
    [np.ones(n), rng.uniform(18, 80, n), rng.integers(0, 2, n), site == 1, site == 2]
)
pairs = network_pairs([str(region % 7) for region in range(regions)])
"""
BODY = """
infer(z, design, np.array([0, 1, 0, 0, 0]), n_regions=regions, pairs=pairs,
      n_permutations=permutations, n_jobs=2)
"""


def statistics_rows(size: Mapping[str, Any]) -> list[Row]:
    """Largest t, components and pairs of networks; no peer does them on so many edges."""
    n, regions, permutations = sizes = size["n_permuted"]
    return [
        Row(
            f"{permutations:,} permutations, {n:,} participants × {regions} regions",
            snippet(SETUP.format(sizes=sizes), BODY),
            bars=(seconds(600), memory(2000)),
        )
    ]
