from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bids_labelx.errors import UsageError
from bids_labelx.settings import Settings, make_settings

NEEDED = {
    "bids_dir": "in",
    "output_dir": "out",
    "analysis_level": "participant",
    "atlas": ["a.nii"],
}


def test_defaults_are_those_of_the_design() -> None:
    settings = make_settings(NEEDED)
    assert settings.denoise == ("simple",)
    assert settings.statistic == ("mean",)
    assert settings.connectivity == ("correlation",)
    assert settings.min_coverage == 0.5
    assert settings.nprocs >= 1


def test_labels_are_taken_with_and_without_their_key() -> None:
    settings = make_settings({**NEEDED, "participant_label": ["01", "sub-02", "sub-01"]})
    assert settings.participant_label == ("01", "02")


def test_all_mistakes_are_listed_at_once() -> None:
    wrong = {
        "bids_dir": "in",
        "analysis_level": "subject",
        "min_coverage": "1.5",
        "statistic": ["mean", "mode"],
        "nprocs": "0",
        "participant_label": ["a/b"],
    }
    with pytest.raises(UsageError) as caught:
        make_settings(wrong, ("--foo: there is no such option or argument",))
    message = str(caught.value)
    for part in ("OUTPUT_DIR", "'subject'", "'1.5'", "'mode'", "'0'", "'a/b'", "--foo"):
        assert part in message
    assert caught.value.exit_code == 64


def test_all_wrong_words_of_one_option_are_listed() -> None:
    wrong = {**NEEDED, "statistic": ["mode", "mean", "x"], "task_id": ["rest", "task-a/b", "c/d"]}
    with pytest.raises(UsageError) as caught:
        make_settings(wrong)
    assert "--statistic 'mode', 'x': choose from mean" in str(caught.value)
    assert "--task-id 'task-a/b', 'c/d': a label has letters" in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "-0.1", "two", "inf"])
def test_a_coverage_that_is_no_share_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        make_settings({**NEEDED, "min_coverage": value})


def test_the_participant_level_needs_an_atlas_and_the_group_level_does_not() -> None:
    given = {**NEEDED, "atlas": None}
    with pytest.raises(UsageError, match="no atlas"):
        make_settings(given)
    assert make_settings({**given, "analysis_level": "group"}).atlas == ()


def test_output_into_the_input_is_refused() -> None:
    with pytest.raises(UsageError, match="OUTPUT_DIR is BIDS_DIR"):
        make_settings({**NEEDED, "output_dir": "in/../in"})


def test_none_as_connectivity_stands_alone() -> None:
    assert make_settings({**NEEDED, "connectivity": ["none"]}).measures == ()
    with pytest.raises(UsageError, match="stands alone"):
        make_settings({**NEEDED, "connectivity": ["none", "correlation"]})


def test_standardised_voxels_need_cleaned_ones() -> None:
    given = {"bids_dir": "/in", "output_dir": "/out", "analysis_level": "participant"}
    given = {**given, "atlas": ["a.nii"], "standardize_voxels": True}
    with pytest.raises(UsageError, match=r"--standardize-voxels: .*--clean-level voxel"):
        make_settings(given)
    assert make_settings({**given, "clean_level": "voxel"}).standardize_voxels


def test_draws_need_volumes_to_draw_and_a_seed_needs_draws() -> None:
    given = {"bids_dir": "/in", "output_dir": "/out", "analysis_level": "participant"}
    given = {**given, "atlas": ["a.nii"], "random_seed": "4"}
    with pytest.raises(UsageError, match="--random-seed: is for --exact-volumes-from random"):
        make_settings(given)
    given["exact_volumes_from"] = "random"
    with pytest.raises(UsageError, match=r"--exact-volumes-from: .* give it too"):
        make_settings(given)
    assert make_settings({**given, "exact_volumes": ["20"]}).random_seed == 4


def test_every_setting_can_be_given_as_an_option() -> None:
    with pytest.raises(UsageError) as caught:
        make_settings({field.name: object() for field in dataclasses.fields(Settings)})
    assert "no such option" not in str(caught.value)


def test_an_unknown_key_in_a_file_is_named() -> None:
    with pytest.raises(UsageError, match="--smoothness: there is no such option"):
        make_settings({**NEEDED, "smoothness": 3})


def test_a_work_folder_that_nipype_takes_for_a_pattern_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--work-dir /a\[b\]: nipype"):
        make_settings({**NEEDED, "work_dir": "/a[b]"})
    assert make_settings({**NEEDED, "work_dir": "/a*b?"}).work_dir is not None


def test_a_wrong_atlas_is_not_said_to_be_missing_too() -> None:
    options = {key: value for key, value in NEEDED.items() if key != "atlas_dataset"}
    with pytest.raises(UsageError) as caught:
        make_settings({**options, "atlas": ["a\0.nii"]})
    assert "a path is expected" in str(caught.value)
    assert "no atlas" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"denois": ["36P"]}, "--denois: there is no such option, did you mean --denoise?"),
        ({"statistic": ["maen"]}, "--statistic 'maen', did you mean mean: choose from mean"),
        ({"statistic": ["average"]}, "'average', did you mean mean: choose from mean"),
        ({"connectivity": ["Pearson"]}, "'Pearson', did you mean correlation: choose from"),
        ({"analysis_level": "participants"}, "'participants', did you mean participant: choose"),
        ({"participant_label": ["01,02"]}, "'01,02': put blanks between labels, 01 02"),
        ({"participant_label": ["SUB-01"]}, "'SUB-01': write sub- in lower case, or leave it out"),
    ],
    ids=["option", "choice", "word", "measure", "level", "commas", "capitals"],
)
def test_what_was_meant_is_said(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_settings({**NEEDED, **options})
    assert words in str(caught.value)


def test_values_of_one_option_that_are_wrong_for_different_reasons_say_each() -> None:
    with pytest.raises(UsageError) as caught:
        make_settings({**NEEDED, "participant_label": ["01,02", "SUB-3", "0-4"]})
    for word in ("put blanks between", "in lower case", "letters and digits only"):
        assert word in str(caught.value)


GROUP = {**NEEDED, "analysis_level": "group"}
MODEL = {**GROUP, "model": ["age"], "contrast": ["age"]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({**GROUP, "model": ["age"]}, "--model: say what is tested in it with --contrast"),
        ({**GROUP, "contrast": ["age"]}, "--contrast: is for --model"),
        ({**GROUP, "permutation_blocks": "site"}, "--permutation-blocks: is for --model"),
        ({**MODEL, "permute_blocks": "whole"}, "say which with --permutation-blocks"),
        (
            {**MODEL, "permute_blocks": "whole", "permutation_blocks": "x", "model_rows": "run"},
            "--permute-blocks whole: rows of one participant",
        ),
        (
            {**MODEL, "permutation_blocks": "site", "permutations": 0},
            "none with --permutations 0",
        ),
        (
            {**MODEL, "model_rows": "session", "average_over": ["run", "session"]},
            "--model-rows session: sessions are averaged",
        ),
        ({**MODEL, "nbs_threshold": "0"}, "--nbs-threshold '0': a value of t above 0"),
        ({**MODEL, "model": ["B=age", "B=sex"]}, "B: two models of one name"),
        ({**MODEL, "model": ["a" * (k + 1) for k in range(27)]}, "27 models, at most 26"),
        (
            {**MODEL, "contrast": ["a - b", "a + b"]},
            "'a \\+ b' and 'a - b' would both be called aB",
        ),
        ({**MODEL, "contrast": ["+"]}, "'\\+': files cannot be called by its letters"),
        ({**MODEL, "contrast": ["größe"]}, "'größe': files cannot be called by its letters"),
        ({**MODEL, "contrast": ["a", "A"]}, "'A' and 'a' would both be called A"),
        ({**MODEL, "contrast": ["age_effect=age"]}, "age_effect is no name of letters and digits"),
        ({**MODEL, "model": ["my-model=age"]}, "my-model is no name of letters and digits"),
        ({**MODEL, "model": ["é b=age"]}, "é b is no name of letters and digits"),
        ({**MODEL, "model": ["a=age", "A=sex"]}, "A, a: two models of one name"),
        ({**GROUP, "model_rows": "run"}, "--model-rows: is for --model"),
        ({**GROUP, "nbs_threshold": "2"}, "--nbs-threshold: is for --model"),
        ({**MODEL, "permutations": "1000000000000"}, "a whole number from 0 to 2,147,483,647"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_contradictions_about_models_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_settings(options)


def test_models_are_called_by_letters_unless_named() -> None:
    settings = make_settings({**MODEL, "model": ["age", "A=sex", "B2 = age + sex", "d.tsv"]})
    *formulas, (last, file) = settings.models.items()
    assert formulas == [("B", "age"), ("A", "sex"), ("B2", "age + sex")]
    assert last == "C"
    assert file == str(Path("d.tsv").absolute())


@pytest.mark.parametrize(
    "options",
    [{"model": ["A=sex", "A=age"]}, {"contrast": ["x=sex", "x=age"]}],
    ids=["models", "contrasts"],
)
def test_a_wrong_name_is_one_mistake(options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        make_settings({**MODEL, **options})
    assert len(str(caught.value).splitlines()) == 1


def test_a_model_without_a_name_is_called_as_no_other_is() -> None:
    assert list(make_settings({**MODEL, "model": ["a=age", "sex"]}).models) == ["a", "B"]
