from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.denoise import preset_names, read_strategies
from bids_labelx.outputs.run_records import Invocation, RecordedFile, RunRecord
from bids_labelx.report.methods import Account, accounts_of, methods_text
from bids_labelx.settings import Settings, plain_options

# What the runs of a strategy did, where a test is not about it.
DONE = {"Interpolation": "linear", "LowPass": 0.1, "HighPass": 0.01}


def record_of(
    *names: str, done: dict[str, Any] | None = None, n: int = 1, **options: Any
) -> RunRecord:
    """The record of the run of participant `n` with these strategies and options."""
    settings = Settings(
        bids_dir=Path("in"), output_dir=Path("out"), analysis_level="participant", **options
    )
    strategies = {one.name: asdict(one) for one in read_strategies(names)}
    made = Invocation("cmd", plain_options(settings), strategies)
    files = {f"{name}.tsv": RecordedFile(1, made.key, "A", name) for name in strategies}
    facts = dict.fromkeys(strategies, done or DONE)
    return RunRecord({"sub": f"{n:02}"}, files, {made.key: made}, facts)


def text_of(*names: str, **options: Any) -> str:
    return methods_text(accounts_of([record_of(*names, **options)]))


@pytest.mark.parametrize(
    ("name", "cited"),
    [
        ("none", set()),
        ("simple", {"Friston"}),
        ("scrubbing.5", {"Friston", "Power"}),
        ("acompcor50", {"Friston", "Behzadi"}),
        ("icaaroma", {"Pruim"}),
        ("36P", {"Friston", "Lindquist"}),
        ("36P+scrubbing", {"Friston", "Lindquist", "Power"}),
    ],
)
def test_the_papers_behind_a_strategy_are_cited_and_no_others(name: str, cited: set[str]) -> None:
    text, _, references = text_of(name).partition("\n\nReferences\n\n")
    authors = [line.split()[0] for line in references.split("\n\n")]
    assert sorted(authors) == sorted({"Gorgolewski", "Yarkoni", *cited})
    places = [text.index(f"{author} et al., ") for author in authors]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "where it is inside the brain mask and its series is finite"),
        ({"mask": "none"}, "where its series is finite"),
        (
            {"mask": Path("in/grey_mask.nii")},
            "where it is inside the mask grey_mask.nii and its series",
        ),
        ({"labels": ("5", "nine")}, "Of these, the labels 5 and nine were used."),
        ({"exact_volumes": (100, 200)}, "Matrices of the first 100 and 200 kept volumes"),
        (
            {"exact_volumes": (100,), "exact_volumes_from": "random", "random_seed": 7},
            "Matrices of 100 kept volumes, drawn at random for each run without replacement "
            "(seed 7), were",
        ),
        ({"concatenate": "runs"}, "over all runs of a session, each run was z-scored"),
        ({"concatenate": "sessions"}, "over all runs of a participant"),
        ({"smoothing_fwhm": 6.0}, "smoothed with a Gaussian kernel of 6 mm FWHM"),
        ({"standardize_voxels": True, "clean_level": "voxel"}, "Each denoised voxel was z-scored"),
    ],
)
def test_what_was_chosen_is_said(options: dict[str, Any], said: str) -> None:
    assert said in text_of("simple", **options)
    if options:
        assert said not in text_of("simple")


def test_every_preset_has_a_paragraph_in_plain_sentences() -> None:
    paragraphs = text_of(*preset_names()).split("\n\n")
    for one in read_strategies(preset_names()):
        start = f"Denoising strategy “{one.name}”: {one.description}"
        (paragraph,) = (text for text in paragraphs if text.startswith(start))
        assert paragraph.endswith(".")
        assert "  " not in paragraph
        assert " ." not in paragraph


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        (
            'filter = "butterworth"\nlow_pass = 0.1',
            "of order 2, applied forwards and backwards with constant padding over the length "
            "of the run, passed frequencies below 0.1 Hz.",
        ),
        (
            'filter = "butterworth"\nhigh_pass = 0.01\nbutterworth = { order = 5 }',
            "of order 5, applied forwards and backwards with constant padding over the length "
            "of the run, passed frequencies above 0.01 Hz.",
        ),
        ('filter = "butterworth"\nhigh_pass = 0.01\nlow_pass = 0.1', "from 0.01 to 0.1 Hz."),
        ('filter = "cosine"\nhigh_pass = 0.008', "Discrete cosine regressors up to 0.008 Hz"),
        (
            'filter = "butterworth"\nhigh_pass = 0.01\nbutterworth = { padtype = "odd" }',
            "of order 2, applied forwards and backwards with odd padding over the length "
            "of the run, passed frequencies above 0.01 Hz.",
        ),
        ("detrend = true", "Linear trends were removed."),
        ('standardize = "zscore"', "Signals were z-scored to unit variance (n)."),
        ('standardize = "zscore_sample"', "Signals were z-scored to unit variance (n − 1)."),
        ('standardize = "psc"', "Signals were converted to percent of their mean."),
    ],
)
def test_the_steps_of_a_strategy_are_said(tmp_path: Path, clean: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'description = "mine"\n[clean]\n{clean}\n')
    assert said in text_of(str(path))


def test_confounds_that_are_not_standardised_are_not_said_to_be() -> None:
    assert "like the signals, then standardised, and regressed" in text_of("simple")
    assert "like the signals, and regressed" in text_of("24P")
    both = text_of("simple", "24P")
    assert "then standardised unless said otherwise, and" in both
    assert "The confounds of this strategy were not standardised." in both


def test_what_no_run_needed_is_not_said_to_have_been_done() -> None:
    name = "36P+scrubbing"
    assert "Censored volumes were interpolated" in text_of(name)
    assert "from 0.01 to 0.08 Hz" in text_of("36P")
    done = {"Interpolation": None, "LowPass": None, "HighPass": 0.01}
    text = text_of(name, done=done)
    assert "interpolated" not in text
    assert "passed frequencies above 0.01 Hz" in text
    unfiltered = text_of(name, done={**done, "HighPass": None})
    assert "Hz" not in unfiltered.partition("Denoising strategy")[2].partition(".")[2]


def test_runs_that_could_not_be_low_pass_filtered_are_told_of() -> None:
    slow = {**DONE, "LowPass": None}
    records = [record_of("36P"), record_of("36P", done=slow, n=2)]
    text = methods_text(accounts_of(records))
    assert "from 0.01 to 0.08 Hz. Runs whose repetition time does not allow 0.08 Hz were" in text


def test_two_invocations_with_other_strategies_are_one_text_of_both() -> None:
    one = methods_text(accounts_of([record_of("simple"), record_of("24P", n=2)]))
    assert "strategy “simple”" in one
    assert "strategy “24P”" in one
    assert one.count("bids_labelx") == 1
    assert one.count("References") == 1


def test_other_settings_are_told_apart() -> None:
    smooth = record_of("24P", n=2, smoothing_fwhm=6.0, statistic=("median",))
    text = methods_text(accounts_of([record_of("simple"), smooth]))
    first, second = text.split("Results of 24P with median:")
    assert first.startswith("Results of simple with mean:")
    assert "6 mm FWHM" in second
    assert "6 mm FWHM" not in first
    assert text.count("References") == 1


def test_results_that_were_removed_are_not_told_of() -> None:
    record = record_of("simple", "24P")
    text = methods_text(accounts_of([record.without(["24P.tsv"])]))
    assert "24P" not in text
    assert methods_text(accounts_of([record.without(list(record.files))])) == (
        "No results are there yet."
    )


def test_settings_of_a_version_that_has_gone_are_named_and_the_rest_is_told() -> None:
    fields = asdict(read_strategies(["24P"])[0])
    old = Account("0.0.1", {"no_such_option": 1}, ["A"], {"24P": fields})
    text = methods_text([old, *accounts_of([record_of("simple")])])
    assert "bids_labelx 0.0.1 had settings that this version lacks: --no-such-option" in text
    assert "strategy “simple”" in text


def test_who_preprocessed_the_runs_and_their_slice_timing_are_said() -> None:
    made = {"PreprocessedBy": ["fMRIPrep 25.1.1"], "SliceTimingCorrected": True, "StartTime": 0.7}
    uncorrected = {**made, "SliceTimingCorrected": False, "StartTime": None}
    aroma = {**uncorrected, "PreprocessedBy": ["fMRIPrep 25.1.1", "fMRIPost-AROMA 0.0.12"]}

    def said(*facts: dict[str, Any]) -> str:
        records = [record_of("simple", done={**DONE, **one}, n=n) for n, one in enumerate(facts)]
        return methods_text(accounts_of(records))

    text = said(made, made)
    assert "had been made with fMRIPrep 25.1.1. Slice timing had been corrected to 0.7 s" in text
    assert "made with fMRIPrep 25.1.1 and fMRIPost-AROMA 0.0.12. The slice timing of some" in said(
        made, aroma
    )
    assert "Slice timing had not been corrected." in said(uncorrected)
    assert "lice timing" not in said({})
    assert "resampled to the grid of each run by majority" in text or "run by nearest" in text
