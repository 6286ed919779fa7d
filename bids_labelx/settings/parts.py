"""The options that each step of the signal path uses."""

from __future__ import annotations

from dataclasses import dataclass

from bids_labelx.settings import convert
from bids_labelx.settings.groups import atlas_option, connectivity_option, signal_option

STATISTICS = ("mean", "median", "sum", "minimum", "maximum", "variance", "standard_deviation")
CONNECTIVITY = ("correlation", "partial-correlation", "covariance", "precision", "none")


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Which labels of an atlas are taken."""

    labels: tuple[str, ...] = atlas_option(
        (),
        convert.words,
        metavar="LABEL",
        help="only these labels, by index or name",
        unset="all of each atlas",
        content=True,
    )
    background_label: int = atlas_option(
        0, convert.whole(0), metavar="INDEX", help="additional background value", content=True
    )
    label_resampling: str = atlas_option(
        "nearest",
        choices=("nearest", "majority"),
        help="nearest: the label at the centre of each voxel of the run, as in nilearn; majority: "
        "the one that fills most of it",
        content=True,
    )


@dataclass(frozen=True, kw_only=True)
class ExtractionOptions:
    """How a run is reduced to region signals."""

    min_coverage: float = atlas_option(
        0.5,
        convert.share,
        metavar="SHARE",
        help="labels with a smaller share of their volume in the atlas covered are n/a",
        content=True,
    )
    statistic: tuple[str, ...] = signal_option(
        ("mean",),
        choices=STATISTICS,
        metavar="NAME",
        help="statistics over the voxels of a region",
    )
    smoothing_fwhm: float | None = signal_option(
        None,
        convert.above_zero("a width in mm"),
        metavar="MM",
        help="smooth volumes with a Gaussian of this full width at half maximum",
        unset="no smoothing",
        content=True,
    )
    element_weights: str = signal_option(
        "equal",
        choices=("equal", "area"),
        help="weights of vertices in means on surfaces: equal, or their area in the mesh or the "
        "va.shape.gii of --surface-mesh",
        content=True,
    )
    smooth_inside_mask: bool = signal_option(
        False,
        help="with --smoothing-fwhm: smooth over voxels inside the mask only, normalised; by "
        "default voxels outside contribute, as in nilearn",
        content=True,
    )


@dataclass(frozen=True, kw_only=True)
class DenoisingOptions:
    """How signals are denoised, besides the strategies."""

    standardize_voxels: bool = signal_option(
        False,
        help="with --clean-level voxel: z-score each denoised voxel before reducing regions",
        content=True,
    )
    censor_output: str = signal_option(
        "drop",
        choices=("drop", "nan", "interpolate"),
        help="censored volumes have no row, rows of n/a, or rows interpolated from those kept",
        content=True,
    )
    min_minutes: float = signal_option(
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

    connectivity: tuple[str, ...] = connectivity_option(
        ("correlation",), choices=CONNECTIVITY, metavar="MEASURE", help="connectivity measures"
    )
    exact_volumes: tuple[int, ...] = connectivity_option(
        (),
        convert.each(convert.whole(3)),
        metavar="N",
        help="also compute matrices of N of the volumes kept, for runs with at least as many",
    )
    exact_volumes_from: str = connectivity_option(
        "first",
        choices=("first", "random"),
        help="volumes that --exact-volumes uses: the first N, or N drawn at random for each run",
    )
    random_seed: int = connectivity_option(
        0,
        convert.whole(0),
        metavar="SEED",
        help="seed of --exact-volumes-from random",
        content=True,
    )

    @property
    def measures(self) -> tuple[str, ...]:
        """The connectivity measures to compute; empty where the user asked for none."""
        return tuple(m for m in self.connectivity if m != "none")
