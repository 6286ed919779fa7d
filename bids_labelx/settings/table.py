"""The table of options: each setting of the app is one entry, and everything else follows."""

# ruff: noqa: RUF009 - what is called makes dataclass fields
from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from bids_labelx.settings import convert
from bids_labelx.settings.entry import option, options_of
from bids_labelx.settings.machine import available_cpus

if TYPE_CHECKING:
    from pathlib import Path

STATISTICS = ("mean", "median", "sum", "minimum", "maximum", "variance", "standard_deviation")
CONNECTIVITY = ("correlation", "partial-correlation", "covariance", "precision", "none")


_argument = partial(option, MISSING, level="both", invocation=True)
_which = partial(option, group="which runs")
_atlas = partial(option, group="atlas")
_signal = partial(option, group="signal")
_override = partial(_signal, None, unset="the strategy's")
_exclusion = partial(option, group="group-level exclusion", level="group")
_group = partial(option, group="group matrices", level="group")
_connectivity = partial(option, group="connectivity")
_running = partial(option, group="running", invocation=True)


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Which labels of an atlas are taken."""

    labels: tuple[str, ...] = _atlas(
        (),
        convert.words,
        metavar="LABEL",
        help="only these labels, by index or name",
        unset="all of each atlas",
        content=True,
    )
    background_label: int = _atlas(
        0, convert.whole(0), metavar="INDEX", help="additional background value", content=True
    )
    label_resampling: str = _atlas(
        "nearest",
        choices=("nearest", "majority"),
        help="nearest: the label at the centre of each voxel of the run, as in nilearn; majority: "
        "the one that fills most of it",
        content=True,
    )


@dataclass(frozen=True, kw_only=True)
class ExtractionOptions:
    """How a run is reduced to region signals."""

    min_coverage: float = _atlas(
        0.5,
        convert.share,
        metavar="SHARE",
        help="labels with a smaller share of their volume in the atlas covered are n/a",
        content=True,
    )
    statistic: tuple[str, ...] = _signal(
        ("mean",),
        choices=STATISTICS,
        metavar="NAME",
        help="statistics over the voxels of a region",
    )
    smoothing_fwhm: float | None = _signal(
        None,
        convert.above_zero("a width in mm"),
        metavar="MM",
        help="smooth volumes with a Gaussian of this full width at half maximum",
        unset="no smoothing",
        content=True,
    )
    smooth_inside_mask: bool = _signal(
        False,
        help="with --smoothing-fwhm: smooth with voxels inside the mask alone, normalised; unless "
        "given, voxels outside are mixed in, as in nilearn",
        content=True,
    )


@dataclass(frozen=True, kw_only=True)
class DenoisingOptions:
    """How signals are denoised, besides the strategies."""

    standardize_voxels: bool = _signal(
        False,
        help="with --clean-level voxel: z-score each denoised voxel before reducing regions",
        content=True,
    )
    censor_output: str = _signal(
        "drop",
        choices=("drop", "nan", "interpolate"),
        help="censored volumes have no row, rows of n/a, or rows interpolated from those kept",
        content=True,
    )
    min_minutes: float = _signal(
        0.0,
        convert.number("a number of minutes", lambda found: 0 <= found < float("inf")),
        metavar="MINUTES",
        help="exclude runs with fewer minutes left after censoring, for each strategy",
        level="both",
        content=True,
    )


@dataclass(frozen=True, kw_only=True)
class ConnectivityOptions:
    """Which matrices are made of a run's signals."""

    connectivity: tuple[str, ...] = _connectivity(
        ("correlation",), choices=CONNECTIVITY, metavar="MEASURE", help="connectivity measures"
    )
    exact_volumes: tuple[int, ...] = _connectivity(
        (),
        convert.each(convert.whole(3)),
        metavar="N",
        help="also matrices of N of the volumes kept, for runs with at least as many",
    )
    exact_volumes_from: str = _connectivity(
        "first",
        choices=("first", "random"),
        help="--exact-volumes takes the first N, or draws N, others for each run",
    )
    random_seed: int = _connectivity(
        0,
        convert.whole(0),
        metavar="SEED",
        help="what --exact-volumes-from random draws by",
        content=True,
    )

    @property
    def measures(self) -> tuple[str, ...]:
        """The connectivity measures to compute; empty where the user asked for none."""
        return tuple(m for m in self.connectivity if m != "none")


Part = TypeVar("Part", LabelOptions, ExtractionOptions, DenoisingOptions, ConnectivityOptions)


@dataclass(frozen=True)
class Settings(LabelOptions, ExtractionOptions, DenoisingOptions, ConnectivityOptions):
    """Everything that decides what one invocation of the app does.

    The field names are those of the command line's long options, with underscores. Labels stand
    without their entity's key: ``01``, not ``sub-01``. Steps go by parts of it, see `part`.
    """

    bids_dir: Path = _argument(convert.path, help="the dataset of derivatives")
    output_dir: Path = _argument(convert.path, help="folder for the results")
    analysis_level: str = _argument(
        choices=("participant", "group"),
        help="participant: extract signals from each run; group: summarise what the participant "
        "level wrote",
    )

    participant_label: tuple[str, ...] = _which(
        (),
        convert.labels("sub"),
        metavar="LABEL",
        help="participants, with or without sub-",
        level="both",
        invocation=True,
    )
    session_label: tuple[str, ...] = _which(
        (), convert.labels("ses"), metavar="LABEL", help="sessions, with or without ses-"
    )
    task_id: tuple[str, ...] = _which(
        (), convert.labels("task"), flags=("-t",), metavar="TASK", help="tasks"
    )
    run_id: tuple[str, ...] = _which(
        (), convert.labels("run"), flags=("-r",), metavar="RUN", help="runs"
    )
    space: tuple[str, ...] = _which(
        (),
        convert.labels("space"),
        metavar="SPACE",
        help="spaces; 'native' stands for files without space-",
    )
    res: tuple[str, ...] = _which((), convert.labels("res"), metavar="RES", help="resolutions")
    bids_filter_file: Path | None = _which(
        None,
        convert.path,
        metavar="JSON",
        help="entities of bold, mask and confounds, in fMRIPrep's form; null and * mean none and "
        "any",
    )
    bids_database_dir: Path | None = _which(
        None,
        convert.path,
        metavar="DIR",
        help="keep the index of BIDS_DIR here for later invocations; what has changed in the "
        "dataset is indexed again",
        unset="not kept",
        invocation=True,
    )

    atlas: tuple[str, ...] = _atlas(
        (),
        convert.atlases,
        metavar="SPEC",
        help="IMAGE, NAME=IMAGE, NAME=IMAGE,TABLE; or NAME[:SEG] looked up in --atlas-dataset and "
        "in TemplateFlow's local folder; or derivative:desc-LABEL, each run's own segmentation",
        unset="all atlases of --atlas-dataset in the run's space",
    )
    atlas_dataset: Path | None = _atlas(
        None, convert.path, metavar="DIR", help="a BIDS atlas dataset (tpl-…)"
    )
    atlas_space: str | None = _atlas(
        None,
        lambda value: convert.labels("space")(value)[0],
        metavar="SPACE",
        help="the space of the atlases, whatever their names say",
    )

    mask: str | Path = _signal(
        "brain",
        convert.mask,
        metavar="brain|none|FILE",
        help="voxels inside the run's brain mask, all voxels, or those inside this image",
        content=True,
    )
    repetition_time: float | None = _signal(
        None,
        convert.above_zero("a number of seconds"),
        metavar="SECONDS",
        help="repetition time of all runs, whatever sidecars and headers say",
        unset="the sidecar's, else the header's",
        content=True,
    )
    clean_level: str = _signal(
        "region",
        choices=("region", "voxel"),
        help="region: reduce voxels to region signals, then denoise; voxel: denoise each labelled "
        "voxel first, which gives the same for mean and sum and takes longer",
        content=True,
    )
    denoise: tuple[str, ...] = _signal(
        ("simple",),
        convert.strategies,
        metavar="NAME",
        help="denoising strategies, see --list-denoise, or FILE.toml or FILE.json of your own",
    )
    fd_threshold: float | None = _override(
        convert.above_zero("a displacement in mm"),
        metavar="MM",
        help="censor volumes with a higher framewise displacement",
    )
    std_dvars_threshold: float | None = _override(
        convert.above_zero("a number"),
        metavar="VALUE",
        help="censor volumes with a higher standardised DVARS",
    )
    dummy_scans: int | Literal["auto"] | None = _override(
        convert.dummy_scans,
        metavar="N|auto",
        help="censor the first N volumes, or those marked as non-steady-state",
    )
    filter: str | None = _override(
        choices=("butterworth", "cosine", "none"), help="temporal filter"
    )
    low_pass: float | None = _override(
        convert.above_zero("a frequency in Hz"), metavar="HZ", help="remove higher frequencies"
    )
    high_pass: float | None = _override(
        convert.above_zero("a frequency in Hz"), metavar="HZ", help="remove lower frequencies"
    )
    detrend: bool | None = _override(help="remove linear trends")
    standardize: str | None = _override(
        choices=("none", "zscore_sample", "zscore", "psc"), help="standardise the signals"
    )

    max_mean_fd: float | None = _exclusion(
        None,
        convert.above_zero("a displacement in mm"),
        metavar="MM",
        help="exclude runs with a higher mean framewise displacement, of all volumes and without "
        "a motion filter",
    )
    min_coverage_share: float = _exclusion(
        0.0,
        convert.share,
        metavar="SHARE",
        help="exclude runs in which a smaller share of an atlas' labels has a signal",
    )
    average_over: tuple[str, ...] = _group(
        ("run",),
        choices=("run", "session", "dir", "none"),
        metavar="WHAT",
        help="what the matrices of a participant are averaged over (echo, acq and all else never "
        "are, and have matrices of their own)",
    )
    run_weights: str = _group(
        "dof",
        choices=("dof", "equal"),
        help="weight the matrices that are averaged in a participant by effective degrees of "
        "freedom, or equally",
    )
    qcfc_motion: str = _group(
        "fd",
        choices=("fd", "rmsd"),
        help="correlate edges for QC-FC with mean framewise displacement or with the mean of the "
        "confounds' column rmsd; over all volumes, without a motion filter",
    )

    concatenate: str | None = _connectivity(
        None,
        choices=("runs", "sessions"),
        help="also one matrix over the concatenated runs of a session, or sessions of a "
        "participant; each run is z-scored before",
    )

    work_dir: Path | None = _running(
        None,
        convert.path,
        flags=("-w",),
        metavar="DIR",
        help="work folder, kept between invocations",
        unset="a temporary one",
    )
    nprocs: int = _running(
        available_cpus,
        convert.whole(1),
        metavar="N",
        help="processes at once",
        unset="the CPUs available",
    )
    mem_gb: float | None = _running(
        None,
        convert.above_zero("a number of GB"),
        metavar="GB",
        help="memory for all processes together",
        unset="90 % of what the machine has, a cgroup allows or Slurm allotted",
    )
    omp_nthreads: int = _running(
        1,
        convert.whole(1),
        metavar="N",
        help="threads per process for linear algebra; with more than 1, last digits may depend on "
        "the machine",
    )
    nipype_plugin_file: Path | None = _running(
        None,
        convert.path,
        flags=("--use-plugin",),
        metavar="YAML|TOML",
        help="run the workflow with a nipype plugin, given in fMRIPrep's form: plugin and "
        "plugin_args",
    )
    dry_run: bool = _running(False, help="print what would be read and written, and stop")
    reports_only: bool = _running(
        False, help="write the participants' reports again from what is in OUTPUT_DIR, and stop"
    )
    overwrite: bool = _running(
        False, help="replace results in OUTPUT_DIR that were made with other settings"
    )
    follow_links: bool = _running(
        False,
        help="write through links in OUTPUT_DIR to folders elsewhere, which are refused otherwise",
        level="both",
    )
    allow_missing: bool = _running(
        False, level="group", help="exit with 0 though runs failed, or files are gone or broken"
    )
    stop_on_first_crash: bool = _running(False, help="stop at the first failure")
    verbose: int = _running(
        0, int, action="count", flags=("-v",), help="print more; show tracebacks", level="both"
    )

    def part(self, kind: type[Part]) -> Part:
        """The options that one step goes by, and nothing else: what a node's hash depends on."""
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})

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
