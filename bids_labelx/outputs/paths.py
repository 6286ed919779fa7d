"""Writing: BIDS names, sidecars, tables and images, each whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from bids_labelx.names import SPATIAL, build_name


def output_path(
    entities: Mapping[str, str], suffix: str, extension: str, **more: str | None
) -> Path:
    """Where an output goes, within the output dataset: a name in ``sub-01/ses-a/func``.

    `entities` are those of the source run, with those of the atlas where there is one; `more` are
    ``stat``, ``meas`` and ``desc``, None for what the name does not have.
    """
    added = {key: value for key, value in more.items() if value is not None}
    session = [f"ses-{entities['ses']}"] if "ses" in entities else []
    name = build_name({**entities, **added}, suffix, extension)
    return Path(f"sub-{entities['sub']}", *session, "func", name)


def figure_path(path: Path, extension: str) -> Path:
    """Where the figure of an output goes: ``sub-01/figures``, under the output's name."""
    return Path(path.parts[0], "figures", path.name.partition(".")[0] + extension)


def report_figure(
    entities: Mapping[str, str], suffix: str, extension: str, **more: str | None
) -> Path:
    """Where a figure of a run and atlas goes, within the output dataset; see `output_path`."""
    return figure_path(output_path(entities, suffix, extension, **more), extension)


def run_figure(
    entities: Mapping[str, str], suffix: str, extension: str, **more: str | None
) -> Path:
    """Where a figure of a run goes that its space and resolution have nothing to do with."""
    temporal = {key: value for key, value in entities.items() if key not in SPATIAL}
    return report_figure(temporal, suffix, extension, **more)


def outliers_path(entities: Mapping[str, str], desc: str) -> Path:
    """The outliers table: censoring is of the run, whatever its space and resolution."""
    temporal = {key: value for key, value in entities.items() if key not in SPATIAL}
    return output_path(temporal, "outliers", ".tsv", desc=desc)


def bids_uri(link: str, root: Path, path: Path) -> str:
    """A BIDS URI to a file of a linked dataset: ``bids:preprocessed:sub-01/func/…``."""
    return f"bids:{link}:{quote(path.relative_to(root).as_posix())}"
