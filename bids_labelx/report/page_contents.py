"""Which data scripts a participant's page has, by run, atlas, statistic and strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_labelx.names import build_name, camel, parse_name
from bids_labelx.outputs.paths import report_figure, run_figure
from bids_labelx.outputs.results import RESULT_ENTITIES, Series
from bids_labelx.outputs.run_records import RunRecord, strategies_as_typed


def strategies_in_order(series: Sequence[Series], records: Sequence[RunRecord]) -> list[str]:
    """The strategies of some series as they were typed, those of the latest invocation first."""
    made = [one for record in records for one in record.invocations.values()]
    return strategies_as_typed(made, [one.sidecar["DenoisingStrategy"] for one in series])


def run_contents(title: str, state: str, series: Sequence[Series]) -> dict[str, Any]:
    """The scripts of a run that are there.

    Parameters
    ----------
    title, state
        The run's name in the page, and its state.
    series
        All of the run, those of an atlas next to each other.

    Returns
    -------
    dict
        ``key`` and ``state``; ``strategies``, the script of each; and ``atlases``, each with
        ``name``, ``src`` and ``statistics``. Each of these has ``signals``, the script of what
        was before denoising, ``results``, one for each strategy, and ``warnings`` of some.
    """
    strategies: dict[str, str] = {}
    atlases: dict[Path, dict[str, Any]] = {}
    for one in series:
        strategy, statistic = one.sidecar["DenoisingStrategy"], one.sidecar["Statistic"]
        desc, stat = one.entities["desc"], one.entities["stat"]
        of_atlas = atlas_entities(one)
        own = run_figure(one.run, "report", ".js", desc=desc)
        _add(strategies, strategy, one.output, own)
        atlas = atlases.setdefault(
            one.labels_path,
            {
                "name": one.sidecar["Atlas"],
                "src": _there(one.output, report_figure(of_atlas, "report", ".js")),
                "statistics": {},
            },
        )
        statistics = atlas["statistics"].setdefault(
            statistic,
            {
                "signals": _there(
                    one.output, report_figure(of_atlas, "report", ".js", stat=camel(statistic))
                ),
                "results": {},
                "warnings": {},
            },
        )
        found = report_figure(of_atlas, "report", ".js", stat=stat, desc=desc)
        _add(statistics["results"], strategy, one.output, found)
        if one.sidecar.get("Warnings"):
            statistics["warnings"][strategy] = list(one.sidecar["Warnings"])
    return {
        "key": title,
        "state": state,
        "strategies": strategies,
        "atlases": list(atlases.values()),
    }


def concatenated_contents(
    output: Path, matrices: Sequence[tuple[Path, Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """The scripts of matrices over several runs, each with its sidecar's atlas and strategy."""
    found: dict[Path, dict[str, Any]] = {}
    for path, sidecar in matrices:
        src = _there(output, concatenated_script(path))
        if src:
            found[Path(src)] = {
                "atlas": sidecar["Atlas"],
                "statistic": sidecar["Statistic"],
                "strategy": sidecar["DenoisingStrategy"],
                "runs": sidecar["NumberOfRuns"],
                "src": src,
            }
    return list(found.values())


def concatenated_script(matrix: Path) -> Path:
    """Where the data of matrices over several runs go, within the output dataset."""
    entities = {k: v for k, v in parse_name(matrix).entities.items() if k != "meas"}
    return Path(matrix.parts[0], "figures", build_name(entities, "report", ".js"))


def atlas_entities(one: Series) -> dict[str, str]:
    """Entities of a series' run and atlas."""
    return {k: v for k, v in one.entities.items() if k not in RESULT_ENTITIES}


def _add(scripts: dict[str, str], name: str, output: Path, path: Path) -> None:
    src = _there(output, path)
    if src:
        scripts[name] = src


def _there(output: Path, path: Path) -> str:
    return path.as_posix() if (output / path).is_file() else ""
