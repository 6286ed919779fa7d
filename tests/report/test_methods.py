from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.denoise import preset_names, read_strategies
from bids_labelx.denoise.families import count_families
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.outputs.run_records import Invocation, RecordedFile, RunRecord
from bids_labelx.report.accounts import Account, accounts_of
from bids_labelx.report.citations import as_plain
from bids_labelx.report.methods import methods_of
from bids_labelx.settings import Settings, plain_options

# What the runs of a strategy did, where a test is not about it.
DONE = {"Interpolation": "linear", "LowPass": 0.1, "HighPass": 0.01}


def methods_text(accounts: Iterable[Account]) -> str:
    return as_plain(methods_of(accounts))


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


MOTION_24 = [
    f"{parameter}{tail}"
    for parameter in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    for tail in ("", "_derivative1", "_power2", "_derivative1_power2")
]
TISSUE_2 = ["csf", "white_matter"]
COSINES = ["cosine00", "cosine01"]
SIGNALS_12 = [
    f"{signal}{tail}"
    for signal in ("csf", "white_matter", "global_signal")
    for tail in ("", "_derivative1", "_power2", "_derivative1_power2")
]


def done_with(*columns: str, **facts: Any) -> dict[str, Any]:
    """What a run did that had these columns as regressors."""
    return {**DONE, "Regressors": count_families(columns), **facts}


@pytest.mark.parametrize(
    ("name", "columns", "cited"),
    [
        ("none", [], set()),
        ("simple", [*MOTION_24, *TISSUE_2, *COSINES], {"Friston", "Satterthwaite"}),
        (
            "scrubbing.5",
            [*MOTION_24, *SIGNALS_12[:8], *COSINES],
            {"Friston", "Satterthwaite", "Power"},
        ),
        (
            "acompcor50",
            [*MOTION_24, "a_comp_cor_00", *COSINES],
            {"Friston", "Satterthwaite", "Behzadi"},
        ),
        ("icaaroma", [*TISSUE_2, *COSINES], {"Pruim"}),
        ("36P", [*MOTION_24, *SIGNALS_12], {"Friston", "Satterthwaite", "Lindquist"}),
        ("gsr_only", ["global_signal"], {"Lindquist"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_papers_behind_a_strategy_are_cited_and_no_others(
    name: str, columns: list[str], cited: set[str]
) -> None:
    text = methods_text(accounts_of([record_of(name, done=done_with(*columns))]))
    text, _, references = text.partition("\n\nReferences\n\n")
    authors = [line.split()[0] for line in references.split("\n\n")]
    software = {"The", "Gorgolewski", "Yarkoni"}
    assert set(authors) == software | cited
    places = [text.index(f"{author} ") for author in dict.fromkeys(authors)]
    assert sorted(places) == places


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
        start = f"Denoising strategy “{one.name}” (as in {one.source}):"
        if one.name == "none":
            start = "Signals called “none” were not denoised."
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
    assert "(Lindquist et al., 2019), and regressed" in text_of("24P")
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
    assert one.count("with bids_labelx") == 1
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
    assert "had been made with fMRIPrep 25.1.1 (Esteban et al., 2019). Slice timing had" in text
    assert len(text.partition("Denoising strategy")[0].split("\n\n")) == 2
    assert "Slice timing had been corrected to 0.7 s after the start of each volume." in text
    both = said(made, aroma)
    assert "(Esteban et al., 2019) and fMRIPost-AROMA 0.0.12 (Pruim et al., 2015). The" in both
    assert "The slice timing of some runs had been corrected" in both
    assert "Slice timing had not been corrected." in said(uncorrected)
    assert "lice timing" not in said({})
    assert "resampled to the grid of each run by majority" in text or "run by nearest" in text


def test_a_strategy_is_told_by_what_it_did_and_not_by_its_description(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'description = "the best"\n[confounds]\nmotion = "full"\ncolumns = ["rmsd"]\n'
        "[volumes]\nnon_steady_state = 4\n"
        "[volumes.scrub]\nfd_threshold = 0.25\nstd_dvars_threshold = 1.5\nmin_segment = 0\n"
    )
    few = done_with(
        *MOTION_24,
        *COSINES,
        "rmsd",
        NumberOfVolumes=100,
        NumberOfVolumesKept=90,
        DegreesOfFreedom=63,
        OtherRegressors=["rmsd"],
        RepetitionTime=2.0,
    )
    more = {**few, "Regressors": count_families([*MOTION_24, "rmsd"]), "NumberOfVolumesKept": 96}
    text = methods_text(
        accounts_of([record_of(str(path), done=one, n=n) for n, one in enumerate((few, more))])
    )
    (paragraph,) = (one for one in text.split("\n\n") if one.startswith("Denoising strategy"))
    assert "the best" not in paragraph
    assert (
        "The confound regressors were 24 motion regressors (the six motion parameters, their "
        "first derivatives, and the squares of both; Friston et al., 1996; Satterthwaite et al., "
        "2013), 0 to 2 discrete cosine functions (high-pass filter with a cut-off of 128 s) and "
        "1 further column of the tables (rmsd)."
    ) in paragraph
    assert (
        "The first 4 volumes and volumes with a framewise displacement above 0.25 mm or a "
        "standardised DVARS above 1.5 (Power et al., 2012) were censored. Of the 100 volumes of a "
        "run, 90 to 96 were kept, which left 63 degrees of freedom."
    ) in paragraph
    assert "The repetition time was 2 s." in text


def test_a_strategy_that_options_have_changed_is_not_said_to_be_the_preset() -> None:
    record = record_of("scrubbing.5")
    (made,) = record.invocations.values()
    own = made.strategies["scrubbing.5"]
    volumes = {**own["volumes"], "scrub": {"fd_threshold": 0.3}}
    changed = replace(made, strategies={"scrubbing.5": {**own, "volumes": volumes}})
    text = methods_text(accounts_of([replace(record, invocations={made.key: changed})]))
    assert "above 0.3 mm" in text
    assert "as in giga_connectome" not in text
    assert "as in giga_connectome" in text_of("scrubbing.5")


def test_records_of_runs_that_are_read_again_change_no_range() -> None:
    records = [
        record_of("simple", done=done_with("csf", NumberOfVolumes=n, NumberOfVolumesKept=n), n=n)
        for n in (100, 80)
    ]
    once, twice = accounts_of(records), accounts_of([*records, *records])
    assert [asdict(one) for one in once] == [asdict(one) for one in twice]
    assert once[0].ranges["simple"]["NumberOfVolumes"] == [80, 100]


def with_atlas(name: str, **facts: Any) -> RunRecord:
    record = record_of("simple")
    files = {path: one._replace(atlas=name) for path, one in record.files.items()}
    return replace(record, files=files, atlases={name: facts} if facts else {})


@pytest.mark.parametrize(
    ("name", "cited"),
    [
        ("Schaefer2018_seg-100Parcels7Networks", "Schaefer et al., 2018"),
        ("AAL", "Tzourio-Mazoyer et al., 2002"),
        ("AAL3v2", "Rolls et al., 2020"),
        ("HCPMMP1", "Glasser et al., 2016"),
        ("Gordon", "Gordon et al., 2016"),
        ("DiFuMo_seg-64Dimensions", "Dadi et al., 2020"),
        ("Brainnetome246Ext", "Fan et al., 2016"),
        ("Tian_seg-S2", "Tian et al., 2020"),
        ("Power2011", "Power et al., 2011"),
    ],
)
def test_known_atlases_are_cited(name: str, cited: str) -> None:
    text = methods_text(accounts_of([with_atlas(name)]))
    assert f"The labels of {name} ({cited}) were" in text
    harvard = methods_text(accounts_of([with_atlas("HarvardOxford")]))
    assert "(Makris et al., 2006; Frazier et al., 2005; Desikan et al., 2006; " in harvard


def test_the_description_of_an_atlas_says_whom_to_cite() -> None:
    described = {"Name": "Lab 7", "Authors": ["Ada Ba", "Cy Do"], "ReferencesAndLinks": ["X (2)"]}
    text = methods_text(accounts_of([with_atlas("Schaefer7", Description=described)]))
    assert "The labels of Schaefer7 (Ada Ba and Cy Do) were" in text
    assert "Ada Ba, Cy Do. Lab 7. X (2)." in text.split("\n\n")
    assert "Schaefer A" not in text
    doi = {"ReferencesAndLinks": ["https://doi.org/10.1038/NATURE18933"]}
    assert "of Own (Glasser et al., 2016) were" in methods_text(
        accounts_of([with_atlas("Own", Description=doi)])
    )
    assert "of Own were" in methods_text(
        accounts_of([with_atlas("Own", Description={"Name": "x"})])
    )


def test_the_coverage_of_atlases_is_told_over_runs() -> None:
    one = with_atlas("A", Labels=10, Missing=1, MeanCoverage=0.875)
    other = with_atlas("A", Labels=10, Missing=3, MeanCoverage=0.75)
    assert (
        "Of the 10 labels of A, 1 to 3 were missing in a run; the mean coverage was 75 to 88 %."
    ) in methods_text(accounts_of([one, other]))
    whole = with_atlas("A", Labels=10, Missing=0, MeanCoverage=1.0)
    assert "Of the 10 labels of A, none was missing in a run; the mean coverage was 100 %." in (
        methods_text(accounts_of([whole]))
    )


@pytest.mark.parametrize("name", MEASURES)
def test_each_measure_has_a_sentence_and_its_reference(name: str) -> None:
    text = text_of("simple", connectivity=(name,))
    assert MEASURES[name][1].partition(",")[0] in text
    shrunk = name in ("partial-correlation", "precision")
    assert ("Ledoit and Wolf" in text) == shrunk
    assert ("10.1016/S0047-259X(03)00096-4" in text) == shrunk


def test_spikes_that_a_strategy_regresses_are_counted() -> None:
    done = done_with(*MOTION_24, "motion_outlier00", "motion_outlier01")
    text = methods_text(accounts_of([record_of("simple", done=done)]))
    assert "2 motion outlier regressors" in text
