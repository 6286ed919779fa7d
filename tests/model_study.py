"""A study of small participants whose edges are known, with tables of covariates, for models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.app.cli import main
from bids_labelx.files import write_json

ENTITIES = {"task": "rest", "space": "MNI", "atlas": "Small", "res": "2"}
NAME = "group_task-rest_space-MNI_atlas-Small_res-2_meas-correlation_desc-simple"


class Study:
    """A dataset with tables and the outputs of its participants, and the group level on it."""

    def __init__(self, folder: Path, write_run: Callable[..., Path]) -> None:
        self.bids, self.out = folder / "bids", folder / "out"
        self._write_run = write_run
        about = {"Name": "study", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
        write_json(self.bids / "dataset_description.json", about)
        made = {**about, "GeneratedBy": [{"Name": "bids_labelx"}]}
        write_json(self.out / "dataset_description.json", made)

    def add(self, label: str, seed: int, **more: object) -> None:
        """The output of one run; with ``ses``, ``run``, or what sidecars say."""
        own = {key: str(more.pop(key)) for key in ("ses", "run") if key in more}
        self._write_run({"sub": label, **own, **ENTITIES}, root=self.out, seed=seed, **more)

    def table(self, rows: Mapping[str, Sequence[object]], name: str = "participants.tsv") -> Path:
        """Write a table into the dataset."""
        path = self.bids / name
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame(rows).to_csv(path, sep="\t", index=False, na_rep="n/a")
        return path

    def group(self, *arguments: str) -> int:
        """Run the group level; gives the exit code."""
        where = [str(self.bids), str(self.out), "group", "--report-figures", "none"]
        return main([*where, *arguments])

    def z(self, label: str, **entities: str) -> np.ndarray:
        """Fisher z of a run's edges, read back from its matrix."""
        keys = "".join(f"*_{key}-{value}" for key, value in entities.items())
        (path,) = (self.out / f"sub-{label}").rglob(f"sub-{label}{keys}_*relmat.tsv")
        r = pd.read_csv(path, sep="\t", index_col=0, na_values="n/a").to_numpy()
        return np.arctanh(r[np.triu_indices(len(r), k=1)])

    def read(self, end: str, name: str = NAME) -> pd.DataFrame:
        """A table of the group level by the end of its name."""
        return pd.read_csv(self.out / f"{name}_{end}.tsv", sep="\t", na_values="n/a")

    def models(self) -> list[str]:
        """Files of models that there are."""
        return sorted(path.name for path in self.out.glob("*_model-*"))
