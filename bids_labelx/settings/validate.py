"""Options, as they come from the command line or a file, validated into settings."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from bids_labelx.errors import UsageError
from bids_labelx.settings.entry import options_of
from bids_labelx.settings.model_options import ModelOptions
from bids_labelx.settings.table import Settings
from bids_labelx.suggestions import closest


def make_settings(options: Mapping[str, Any], problems: tuple[str, ...] = ()) -> Settings:
    """Validate options into settings.

    Parameters
    ----------
    options
        Values by field name; those that are None count as not given.
    problems
        Mistakes found before (unknown options, say), to be listed with those found here.

    Raises
    ------
    UsageError
        With all mistakes at once, a line each.
    """
    found = list(problems)
    values: dict[str, Any] = {}
    known = {one.name: one for one in options_of(Settings)}
    # What was given, if wrongly, is not missing besides.
    wrong = {
        name
        for name, one in known.items()
        if any(problem.startswith(f"{one.shown}:") for problem in problems)
    }
    for name, value in options.items():
        if value is None:
            continue
        if name not in known:
            shown = name.replace("_", "-")
            near = closest(shown, [one.shown.removeprefix("--") for one in known.values()])
            meant = f", did you mean --{near}?" if near else ""
            found.append(f"--{shown}: there is no such option{meant}")
            continue
        try:
            values[name] = known[name].converted(value)
        except (ValueError, TypeError, OverflowError) as error:
            found.append(f"{known[name].shown} {error}")
            wrong.add(name)
    missing = [o.shown for o in known.values() if o.group is None and options.get(o.name) is None]
    if missing:
        found.append(
            f"missing: {', '.join(missing)} "
            "(bids_labelx BIDS_DIR OUTPUT_DIR {participant,group} [options])"
        )
    found += _contradictions(values, options) + _without_models(values, wrong)
    if found:
        raise UsageError("\n".join(found))
    return Settings(**values)


def _contradictions(values: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is wrong with options that are right by themselves, or were `given` wrongly."""
    found = []
    if values.get("analysis_level") == "participant" and not (
        any(values.get(name) or given.get(name) for name in ("atlas", "atlas_dataset"))
        or values.get("reports_only")
    ):
        found.append(
            "no atlas: give --atlas IMAGE, or --atlas-dataset DIR and perhaps --atlas NAME[:SEG]"
        )
    if values.get("analysis_level") == "group" and values.get("reports_only"):
        found.append(
            "--reports-only: is for the participant level; group reads nothing but outputs anyway"
        )
    if "bids_dir" in values and values.get("output_dir") == values["bids_dir"]:
        found.append("OUTPUT_DIR is BIDS_DIR: choose a folder of its own for the output")
    if "bids_database_dir" in values and values["bids_database_dir"] in (
        values.get("bids_dir"),
        values.get("output_dir"),
    ):
        found.append("--bids-database-dir is BIDS_DIR or OUTPUT_DIR: choose a folder of its own")
    if "[" in str(values.get("work_dir", "")):
        found.append(
            f"--work-dir {values['work_dir']}: nipype, which works there, takes [ in a path for a "
            "pattern; choose a folder without it"
        )
    if values.get("standardize_voxels") and values.get("clean_level") != "voxel":
        found.append("--standardize-voxels: voxels are denoised with --clean-level voxel only")
    if values.get("element_weights") == "area" and not values.get("surface_mesh"):
        found.append(
            "--element-weights area: give the midthickness meshes or va.shape.gii of both "
            "hemispheres with --surface-mesh"
        )
    if values.get("smooth_inside_mask"):
        if values.get("smoothing_fwhm") is None:
            found.append("--smooth-inside-mask: smooths nothing without --smoothing-fwhm")
        if values.get("mask") == "none":
            found.append("--smooth-inside-mask: there is no mask, as --mask is none")
    if len(values.get("connectivity", ())) > 1 and "none" in values["connectivity"]:
        found.append("--connectivity: 'none' stands alone")
    drawn = values.get("exact_volumes_from") == "random"
    if drawn and not values.get("exact_volumes"):
        found.append("--exact-volumes-from: says which volumes --exact-volumes takes; give it too")
    if values.get("random_seed") and not drawn:
        found.append("--random-seed: is for --exact-volumes-from random only")
    without = values.get("connectivity") == ("none",)
    for name in ("exact_volumes", "concatenate"):
        if without and values.get(name):
            shown = "--" + name.replace("_", "-")
            found.append(f"{shown}: makes matrices, but --connectivity is none")
    return found + _xcpd_names(values) + _harmonisation(values)


def _xcpd_names(values: Mapping[str, Any]) -> list[str]:
    """What XCP-D's names cannot tell, or its readers would not understand."""
    if values.get("output_names") != "xcpd":
        return []
    found = []
    name = "--output-names xcpd"
    if len(set(values.get("denoise", ("simple",)))) > 1:
        found.append(f"{name}: XCP-D's names have no strategy; choose one with --denoise")
    if set(values.get("statistic", ("mean",))) != {"mean"}:
        found.append(f"{name}: XCP-D's series are means; leave --statistic out, or give mean")
    if "correlation" not in values.get("connectivity", ("correlation",)):
        found.append(f"{name}: XCP-D's matrices are correlations; add --connectivity correlation")
    if values.get("censor_output") == "nan":
        found.append(
            f"{name}: XCP-D's series have no rows of n/a; choose --censor-output drop (as XCP-D's "
            "mode linc) or interpolate (as abcd)"
        )
    return found


def _without_models(values: Mapping[str, Any], wrong: Container[str]) -> list[str]:
    """What is wrong with options of group models, which are right by themselves.

    Those in `wrong` are given, and are not.
    """
    found = []
    if values.get("model") and not values.get("contrast") and "contrast" not in wrong:
        found.append("--model: say what is tested in it with --contrast, a column or a term of it")
    for name in ("contrast", "permutation_blocks", "model_rows", "nbs_threshold"):
        default = getattr(ModelOptions(), name)
        other = values.get(name, default) != default
        if other and not values.get("model") and "model" not in wrong:
            found.append(f"--{name.replace('_', '-')}: is for --model, give it too")
    if values.get("permute_blocks") == "whole":
        if not values.get("permutation_blocks"):
            found.append("--permute-blocks whole: say which with --permutation-blocks")
        if values.get("model_rows", "participant") != "participant":
            found.append(
                "--permute-blocks whole: rows of one participant are permuted within it; it is "
                "for --model-rows participant"
            )
    if values.get("permutation_blocks") and values.get("permutations") == 0:
        found.append("--permutation-blocks: there are none with --permutations 0")
    if values.get("model_rows") == "session" and "session" in values.get("average_over", ()):
        found.append(
            "--model-rows session: sessions are averaged by --average-over session; leave that out"
        )
    return found


def _harmonisation(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with options of harmonisation, which are right by themselves."""
    if values.get("harmonize"):
        batch = values.get("batch")
        if not batch:
            return ["--harmonize: say which covariate has the batches with --batch COLUMN"]
        if batch in values.get("preserve", ()):
            return [f"--preserve {batch}: it is the batch, whose effect is removed"]
        if values.get("model_rows") == "run" and values.get("model"):
            return [
                "--harmonize: harmonises the edges of participants, and --model-rows run models "
                "those of single runs; choose --model-rows participant or session"
            ]
        return []
    given = [name for name in ("batch", "preserve") if values.get(name)]
    return [f"--{name}: is for --harmonize, give it too" for name in given]
