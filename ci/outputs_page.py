"""The reference page of output files and their columns; ``ci/reference_pages.py`` writes it.

``python ci/outputs_page.py OUTPUT_DIR`` lists the files there that the page does not have.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bids_labelx.group.columns import (
    COVERAGE_COLUMNS,
    DESIGN_COLUMNS,
    MODEL_COLUMNS,
    QUALITY_COLUMNS,
    STRATEGY_COLUMNS,
)
from bids_labelx.group.rating_columns import CRITERION, CRITERION_SCORES, RATING_COLUMNS
from bids_labelx.outputs.columns import (
    KIND_COLUMNS,
    LABEL_COLUMNS,
    LABEL_NAMES,
    OUTLIER_COLUMNS,
    Columns,
)
from bids_labelx.outputs.xcpd import CENSORED_COLUMNS, MOTION_COLUMNS, QC_COLUMNS
from bids_labelx.outputs.xcpd import COVERAGE_COLUMNS as XCPD_COVERAGE_COLUMNS


class File(NamedTuple):
    """A kind of output file: its name (`…` is any text), when it is written, what it is."""

    name: str
    when: str
    what: str


_XCPD = "`--output-names xcpd`"
_FILES = {
    "The dataset": (
        File("dataset_description.json", "always", "name, version, container, source datasets"),
        File(".bidsignore", "always", "suffixes that the BIDS validator does not know yet"),
        File("descriptions.tsv", "always", "the `desc-` labels and the strategy of each"),
        File(
            "atlas-…_description.json",
            "always",
            "name, authors, licence, references of an atlas: its dataset's own, or made of what "
            "is known",
        ),
        File("sub-….html", "always", "report of a participant"),
        File("group.html", "group", "report of the group"),
        File("store/…", "`--compact`", "the files of all participants, in their place"),
        File("report/…", "always", "scripts and styles that all reports share"),
    ),
    "A run and an atlas: `sub-…/[ses-…/]func/`": (
        File("…_dseg.nii.gz", "volumes", "labels on the run's grid, inside its mask"),
        File("…_dseg.dlabel.nii", "grayordinates", "labels of the run's vertices and voxels"),
        File("…_dseg.label.gii", "GIFTI surfaces", "labels of a hemisphere's vertices"),
        File("…_dseg.tsv", "always", "label table: voxels, coverage and status of each label"),
        File("…_probseg.nii.gz", "atlas of maps", "maps on the run's grid, inside its mask"),
        File("…_timeseries.tsv", "each strategy", "a row per volume kept, a column per label"),
        File("…_timeseries.ptseries.nii", "`--cifti-outputs`", "the same as CIFTI-2"),
        File("…_relmat.tsv", "each measure", "connectivity matrix of the run"),
        File("…_relmat.pconn.nii", "`--cifti-outputs`", "the same as CIFTI-2"),
        File("…_outliers.tsv", "each strategy", "a row per volume: kept, or why it is censored"),
    ),
    "A run under XCP-D's names: `derivatives/xcp_d/sub-…/[ses-…/]func/`": (
        File("…_stat-mean_timeseries.tsv", _XCPD, "a row per volume, a column per region"),
        File("…_stat-pearsoncorrelation_relmat.tsv", _XCPD, "correlations, `Node` first"),
        File("…_stat-coverage_bold.tsv", _XCPD, "coverage of each region"),
        File("…_outliers.tsv", _XCPD, "which volumes are censored"),
        File("…_motion.tsv", _XCPD, "motion parameters and displacement"),
        File("…_desc-preproc_design.tsv", _XCPD, "regressors of the strategy"),
        File("…_desc-linc_qc.tsv", _XCPD, "motion and numbers of volumes"),
        File("derivatives/xcp_d/dataset_description.json", _XCPD, "says whose names these are"),
        File("derivatives/xcp_d/desc-linc_qc.json", _XCPD, "columns of `…_desc-linc_qc.tsv`"),
        File("derivatives/xcp_d/.bidsignore", _XCPD, "suffixes that the validator does not know"),
    ),
    "The group": (
        File("group_qc.tsv", "group", "a row per run, atlas and strategy: quality, exclusion"),
        File("group_…_coverage.tsv", "group", "coverage of each label over runs"),
        File("group_…_qcfc.tsv", "group", "a row per strategy: QC-FC, modularity"),
        File("group_…_strategies.tsv", "group", "a row per strategy: reliability, prediction"),
        File("group_…_stat-…_relmat.tsv", "group", "group matrix: mean, std, n, qcfc, icc21"),
        File("group_…_edges.h5", "group", "Fisher z of all participants, a column per edge"),
        File("group_…_edges.parquet", "`--parquet`", "the same as Parquet"),
        File("group_regions.parquet", "`--parquet`", "mean and std of all regions' signals"),
        File("group_…_design.tsv", "`--model`", "design of a model"),
        File(
            "group_…_contrast-…_stat-…_relmat.tsv",
            "`--contrast`",
            "matrix of a contrast: t, p, pfdr, pfwe, beta, n",
        ),
        File("group_…_contrast-…_edges.tsv", "`--contrast`", "test of each edge"),
        File("group_…_contrast-…_regions.tsv", "`--contrast`", "test of each region's mean"),
        File("group_…_contrast-…_networks.tsv", "`--contrast`", "test of each pair of networks"),
        File("group_…_contrast-…_components.tsv", "`--contrast`", "components of edges"),
    ),
    "Figures and data of the reports": (
        File("sub-…/figures/…_report.js", "always", "data that a participant's report draws"),
        File("sub-…/figures/….svg", "`--report-figures all`", "static figures of a participant"),
        File("sub-…/figures/….png", "`--report-figures all`", "static figures of a participant"),
        File("figures/…_report.js", "group", "data that the group's report draws"),
        File("figures/….svg", "`--report-figures group`", "static figures of the group"),
        File("figures/….png", "`--report-figures group`", "static figures of the group"),
    ),
    "Logs: `logs/`": (
        File("logs/settings.toml", "always", "the options; `--config-file` repeats them"),
        File("logs/CITATION.txt", "always", "methods text with references"),
        File("logs/CITATION.md", "always", "the same as Markdown"),
        File("logs/CITATION.tex", "always", "the same as LaTeX"),
        File("logs/CITATION.bib", "always", "its references as BibTeX"),
        File("logs/CITATION_group.txt", "group", "methods text of the group level"),
        File("logs/CITATION_group.md", "group", "the same as Markdown"),
        File("logs/CITATION_group.tex", "group", "the same as LaTeX"),
        File("logs/CITATION_group.bib", "group", "its references as BibTeX"),
        File("logs/methods.json", "always", "what the methods text is made from"),
        File("logs/….log", "always", "a log of each invocation"),
        File("logs/contents.json", "always", "the settings that decide about contents"),
        File("logs/group.json", "group", "what the group level wrote"),
        File("logs/runs/….json", "always", "the files of each run, and what made them"),
        File("logs/failures/….json", "failures", "failed runs, removed once they succeed"),
        File("logs/.lock…", "always", "locks; may be removed when nothing runs"),
    ),
}
# What entities of names say, but for those of the run.
_ENTITIES = {
    "atlas-": "name of the atlas, as in `--atlas NAME=…`; with `seg-` where it has several",
    "stat-": "statistic over the voxels of a region; of group matrices that over participants",
    "meas-": "connectivity measure",
    "desc-": "denoising strategy in letters and digits, `raw` for `none`; with `Median` and so on "
    "for another statistic in group files, and `First50` or `Random50` for `--exact-volumes 50`",
    "harm-": "method of `--harmonize`",
    "model-": "model of `--model`: A, B and so on, or its name",
    "contrast-": "contrast of `--contrast`",
}
_TABLES: tuple[tuple[str, str, Columns], ...] = (
    ("Label table", "…_dseg.tsv", {**LABEL_NAMES, **LABEL_COLUMNS}),
    ("Label table of an atlas of maps: what differs", "…_dseg.tsv", KIND_COLUMNS["maps"]),
    ("Label table of spheres: what differs", "…_dseg.tsv", KIND_COLUMNS["spheres"]),
    ("Censoring", "…_outliers.tsv", OUTLIER_COLUMNS),
    ("XCP-D's names: motion", "derivatives/xcp_d/…_motion.tsv", MOTION_COLUMNS),
    ("XCP-D's names: censoring", "derivatives/xcp_d/…_outliers.tsv", CENSORED_COLUMNS),
    ("XCP-D's names: coverage", "…_stat-coverage_bold.tsv", XCPD_COVERAGE_COLUMNS),
    ("XCP-D's names: quality", "…_desc-linc_qc.tsv", QC_COLUMNS),
    ("Quality of runs", "group_qc.tsv", QUALITY_COLUMNS),
    ("Coverage of labels", "group_…_coverage.tsv", COVERAGE_COLUMNS),
    ("QC-FC of strategies", "group_…_qcfc.tsv", STRATEGY_COLUMNS),
    ("Ratings of strategies", "group_…_strategies.tsv", RATING_COLUMNS),
    (
        "Prediction by strategies (`--criterion NAME`)",
        "group_…_strategies.tsv",
        {
            f"{CRITERION}NAME_{end}": (text.format("NAME"), unit)
            for end, (text, unit) in CRITERION_SCORES.items()
        },
    ),
    ("Designs of models", "group_…_design.tsv", DESIGN_COLUMNS),
    ("Results of models", "group_…_contrast-….tsv", MODEL_COLUMNS),
)


def outputs_page() -> str:
    """The documentation's page of output files and columns."""
    lines = [
        "# Output files and columns",
        "",
        "`…` stands for the other entities of a name: `sub-01_task-rest_…`. The JSON beside each",
        "table has the description and unit of its columns; [numbers](../explanation/numbers.md)",
        "gives the formulas, and the keys of the JSON files. What is not known is `n/a`. Files of",
        "`--harmonize combat` have `harm-combat` in their names.",
    ]
    lines += ["", "## Names", "", "| entity | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {what} |" for name, what in _ENTITIES.items()]
    for heading, files in _FILES.items():
        lines += ["", f"## {heading}", "", "| file | when | what it is |", "|---|---|---|"]
        lines += [f"| `{one.name}` | {one.when} | {one.what} |" for one in files]
    lines += ["", "## Columns", "", "A column without a unit is text or a plain number."]
    for heading, file, columns in _TABLES:
        lines += ["", f"### {heading}", "", f"In `{file}`:", ""]
        lines += ["| column | unit | what it is |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {'' if unit == '1' else unit} | {_cell(text)} |"
            for name, (text, unit) in columns.items()
        ]
    lines += [
        "",
        "Other columns of label tables are those of the atlas' own table. Other columns of the",
        "tables of strategies are entities of the matrices that a row is over. Other columns of",
        "designs are regressors.",
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def unlisted(output: Path) -> Iterator[str]:
    """The files of an output folder that no name of the page fits."""
    names = [one.name for files in _FILES.values() for one in files]
    # Files of runs are called without their folder on the page.
    shown = "|".join(re.escape(name).replace("…", ".*") for name in names)
    known = re.compile(rf"(?:(?:derivatives/xcp_d/)?sub-[^/]+/(?:ses-[^/]+/)?func/)?(?:{shown})")
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        beside = name.removesuffix(".json") + ".tsv" if name.endswith(".json") else name
        others = (beside, re.sub(r"\.tsv$", ".nii.gz", beside))
        if path.is_file() and not any(map(known.fullmatch, (name, *others))):
            yield name


if __name__ == "__main__":
    left = list(unlisted(Path(sys.argv[1])))
    sys.exit("not on the page of output files:\n" + "\n".join(left) if left else 0)
