"""Output folders that `ci/fuzz` spoils before the group level reads them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import small_study
from fuzz_engine import Absurd, Attempt
from fuzz_targets import require

from bids_labelx.app import group as app_group
from bids_labelx.errors import LabelxError
from bids_labelx.report.pages import FigureFile
from bids_labelx.settings import make_settings

PARTICIPANTS = ("01", "02", "03")
VICTIM = "02"
_DRAWING = ("draw_mean_matrix", "draw_missing", "write_group_report")


def make_outputs(folder: Path) -> tuple[Path, Path]:
    """A small dataset and its outputs, by the participant level itself."""
    study, out = folder / "study", folder / "out"
    small_study.write_dataset(study)
    small_study.write_atlases(folder / "atlases", ("Few",))
    for number, label in enumerate(PARTICIPANTS):
        small_study.write_run(study, label, small_study.draw_run(number))
    command = [sys.executable, "-m", "bids_labelx", study, out, "participant"]
    command += ["--atlas-dataset", folder / "atlases", "--denoise", "none", "simple"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the participant level ended with {done.returncode}\n{done.stderr}")
    return study, out


def outputs(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Files of one participant of three, and of the folder itself; the group level reads them."""
    study, out = make_outputs(folder)
    given = {"bids_dir": study, "output_dir": out, "analysis_level": "group"}
    settings = make_settings(given)
    code, said, whole = _run(settings)
    require(code == 0, "the intact folder", said)
    names = [path for path in sorted(out.rglob("*")) if path.is_file()]
    files = {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in names
        if path.suffix in (".tsv", ".json", ".toml", ".pkl")
        and not path.name.startswith("group_")
        and (f"sub-{VICTIM}" in path.name or len(path.relative_to(out).parts) <= 2)
        and not any(f"sub-{label}" in path.name for label in PARTICIPANTS if label != VICTIM)
    }

    # The group level removes only what it wrote itself, whatever its records say.
    (folder / "x").write_text("of somebody else")
    others = {path for path in folder.rglob("*") if not path.name.startswith("group")}

    def attempt(name: str, content: bytes) -> None:
        if not content:
            # An empty file and one that is gone are both met.
            (out / name).unlink()
        else:
            (out / name).write_bytes(content)
        try:
            own = f"sub-{VICTIM}" in name
            try:
                code, said, found = _run(settings)
            except LabelxError as error:
                if own:
                    raise Absurd("one participant's file stops the group", error) from error
                raise
            compare(whole, found, said)
            lost = [str(path) for path in others - {out / name} if not path.exists()]
            require(not lost, "files that the group did not write are gone", lost)
            if own and code == 0:
                _check_victim(out, name, found, files)
            if code:
                raise LabelxError(said)
        finally:
            (out / name).write_bytes(files[name])

    return files, attempt


def _run(settings: Any) -> tuple[int, str, dict[str, dict[str, Any]]]:
    """Run the group level without its figures: exit code, what it says, and what it wrote."""
    kept = {name: getattr(app_group, name) for name in _DRAWING if hasattr(app_group, name)}
    said = io.StringIO()
    for path in settings.output_dir.glob("group_*"):
        path.unlink() if path.is_file() else shutil.rmtree(path)
    try:
        for name in kept:
            setattr(app_group, name, _nothing(name))
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = app_group.run_group(settings)
    finally:
        for name, one in kept.items():
            setattr(app_group, name, one)
    return int(code), said.getvalue(), _read(settings.output_dir)


def _nothing(name: str) -> Any:
    return lambda *_, **__: [] if name == "write_group_report" else FigureFile("", "", "")


def _read(out: Path) -> dict[str, dict[str, Any]]:
    """By participant what the group has: rows of the table of quality, and edges."""
    found: dict[str, dict[str, Any]] = {f"sub-{label}": {} for label in PARTICIPANTS}
    header, *lines = (out / "group_qc.tsv").read_text(encoding="utf-8").split("\n")
    for line in filter(None, lines):
        row = dict(zip(header.split("\t"), line.split("\t"), strict=True))
        of = found.setdefault(row["participant_id"], {})
        of[f"quality, {row['run']} {row['atlas']} {row['strategy']}"] = row
    for path in sorted(out.glob("group_*_edges.h5")):
        with h5py.File(path, locking=False) as file:
            for k, name in enumerate(file["participant_id"].asstr()[:]):
                found.setdefault(name, {})[path.name] = file["z"][k]
    return found


def compare(whole: Mapping[str, Any], found: Mapping[str, Any], said: str) -> None:
    """Whether participants whose files are intact have what they had."""
    for name, expected in whole.items():
        if name == f"sub-{VICTIM}":
            continue
        for what, value in expected.items():
            now = found.get(name, {}).get(what)
            require(now is not None, f"an intact participant without {what}", said)
            if isinstance(value, np.ndarray):
                same = np.array_equal(now, value, equal_nan=True)
            else:
                same = {**now, "problem": ""} == {**value, "problem": ""}
            require(same, f"an intact participant with other {what}", f"{now} {value}")


def _check_victim(
    out: Path, name: str, found: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    """What the group took of the spoilt participant in silence has to be what its files say."""
    own = found.get(f"sub-{VICTIM}", {})
    kind = name.rpartition("_")[2]
    for file in files:
        path = out / file
        if file.endswith("_relmat.tsv"):
            edges = [key for key in own if key.endswith("_edges.h5") and _strategy(file) in key]
            require(edges, f"a spoilt {kind}: no edges, and nothing is said", file)
            require(path.exists(), f"a lost {kind}, and nothing is said", file)
            rows = [line.split("\t")[1:] for line in path.read_text("utf-8").splitlines()[1:]]
            matrix = np.array([[_number(cell) for cell in row] for row in rows])
            above = np.triu_indices(len(matrix), k=1)
            with np.errstate(all="ignore"):
                expected = np.arctanh(matrix[above])
            expected[~np.isfinite(expected)] = np.nan
            same = np.allclose(own[edges[0]], expected, rtol=1e-5, atol=1e-6, equal_nan=True)
            require(same, f"a spoilt {kind}: other edges", f"{own[edges[0]]} {expected}")
            require(np.allclose(np.diag(matrix), 1), f"a spoilt {kind}: a diagonal of others")
        if file.endswith("_timeseries.tsv"):
            require(path.exists(), f"a lost {kind}, and nothing is said", file)
            sidecar = json.loads(path.with_suffix(".json").read_text("utf-8-sig"))
            rows = path.read_text("utf-8", errors="replace").splitlines()
            kept = sidecar["NumberOfVolumesKept"]
            # Nothing is made of the series itself: where its size is that of the record, it is
            # not read.
            cut = len(rows) != kept + 1 and path.stat().st_size != len(files[file])
            require(not cut, f"a spoilt {kind}: rows and volumes differ", kept)
            _check_numbers(sidecar, kind)
            of = sidecar["DenoisingStrategy"]
            row = next(row for key, row in own.items() if key.endswith(f" {of}"))
            require(float(row["volumes_kept"]) == kept, f"a spoilt {kind}: other volumes", row)


def _check_numbers(sidecar: Mapping[str, Any], kind: str) -> None:
    """Figures that no run can have."""
    volumes, kept = sidecar["NumberOfVolumes"], sidecar["NumberOfVolumesKept"]
    require(0 < kept <= volumes, f"a spoilt {kind}: more kept than there are", (kept, volumes))
    freedom = sidecar["DegreesOfFreedom"]
    require(freedom <= kept, f"a spoilt {kind}: absurd degrees of freedom", freedom)
    mask = sidecar.get("SampleMask")
    if isinstance(mask, list):
        fits = len(mask) == volumes and sum(map(bool, mask)) == kept
        require(fits, f"a spoilt {kind}: a sample mask of others", len(mask))
    for key, value in sidecar.items():
        if isinstance(value, float):
            require(np.isfinite(value), f"a spoilt {kind}: {key} is no number", value)
            if key.startswith(("Mean", "Max", "Share")):
                require(value >= 0, f"a spoilt {kind}: a negative {key}", value)


def _strategy(file: str) -> str:
    return next(part for part in Path(file).name.split("_") if part.startswith("desc-"))


def _number(cell: str) -> float:
    return np.nan if cell == "n/a" else float(cell)
