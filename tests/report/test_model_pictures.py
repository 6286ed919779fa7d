"""Pictures of group models show what the tests gave, edge by edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import EVIL
from modelled import COUNT, modelled

from bids_labelx.models.results import ModelResult
from bids_labelx.pictures.packing import read_script, unpack
from bids_labelx.report.model_pictures import MOST_EDGES, model_pictures

NAMES = ("V1", "M1", EVIL, "A1", "V2", "M2")
NETWORKS = ("Vis", "Mot", "Mot", "Aud", "Vis", "Mot")
# As a page orders regions by these networks.
ORDER = [0, 4, 1, 2, 5, 3]
PAIRS = [(i, j) for i in range(6) for j in range(i + 1, 6)]


def pictures_of(folder: Path, results: list[ModelResult], *, static: bool = False) -> Any:
    files = [f"group_{k}_stat-t_relmat.tsv" for k in range(len(results))]
    made = model_pictures(folder, results, files, "the contrast", "group_all", static=static)
    return {one.data["kind"]: one for one in made}


def test_the_matrix_has_t_of_each_edge_and_marks_those_that_survive(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple", "24P"), effect=2.5)
    shown = pictures_of(tmp_path, results)["matrices"]
    assert [one["strategy"] for one in shown.data["matrices"]] == ["simple", "24P"]
    for one, result in zip(shown.data["matrices"], results, strict=True):
        data = read_script(tmp_path / one["src"])
        assert data["order"] == ORDER
        t, survive = unpack(data["values"]), unpack(data["survive"])
        permuted = result.edges.permuted
        assert permuted is not None
        cells = [(i, j) for i in range(6) for j in range(i, 6)]
        for (i, j), value, marked in zip(cells, t, survive, strict=True):
            if i == j:
                assert np.isnan(value)
                assert not marked
                continue
            k = PAIRS.index(tuple(sorted((ORDER[i], ORDER[j]))))
            assert value == pytest.approx(result.edges.fit.t[k], abs=0.00501)
            assert marked == (permuted.p_fwe[k] < 0.05)
        assert survive.sum() >= 4  # of the five edges that differ
        assert abs(data["limits"][1]) >= np.abs(result.edges.fit.t).max()
        assert f"{survive.sum()} of 15 edges with family-wise p < 0.05" in shown.alt


def test_a_cell_of_several_edges_is_marked_where_one_of_them_survives(tmp_path: Path) -> None:
    names = tuple(f"r{i}" for i in range(502))
    (result,) = modelled(tmp_path, names, None, ("simple",), effect=4.0, permutations=30)
    shown = pictures_of(tmp_path, [result])["matrices"]
    assert "of 502 regions, cells are means of 2 × 2 pairs" in shown.caption
    data = read_script(tmp_path / shown.data["matrices"][0]["src"])
    assert data["size"] == 251
    marks = np.zeros((502, 502), bool)
    marks[np.triu_indices(502, k=1)] = result.edges.permuted.p_fwe < 0.05  # type: ignore[union-attr]
    marks |= marks.T
    expected = [
        marks[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].any()
        for i in range(251)
        for j in range(i, 251)
    ]
    assert unpack(data["survive"]).astype(bool).tolist() == expected
    assert 200 < sum(expected) < len(expected)


def test_lines_on_the_brain_are_the_edges_that_survive_and_have_places(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple",), effect=2.5)
    glass = pictures_of(tmp_path, results)["glass"].data
    (drawn,) = glass["strategies"]
    permuted = results[0].edges.permuted
    assert permuted is not None
    found = {PAIRS[k] for k in np.flatnonzero(permuted.p_fwe < 0.05)}
    # The last region has no place.
    assert {(i, j) for i, j, _, _ in drawn["edges"]} == {pair for pair in found if 5 not in pair}
    assert any(5 in pair for pair in found)
    assert f", {sum(5 in pair for pair in found)} of which have no place" in drawn["note"]
    assert glass["points"][5] is None
    for i, j, t, said in drawn["edges"]:
        k = PAIRS.index((i, j))
        assert t == round(results[0].edges.fit.t[k], 2)
        assert said == f"family-wise p {permuted.p_fwe[k]:.3g}"
    sizes = [abs(t) for _, _, t, _ in drawn["edges"]]
    assert sizes == sorted(sizes, reverse=True)


def test_no_more_lines_are_drawn_than_can_be_told_apart(tmp_path: Path) -> None:
    names = tuple(f"r{i}" for i in range(400))
    (result,) = modelled(tmp_path, names, None, ("simple",), effect=6.0, permutations=30)
    (drawn,) = pictures_of(tmp_path, [result])["glass"].data["strategies"]
    assert len(drawn["edges"]) == MOST_EDGES
    assert f"; the {MOST_EDGES} with the largest |t| are drawn" in drawn["note"]


def test_regions_without_places_leave_a_brain_without_lines(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, None, ("simple",), effect=2.5, placed=False)
    made = pictures_of(tmp_path, results, static=True)
    assert made["glass"].data["points"] == [None] * 6
    assert made["glass"].data["strategies"][0]["edges"] == []
    assert (tmp_path / "figures/group_all_glass.svg").is_file()


def test_the_design_is_as_it_was_fitted(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, None, ("simple",), missing=2)
    design = pictures_of(tmp_path, results)["design"].data
    assert design["columns"] == ["Intercept", "group[T.patient]"]
    assert design["rows"] == [f"sub-{i:02d}" for i in range(COUNT - 4)]
    assert design["values"] == [[1, 1 - i % 2] for i in range(COUNT - 4)]


def test_the_histogram_has_all_permutations_and_five_percent_beyond_the_limit(
    tmp_path: Path,
) -> None:
    results = modelled(tmp_path, NAMES, None, ("simple",), effect=2.5, nbs_threshold=1.5)
    shown = pictures_of(tmp_path, results)["permutations"].data["strategies"]
    permuted = results[0].edges.permuted
    assert permuted is not None
    for one, values in zip(shown, (permuted.largest_t, permuted.largest_component), strict=True):
        assert sum(one["counts"]) == 200
        # They are rounded to six digits.
        assert one["edges"][0] <= values.min() + 1e-4
        assert values.max() - 1e-4 <= one["edges"][-1]
        assert (values > one["critical"]).mean() <= 0.05
        assert (values >= one["critical"]).mean() >= 0.05
        assert one["observed"] == values[0]
    # Bars of whole numbers have these in their middle.
    assert all((edge * 2) % 2 == 1 for edge in shown[1]["edges"])


def test_without_permutations_there_is_no_distribution_and_the_fdr_decides(
    tmp_path: Path,
) -> None:
    results = modelled(tmp_path, NAMES, None, ("simple",), effect=2.5, permutations=0)
    made = pictures_of(tmp_path, results)
    assert "permutations" not in made
    (drawn,) = made["glass"].data["strategies"]
    assert drawn["note"].startswith(
        f"{(results[0].edges.p_fdr < 0.05).sum()} of 15 edges with false"
    )
    assert drawn["edges"][0][3].startswith("q ")


def test_static_figures_are_written_for_each_strategy_and_for_all(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple", "24P"), effect=2.5)
    made = pictures_of(tmp_path, results, static=True)
    names = {file.src for one in made.values() for file in one.files}
    assert names == {
        *(f"figures/group_{k}_stat-t_relmat.svg" for k in range(2)),
        *(f"figures/group_all_{kind}.svg" for kind in ("glass", "permutations", "design")),
    }
    assert all((tmp_path / name).read_text().startswith("<?xml") for name in names)
    assert "24P" in (tmp_path / "figures/group_all_glass.svg").read_text()
