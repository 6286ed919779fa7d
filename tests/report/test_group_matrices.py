"""Mean matrices for the page's script: the numbers of the tables, on one scale per atlas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from group_site import NAMES, NETWORKS, ORDER, STRATEGIES, entities, matrix

from bids_labelx.pictures.packing import MOST_ROWS, read_script, unpack_matrix
from bids_labelx.report import group_matrices
from bids_labelx.report.group_matrices import GroupMatrix, matrix_pictures


def mean(strategy: int, atlas: str = "A", spread: float = 0.4) -> GroupMatrix:
    values = matrix(strategy, spread=spread)
    own = entities(strategy, atlas)
    return GroupMatrix(own, STRATEGIES[strategy], NAMES, NETWORKS, values, 9, 12)


def scripts(folder: Path, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [read_script(folder / one["src"]) for one in data["matrices"]]


def test_values_are_those_of_the_table_rounded_and_ordered_by_network(tmp_path: Path) -> None:
    ((atlas, picture),) = matrix_pictures(tmp_path, [mean(0), mean(1)], static=False)
    assert atlas == "A"
    assert [one["strategy"] for one in picture.data["matrices"]] == list(STRATEGIES[:2])
    found = scripts(tmp_path, picture.data)
    for k, one in enumerate(found):
        assert one["order"] == ORDER
        assert (one["names"], one["networks"]) == (NAMES, NETWORKS)
        np.testing.assert_allclose(
            unpack_matrix(one), matrix(k)[np.ix_(ORDER, ORDER)].round(2), atol=1e-9
        )
        assert one["n"] == "12 runs of 9 participants"
    assert [path.as_posix() for path in picture.scripts] == [
        one["src"] for one in picture.data["matrices"]
    ]


def test_matrices_of_one_atlas_have_one_scale_in_page_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    plot = group_matrices.plot_matrix
    monkeypatch.setattr(
        group_matrices,
        "plot_matrix",
        lambda *a, **k: (drawn.append(k["limits"]), plot(*a, **k))[1],
    )
    # Of two tasks, too.
    other = mean(1, spread=2.0)
    other = GroupMatrix({**other.entities, "task": "n"}, *list(vars(other).values())[1:])
    every = [mean(0), mean(2), other, mean(0, "B", 0.1)]
    pictures = matrix_pictures(tmp_path, every, static=True)
    off = ~np.eye(len(NAMES), dtype=bool)
    highest = [np.percentile(np.abs(one.mean[off]), 99) for one in every]
    found = [one["limits"] for _, p in pictures for one in scripts(tmp_path, p.data)]
    for limits, wanted in zip(found, [max(highest[:3])] * 3 + highest[3:], strict=True):
        assert limits[0] == -limits[1]
        assert wanted <= limits[1] < wanted + 0.01
    assert [list(one) for one in drawn] == found
    assert all((tmp_path / file.src).is_file() for _, p in pictures for file in p.files)


def test_a_large_matrix_is_averaged_and_says_so(tmp_path: Path) -> None:
    count = MOST_ROWS + 2
    names = [f"r{i}" for i in range(count)]
    values = matrix(0, count)
    large = GroupMatrix(entities(0), "simple", names, None, values, 9, 9)
    ((_, picture),) = matrix_pictures(tmp_path, [large], static=False)
    assert "of 502 regions, cells are means of 2 × 2 pairs" in picture.caption
    (one,) = scripts(tmp_path, picture.data)
    assert (one["size"], one["block"]) == (count // 2, 2)
    np.testing.assert_allclose(unpack_matrix(one)[3, 7], values[6:8, 14:16].mean(), atol=0.0051)
    (link,) = picture.data["matrices"][0]["files"]
    assert link.endswith("_stat-mean_relmat.tsv")


def test_a_matrix_without_values_has_a_scale(tmp_path: Path) -> None:
    nothing = np.full((6, 6), np.nan)
    one = GroupMatrix(entities(0), "simple", NAMES, None, nothing, 1, 1)
    ((_, picture),) = matrix_pictures(tmp_path, [one], static=True)
    assert scripts(tmp_path, picture.data)[0]["limits"] == [-1, 1]
    assert "no pair has a value" in picture.files[0].alt
