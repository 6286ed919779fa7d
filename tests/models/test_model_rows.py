from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_labelx.errors import BadDataError
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.mean_matrices import group_name
from bids_labelx.models.rows import merge_rows

COMMON = {"task": "rest", "atlas": "A", "meas": "correlation", "desc": "simple"}
NAMES = ("a", "b", "c")


def edges(folder: Path, session: str, labels: str, **changes: object) -> EdgeRows:
    """Edges of participants, whose values tell session and participant."""
    path = folder / f"{session}.float32"
    z = [[ord(session) + 10 * int(label) + k for k in range(3)] for label in labels]
    path.write_bytes(np.array(z, np.float32).tobytes())
    entities = {"ses": session, **COMMON} if session else COMMON
    units = tuple(Unit(label, session) for label in labels)
    usual = {
        "entities": entities,
        "strategy": "simple",
        "names": NAMES,
        "networks": None,
        "points": np.full((3, 3), float(ord(session))),
        "units": units,
        "mean_fd": np.array([int(label) / 10 for label in labels]),
        "path": path,
    }
    return EdgeRows(**(usual | changes))  # type: ignore[arg-type]


def test_rows_of_sessions_are_read_from_the_files_of_all_sessions(tmp_path: Path) -> None:
    parts = edges(tmp_path, "a", "12"), edges(tmp_path, "b", "123")
    (rows,) = merge_rows(parts, "session")
    assert rows.entities == COMMON
    assert [unit[:2] for unit in rows.units] == [
        *(("1", "a"), ("2", "a")),
        *(("1", "b"), ("2", "b"), ("3", "b")),
    ]
    np.testing.assert_array_equal(rows.mean_fd, [0.1, 0.2, 0.1, 0.2, 0.3])
    first = [ord(session) + 10 * int(label) for session, label in ("a1", "b3", "a2", "b1")]
    found = rows.read(np.array([0, 4, 1, 2]))
    np.testing.assert_array_equal(found[:, 0], first)
    np.testing.assert_array_equal(found - found[:, :1], [[0, 1, 2]] * 4)
    np.testing.assert_array_equal(rows.points, np.full((3, 3), (ord("a") + ord("b")) / 2))


def test_sessions_are_apart_where_a_row_is_a_participant(tmp_path: Path) -> None:
    parts = edges(tmp_path, "a", "12"), edges(tmp_path, "b", "123")
    found = merge_rows(parts, "participant")
    assert [one.entities["ses"] for one in found] == ["a", "b"]
    np.testing.assert_array_equal(found[1].read(np.arange(3)), parts[1].read())


def test_strategies_and_harmonised_edges_are_never_merged(tmp_path: Path) -> None:
    harmonised = {"ses": "a", **COMMON, "harm": "combat"}
    parts = edges(tmp_path, "a", "12"), edges(tmp_path, "a", "12", entities=harmonised)
    plain, combat = merge_rows(parts, "session")
    end = "model-A_design.tsv"
    assert group_name(plain.entities, end).endswith(f"_desc-simple_{end}")
    assert group_name(combat.entities, end).endswith(f"_desc-simple_harm-combat_{end}")


def test_sessions_of_other_regions_are_refused(tmp_path: Path) -> None:
    parts = edges(tmp_path, "a", "12"), edges(tmp_path, "b", "12", names=("a", "b", "x"))
    with pytest.raises(BadDataError, match="--model-rows session: the regions of ses-b"):
        merge_rows(parts, "session")
