from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rows_of_edges import N_EDGES, edge_rows, files_of

from bids_labelx.files import read_tsv
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.retest import retest_of_halves, retest_of_runs
from bids_labelx.group.rows import MatrixFile

RUNS = [
    *(Unit(f"{p:02d}", "a", run) for p in range(4) for run in "12"),
    *(Unit(f"{p:02d}", "b") for p in range(3)),
    Unit("02", "c"),
]


Runs = list[tuple[EdgeRows, list[MatrixFile]]]


def with_files(rows: EdgeRows) -> tuple[EdgeRows, list[MatrixFile]]:
    """Edges of runs with the matrix of each."""
    return rows, [file for (file,) in files_of(rows.units)]


def two_sessions(folder: Path, units: list[Unit], desc: str = "simple") -> Runs:
    """A combination for each session; each edge of a run is the number of its row in `RUNS`."""
    found = []
    for session in sorted({unit.session for unit in units}):
        own = [unit for unit in units if unit.session == session]
        z = np.array([[RUNS.index(unit)] * N_EDGES for unit in own], float)
        found.append(with_files(edge_rows(folder, z, own, desc)))
    return found


def firsts(stack_rows: np.ndarray) -> list[float]:
    return [float(value) for value in stack_rows[:, 0]]


def test_sessions_are_repeats_and_their_runs_are_averaged(tmp_path: Path) -> None:
    participants = [f"{p:02d}" for p in range(4)]
    found = retest_of_runs([two_sessions(tmp_path, RUNS)], participants)
    assert found is not None
    assert (found.kind, found.repeats) == ("sessions", 2)
    # The fourth has one session, and the third session of 02 is one more than all have.
    assert found.participants == ("00", "01", "02")
    assert firsts(found.stacks[0].read()) == [0.5, 8, 2.5, 9, 4.5, 10]


def test_what_one_strategy_lacks_is_a_repeat_of_none(tmp_path: Path) -> None:
    fewer = [unit for unit in RUNS if unit not in (Unit("00", "a", "1"), Unit("01", "b"))]
    both = [two_sessions(tmp_path, RUNS), two_sessions(tmp_path, fewer, "scrub")]
    assert retest_of_runs(both, ["00", "01"]) is None
    found = retest_of_runs(both, ["00", "01", "02", "03"])
    assert found is not None
    # Too few have two sessions now, and all have two runs.
    assert (found.kind, found.repeats, len(found.participants)) == ("runs", 2, 4)
    for stack in found.stacks:
        assert firsts(stack.read()) == [1, 8, 2, 3, 4, 5, 6, 7]


def test_few_participants_with_repeats_among_many_are_not_enough(tmp_path: Path) -> None:
    many = [*(Unit(f"{p:02d}", "", "1") for p in range(10)), *(Unit(f"{p:02d}") for p in range(4))]
    z = np.zeros((len(many), N_EDGES))
    rows = [with_files(edge_rows(tmp_path, z, many))]
    assert retest_of_runs([rows], [f"{p:02d}" for p in range(10)]) is None
    found = retest_of_runs([rows], [f"{p:02d}" for p in range(8)])
    assert found is not None
    assert len(found.participants) == 4


def test_halves_are_correlations_of_the_volumes_kept(
    tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    output = tmp_path / "out"
    paths = [
        write_run({"sub": f"0{p}", "task": "rest", "atlas": "A"}, seed=p) for p in range(1, 4)
    ]
    matrices = [next((output / path).parent.glob("*_relmat.tsv")) for path in paths]
    files = [
        (MatrixFile(f"0{p}", path.relative_to(output), (f"0{p}",)),)
        for p, path in enumerate(matrices, 1)
    ]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    units = [Unit(f"0{p}") for p in range(1, 4)]
    of_four = edge_rows(scratch, np.zeros((3, 6)), units)
    of_four = EdgeRows(**{**vars(of_four), "names": tuple("abcd")})
    found = retest_of_halves(output, [[(of_four, files)]], ["01", "02", "03"], scratch)
    assert (found.kind, found.repeats) == ("halves of runs", 2)
    z = found.stacks[0].read()
    for p, path in enumerate(paths):
        volumes = read_tsv(output / path, numbers=True).to_numpy(float)
        for half, part in enumerate((volumes[:15], volumes[15:])):
            r = np.corrcoef(part.T)[np.triu_indices(4, k=1)]
            np.testing.assert_allclose(z[2 * p + half], np.arctanh(r), rtol=1e-5)
    assert found.broken == ()


@pytest.mark.parametrize("fault", ["cut", "short"])
def test_a_participant_without_halves_is_left_out_and_told(
    tmp_path: Path, write_run: Callable[..., Path], fault: str
) -> None:
    output = tmp_path / "out"
    files = []
    for p in range(1, 4):
        path = write_run({"sub": f"0{p}", "task": "rest", "atlas": "A"}, seed=p)
        matrix = next((output / path).parent.glob("*_relmat.tsv")).relative_to(output)
        files.append((MatrixFile(f"0{p}", matrix, (f"0{p}",)),))
    lines = (output / path).read_text().splitlines()
    if fault == "cut":
        (output / path).write_text("\n".join(lines[:20]) + "\n")
    else:
        # Five volumes have halves of two.
        (output / path).write_text("\n".join(lines[:6]) + "\n")
        sidecar = path.with_suffix(".json")
        text = (output / sidecar).read_text()
        flags = text[text.index("[", text.index("SampleMask")) :]
        flags = flags[: flags.index("]") + 1]
        (output / sidecar).write_text(text.replace(flags, str([True] * 5).lower()))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    rows = edge_rows(scratch, np.zeros((3, 6)), [Unit(f"0{p}") for p in range(1, 4)])
    rows = EdgeRows(**{**vars(rows), "names": tuple("abcd")})
    both = [[(rows, files)], [(rows, files)]]
    found = retest_of_halves(output, both, ["01", "02", "03"], scratch)
    assert found.participants == ("01", "02")
    assert all(stack.read().shape == (4, 6) for stack in found.stacks)
    if fault == "cut":
        ((file, failure),) = found.broken
        assert file.participant == "03"
        assert "do not match its sidecar" in failure.message
    else:
        ((name, why),) = found.without
        assert name == "03"
        assert "at least 3 volumes" in why
