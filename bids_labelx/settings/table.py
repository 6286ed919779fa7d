"""The table of options: each setting of the app is one entry, and everything else follows."""

# ruff: noqa: RUF009 - what is called makes dataclass fields
from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from bids_labelx.names import FIRST_DATASET
from bids_labelx.settings import convert
from bids_labelx.settings.entry import options_of
from bids_labelx.settings.groups import (
    argument_option,
    atlas_option,
    connectivity_option,
    exclusion_option,
    group_option,
    override_option,
    running_option,
    signal_option,
    which_option,
)
from bids_labelx.settings.harmonisation_options import HarmonisationOptions
from bids_labelx.settings.machine import available_cpus
from bids_labelx.settings.model_options import ModelOptions
from bids_labelx.settings.parts import (
    ConnectivityOptions,
    DenoisingOptions,
    ExtractionOptions,
    LabelOptions,
)

if TYPE_CHECKING:
    from pathlib import Path

Part = TypeVar("Part", LabelOptions, ExtractionOptions, DenoisingOptions, ConnectivityOptions)


@dataclass(frozen=True)
class Settings(
    LabelOptions,
    ExtractionOptions,
    DenoisingOptions,
    ConnectivityOptions,
    ModelOptions,
    HarmonisationOptions,
):
    """Everything that decides what one invocation of the app does.

    The field names are those of the command line's long options, with underscores. Labels stand
    without their entity's key: ``01``, not ``sub-01``. Steps go by parts of it, see `part`.
    """

    bids_dir: Path = argument_option(
        convert.folder,
        help="the dataset of derivatives, a folder or a URL: s3://, gs://, https://",
    )
    output_dir: Path = argument_option(convert.output, help="folder for the results")
    analysis_level: str = argument_option(
        choices=("participant", "group"),
        help="participant: extract signals from each run; group: summarise what the participant "
        "level wrote",
    )

    participant_label: tuple[str, ...] = which_option(
        (),
        convert.labels("sub"),
        metavar="LABEL",
        help="participants, with or without sub-",
        level="both",
        invocation=True,
    )
    session_label: tuple[str, ...] = which_option(
        (), convert.labels("ses"), metavar="LABEL", help="sessions, with or without ses-"
    )
    task_id: tuple[str, ...] = which_option(
        (), convert.labels("task"), flags=("-t",), metavar="TASK", help="tasks"
    )
    run_id: tuple[str, ...] = which_option(
        (), convert.labels("run"), flags=("-r",), metavar="RUN", help="runs"
    )
    space: tuple[str, ...] = which_option(
        (),
        convert.labels("space"),
        metavar="SPACE",
        help="spaces; 'native' stands for files without space-",
    )
    res: tuple[str, ...] = which_option(
        (), convert.labels("res"), metavar="RES", help="resolutions"
    )
    hemi: str | None = which_option(
        None,
        choices=("L", "R"),
        help="one hemisphere of runs on surfaces in GIFTI files",
        unset="both, as one run",
    )
    echo_id: tuple[str, ...] = which_option(
        (),
        convert.labels("echo"),
        metavar="ECHO",
        help="single echoes of multi-echo runs, each as a separate run",
        unset="the optimally combined images, which have no echo-",
    )
    bids_filter_file: Path | None = which_option(
        None,
        convert.path,
        metavar="JSON",
        help="entities of bold, mask and confounds, in fMRIPrep's form; null and * mean none and "
        "any, and dataset names one of --datasets",
    )
    datasets: tuple[str, ...] = which_option(
        (),
        convert.datasets,
        metavar="NAME=DIR",
        help="further datasets, folders or URLs, from which strategies read tables and the "
        "filter file selects images, masks and confounds",
    )
    bids_database_dir: Path | None = which_option(
        None,
        convert.path,
        metavar="DIR",
        help="keep the index of BIDS_DIR here for later invocations; changes in the dataset are "
        "indexed again",
        unset="not kept",
        invocation=True,
    )

    atlas: tuple[str, ...] = atlas_option(
        (),
        convert.atlases,
        metavar="SPEC",
        help="IMAGE, NAME=IMAGE, NAME=IMAGE,TABLE, of labels or maps (4D); [NAME=]FILE.tsv, the "
        "seeds of spheres (x, y, z and perhaps radius, index, name); or NAME[:SEG] looked up in "
        "--atlas-dataset and in TemplateFlow's local folder; or derivative:desc-LABEL, each run's "
        "own segmentation",
        unset="all atlases of --atlas-dataset in the run's space",
    )
    atlas_dataset: Path | None = atlas_option(
        None,
        convert.folder,
        metavar="DIR",
        help="a BIDS atlas dataset (tpl-…), a folder or a URL",
    )
    atlas_space: str | None = atlas_option(
        None,
        lambda value: convert.labels("space")(value)[0],
        metavar="SPACE",
        help="space of the atlases, in place of that in their names",
    )

    surface_mesh: tuple[Path, ...] = atlas_option(
        (),
        convert.each(convert.path),
        metavar="FILE",
        help="meshes of both hemispheres (.surf.gii, FreeSurfer's) or a folder of them, to draw "
        "surfaces on; meshes or va.shape.gii, for --element-weights area and distances",
        unset="TemplateFlow's local ones, else spheres",
        content=True,
    )
    mask: str | Path = signal_option(
        "brain",
        convert.mask,
        metavar="brain|none|FILE",
        help="voxels inside the run's brain mask, all voxels, or those inside this image",
        content=True,
    )
    repetition_time: float | None = signal_option(
        None,
        convert.above_zero("a number of seconds"),
        metavar="SECONDS",
        help="repetition time of all runs, in place of that in sidecars and headers",
        unset="the sidecar's, else the header's",
        content=True,
    )
    clean_level: str = signal_option(
        "region",
        choices=("region", "voxel"),
        help="region: reduce voxels to region signals, then denoise; voxel: denoise each labelled "
        "voxel first, which gives the same for mean and sum and takes longer",
        content=True,
    )
    denoise: tuple[str, ...] = signal_option(
        ("simple",),
        convert.strategies,
        metavar="NAME",
        help="denoising strategies, see --list-denoise, or FILE.toml or FILE.json of your own, or "
        "XCP-D's FILE.yml",
    )
    fd_threshold: float | None = override_option(
        convert.above_zero("a displacement in mm"),
        metavar="MM",
        help="censor volumes with a higher framewise displacement",
    )
    std_dvars_threshold: float | None = override_option(
        convert.above_zero("a number"),
        metavar="VALUE",
        help="censor volumes with a higher standardised DVARS",
    )
    dummy_scans: int | Literal["auto"] | None = override_option(
        convert.dummy_scans,
        metavar="N|auto",
        help="censor the first N volumes, or those marked as non-steady-state",
    )
    filter: str | None = override_option(
        choices=("butterworth", "cosine", "none"), help="temporal filter"
    )
    low_pass: float | None = override_option(
        convert.above_zero("a frequency in Hz"), metavar="HZ", help="remove higher frequencies"
    )
    high_pass: float | None = override_option(
        convert.above_zero("a frequency in Hz"), metavar="HZ", help="remove lower frequencies"
    )
    detrend: bool | None = override_option(help="remove linear trends")
    standardize: str | None = override_option(
        choices=("none", "zscore_sample", "zscore", "psc"), help="standardise the signals"
    )

    max_mean_fd: float | None = exclusion_option(
        None,
        convert.above_zero("a displacement in mm"),
        metavar="MM",
        help="exclude runs with a higher mean framewise displacement, of all volumes and without "
        "a motion filter",
    )
    min_coverage_share: float = exclusion_option(
        0.0,
        convert.share,
        metavar="SHARE",
        help="exclude runs in which a smaller share of an atlas' labels has a signal",
    )
    results: Path | None = group_option(
        None,
        convert.path,
        metavar="DIR",
        help="read the time series and matrices in this folder, of XCP-D (0.10 to 26) or "
        "giga_connectome (0.6), in place of those in OUTPUT_DIR; nothing is written into it",
        unset="OUTPUT_DIR",
    )
    average_over: tuple[str, ...] = group_option(
        ("run",),
        choices=("run", "session", "dir", "none"),
        metavar="WHAT",
        help="entities over which the matrices of a participant are averaged; matrices that "
        "differ in others, such as echo or acq, are never averaged",
    )
    run_weights: str = group_option(
        "dof",
        choices=("dof", "equal"),
        help="weight the matrices that are averaged in a participant by effective degrees of "
        "freedom, or equally",
    )
    qcfc_motion: str = group_option(
        "fd",
        choices=("fd", "rmsd"),
        help="correlate edges for QC-FC with mean framewise displacement or with the mean of the "
        "confounds' column rmsd; over all volumes, without a motion filter",
    )

    concatenate: str | None = connectivity_option(
        None,
        choices=("runs", "sessions"),
        help="also one matrix over the concatenated runs of a session, or sessions of a "
        "participant; each run is z-scored before",
    )

    cifti_outputs: bool = connectivity_option(
        False,
        help="also write ptseries.nii and pconn.nii, for wb_view, of runs on grayordinates",
    )

    output_names: str = connectivity_option(
        "bids_labelx",
        choices=("bids_labelx", "xcpd"),
        help="xcpd: also write the results under the names and with the columns of XCP-D 26.1, in "
        "OUTPUT_DIR/derivatives/xcp_d; for one strategy and the mean",
    )

    work_dir: Path | None = running_option(
        None,
        convert.path,
        flags=("-w",),
        level="both",
        metavar="DIR",
        help="work folder, kept between invocations",
        unset="a temporary one",
    )
    remote_timeout: float = running_option(
        120.0,
        convert.above_zero("a number of seconds"),
        metavar="SECONDS",
        help="fail a run that is read from a URL, or fetched by --datalad, when no data come for "
        "so long",
        level="both",
        invocation=True,
    )
    datalad: str | None = running_option(
        None,
        choices=("get", "get+drop"),
        help="fetch input files of DataLad datasets whose content is not there, the series of a "
        "run when it is read; get+drop: also drop afterwards what was fetched; needs git-annex",
        level="both",
        unset="runs without content fail",
    )
    nprocs: int = running_option(
        available_cpus,
        convert.whole(1),
        metavar="N",
        help="processes at once",
        level="both",
        unset="the CPUs available",
    )
    mem_gb: float | None = running_option(
        None,
        convert.above_zero("a number of GB"),
        metavar="GB",
        help="memory for all processes together",
        unset="90 % of what the machine has, a cgroup allows or Slurm allotted",
    )
    omp_nthreads: int = running_option(
        1,
        convert.whole(1),
        metavar="N",
        help="threads per process for linear algebra; with more than 1, last digits may depend on "
        "the machine",
    )
    nipype_plugin_file: Path | None = running_option(
        None,
        convert.path,
        flags=("--use-plugin",),
        metavar="YAML|TOML",
        help="run the workflow with a nipype plugin, given in fMRIPrep's form: plugin and "
        "plugin_args",
    )
    dry_run: bool = running_option(False, help="print the planned inputs and outputs, and stop")
    reports_only: bool = running_option(
        False,
        help="write the participants' reports again from the results in OUTPUT_DIR, and stop",
    )
    report_figures: str = running_option(
        "group",
        choices=("none", "group", "all"),
        help="static figures as SVG and PNG files beside the reports, which do not need them: "
        "none, those of the group level, or those of participants as well; --reports-only "
        "draws them from existing results",
        level="both",
    )
    compact: bool = running_option(
        False,
        help="keep the files of participants in a few Parquet files in OUTPUT_DIR/store, in place "
        "of hundreds of small ones; an output folder that is compact stays so without it; needs "
        "pyarrow",
    )
    overwrite: bool = running_option(
        False, help="replace results in OUTPUT_DIR that were made with other settings"
    )
    follow_links: bool = running_option(
        False,
        help="write through links in OUTPUT_DIR that lead to other folders; by default they are "
        "refused",
        level="both",
    )
    allow_missing: bool = running_option(
        False,
        level="group",
        help="exit with code 0 even if runs failed, or files are missing or broken",
    )
    stop_on_first_crash: bool = running_option(False, help="stop at the first failure")
    verbose: int = running_option(
        0, int, action="count", flags=("-v",), help="print more; show tracebacks", level="both"
    )

    def part(self, kind: type[Part]) -> Part:
        """The options that one step uses, and nothing else: what a node's hash depends on."""
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})

    @property
    def dataset_folders(self) -> dict[str, Path]:
        """The folders of all datasets by name, the first one's first."""
        from pathlib import Path

        pairs = (one.partition("=") for one in self.datasets)
        return {FIRST_DATASET: self.bids_dir, **{name: Path(root) for name, _, root in pairs}}

    @property
    def averaged_over(self) -> tuple[str, ...]:
        """What a participant's matrices are averaged over, each once; empty for ``none``."""
        return tuple(dict.fromkeys(one for one in self.average_over if one != "none"))

    @property
    def clean(self) -> dict[str, Any]:
        """Settings of cleaning that were given for all strategies."""
        names = ("filter", "low_pass", "high_pass", "detrend", "standardize")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def content_settings(settings: Settings) -> dict[str, Any]:
    """The settings that change what stands in an output file, and not its name."""
    options = options_of(Settings)
    return {one.name: getattr(settings, one.name) for one in options if one.content}
