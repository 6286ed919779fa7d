"""Strategies that take columns from several tables, which `ci/fuzz` feeds with spoilt files."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import small_study
import yaml
from fuzz_engine import Attempt
from fuzz_targets import plain_text, require
from small_study import N_VOLUMES

from bids_labelx.denoise import Strategy, join_tables, read_strategies, select, table_queries
from bids_labelx.errors import BadDataError
from bids_labelx.names import FIRST_DATASET, TableQuery

_TABLES = """
images = ["preproc"]
[confounds]
motion = "basic"
columns = ["csf", { name = "rmsd", required = false }]
[[confounds.tables]]
dataset = "aroma"
desc = "aroma"
suffix = "timeseries"
columns = ["^aroma_motion_\\\\d+$", { pattern = "^orth_.*", required = true }]
required = false
[[confounds.tables]]
desc = "late"
suffix = "timeseries"
first_volume = 4
columns = ["late_1"]
[[confounds.tables]]
suffix = "motion"
[[confounds.tables]]
dataset = "xcp"
suffix = "outliers"
censored = "framewise_displacement"
"""
_XCP_D = """
name: mine
description: |
  Columns of three tables [@paper].
confounds:
  preproc_confounds:
    dataset: preprocessed
    query: {space: null, cohort: null, res: null, den: null, desc: confounds, extension: .tsv,
      suffix: timeseries}
    columns: [csf, ^white_.*$]
  aroma:
    dataset: aroma
    query:
      desc: aroma
      extension: .tsv
      suffix: timeseries
    columns:
    - ^AROMA_motion_0
    - orth_1
  whole:
    dataset: preprocessed
    query: {desc: null, extension: .tsv, suffix: motion}
    columns: ["^(trans|rot)_[xyz]$", "^rmsd"]
"""
_MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

Tables = Mapping[TableQuery, pd.DataFrame]


def _known_tables() -> tuple[pd.DataFrame, Tables]:
    """A confounds table, and the other tables that there are of a run."""
    rng = np.random.default_rng(7)

    def drawn(*columns: str, first: int = 0) -> pd.DataFrame:
        values = rng.standard_normal((N_VOLUMES - first, len(columns)))
        return pd.DataFrame(values, columns=list(columns))

    marked = pd.DataFrame({"framewise_displacement": (np.arange(N_VOLUMES) % 9 == 5).astype(int)})
    return drawn("csf", "white_matter"), {
        TableQuery("aroma", "timeseries", "aroma"): drawn(
            "aroma_motion_01", "aroma_motion_12", "orth_1", "csf"
        ),
        TableQuery(FIRST_DATASET, "timeseries", "late"): drawn("late_1", "late_2", first=4),
        TableQuery(FIRST_DATASET, "motion"): drawn(*_MOTION, "rmsd"),
        TableQuery("xcp", "outliers"): marked,
    }


def tables(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Strategy files that take columns from several tables, and XCP-D's."""
    confounds, known = _known_tables()
    paths = _written(folder, known)
    named = _XCP_D.replace("^white_.*$", "white_matter").replace("^AROMA", "aroma")
    files = {
        "tables.toml": _TABLES,
        "tables.json": json.dumps(tomllib.loads(_TABLES), indent=1),
        "patterns.yml": _XCP_D,
        "names.yaml": named.replace("motion_0", "motion_12"),
    }

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        (strategy,) = read_strategies([path])
        taken, text = _chosen(strategy, confounds, known, paths), plain_text(content)
        if name.endswith(("yml", "yaml")):
            wanted = _as_xcp_d(yaml.safe_load(text), confounds, known)
            require(set(taken) == wanted, "other columns than XCP-D's", f"{taken} {wanted}")
            return
        asked = json.loads(text) if name.endswith("json") else tomllib.loads(text)
        entries = asked.get("confounds", {}).get("tables", [])
        require(strategy.confounds.get("tables", []) == entries, "other tables", entries)
        for entry in entries:
            require("suffix" in entry or "tedana" in entry, "a table of any name", entry)
            listed = [one for one in entry.get("columns", ()) if isinstance(one, str)]
            plain = {one for one in listed if one.isidentifier()}
            require(plain <= set(taken), "a column that is not taken", plain)

    return {name: text.encode() for name, text in files.items()}, attempt


def _as_xcp_d(asked: Mapping[str, Any], confounds: pd.DataFrame, known: Tables) -> set[str]:
    """The columns that XCP-D takes: by name, or those whose beginning a pattern matches."""
    found: set[str] = set()
    for one in asked["confounds"].values():
        query = one["query"]
        of = TableQuery(one["dataset"].strip(), query["suffix"].strip(), query["desc"] or "")
        is_main = of == TableQuery(FIRST_DATASET, "timeseries", "confounds")
        for wanted in map(str.strip, one["columns"]):
            for column in confounds if is_main else known[of]:
                as_pattern = wanted.startswith("^") and re.match(wanted, column, re.IGNORECASE)
                found |= {column} if as_pattern or wanted == column else set()
    return found


def _written(folder: Path, known: Tables) -> dict[TableQuery, Path]:
    paths = {query: folder / f"{'_'.join(query[:3])}.tsv" for query in known}
    for query, path in paths.items():
        path.write_text(small_study.table_text({k: v.to_numpy() for k, v in known[query].items()}))
    return paths


def _chosen(
    strategy: Strategy, confounds: pd.DataFrame, known: Tables, paths: Mapping[TableQuery, Path]
) -> tuple[str, ...]:
    """What a strategy takes from the tables has to be what stands there; gives the columns."""
    wanted = table_queries([strategy])
    try:
        joined = join_tables(
            strategy, confounds, N_VOLUMES, source="confounds.tsv", tables=paths, missing={}
        )
    except BadDataError as error:
        # A refusal says of which file.
        require(any(str(path) in str(error) for path in paths.values()), "no file named", error)
        raise
    chosen = select(strategy, confounds, N_VOLUMES, source="confounds.tsv", joined=joined)
    used: list[Any] = [confounds, *(known[query] for query in wanted)]
    entries = strategy.confounds.get("tables", ())
    starts = max((one.get("first_volume", 0) for one in entries), default=0)
    require(not chosen.kept[:starts].any(), "a volume kept before a table starts", starts)
    for column, values in zip(chosen.columns, chosen.regressors.T, strict=True):
        places = [one for one in used if column in one]
        require(places, "a column that is in no table", column)
        same = [np.allclose(values[-len(one) :], one[column], atol=1e-8) for one in places]
        require(any(same), "other numbers", column)
    return chosen.columns
