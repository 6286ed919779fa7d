"""Words of a command line in an order that argparse does not understand, or with slips."""

from __future__ import annotations

import pytest

from bids_labelx.app.arguments import arrange
from bids_labelx.app.options import all_options, build_parser
from bids_labelx.errors import UsageError

PLACES = ("ds", "out", "participant")


def parsed(line: str) -> dict[str, object]:
    words, problems = arrange(line.split())
    options, unknown = build_parser().parse_known_args(words)
    assert not problems
    assert not unknown
    return {name: value for name, value in vars(options).items() if value is not None}


@pytest.mark.parametrize(
    "line",
    [
        "ds out participant --atlas A B --nprocs 2",
        "ds out --atlas A B participant --nprocs 2",
        "ds out --nprocs 2 participant --atlas A B",
        "ds --nprocs 2 out participant --atlas A B",
        "--nprocs 2 ds out participant --atlas A B",
        "ds out --nprocs 2 --atlas A B participant",
        "--nprocs=2 ds out participant --atlas A --atlas B",
        "--nprocs 2 --atlas A B -- ds out participant",
    ],
)
def test_arguments_stand_anywhere_where_it_is_clear_which_they_are(line: str) -> None:
    bids_dir, output_dir, level = PLACES
    assert parsed(line) == {
        "bids_dir": bids_dir,
        "output_dir": output_dir,
        "analysis_level": level,
        "atlas": ["A", "B"],
        "nprocs": "2",
    }


@pytest.mark.parametrize(
    ("line", "taker", "command"),
    [
        (
            "--atlas A ds out participant",
            "--atlas",
            "bids_labelx ds out participant --atlas A",
        ),
        (
            "ds --denoise none 36P out group --nprocs 1",
            "--denoise",
            "bids_labelx ds out group --denoise none 36P --nprocs 1",
        ),
        (
            "--participant_label 01 ds out participant --atlas A",
            "--participant_label",
            "bids_labelx ds out participant --participant_label 01 --atlas A",
        ),
    ],
)
def test_a_list_that_took_the_arguments_is_named_with_the_command_to_type(
    line: str, taker: str, command: str
) -> None:
    with pytest.raises(UsageError) as caught:
        arrange(line.split())
    assert str(caught.value).startswith(f"{taker}: all words up to the next option")
    assert str(caught.value).endswith(f"\n{command}")


def test_a_task_that_is_called_like_a_level_is_a_task() -> None:
    assert parsed("ds out participant --task-id rest group")["task_id"] == ["rest", "group"]
    assert parsed("ds out --task-id group")["task_id"] == ["group"]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("ds participant out --atlas A", "bids_labelx ds out participant --atlas A"),
        ("participant ds out", "bids_labelx ds out participant"),
        ("ds group", "bids_labelx BIDS_DIR OUTPUT_DIR group"),
    ],
)
def test_arguments_in_another_order_are_refused_with_the_command_to_type(
    line: str, command: str
) -> None:
    with pytest.raises(UsageError) as caught:
        arrange(line.split())
    assert str(caught.value).endswith(f"\n{command}")


def test_a_folder_that_is_called_like_a_level_is_a_folder() -> None:
    assert parsed("ds participant group")["output_dir"] == "participant"
    assert arrange(["ds", "participant", "groups"]).words == ["ds", "participant", "groups"]


def test_a_fourth_argument_is_named() -> None:
    with pytest.raises(UsageError, match=r"^sub-01: there is no such argument; behind BIDS_DIR"):
        arrange([*PLACES, "sub-01"])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--denois", "--denoise"),
        ("--task", "--task-id"),
        ("--fd_thresh=0.5", "--fd-threshold"),
        ("--n_cpus", "--nprocs"),
        ("--mem_mb", "--mem-gb"),
        ("--output-spaces", "--space"),
        ("--Atlas", "--atlas"),
        ("--atlas-datset", "--atlas-dataset"),
        ("--denoise-strategy", "--denoise"),
    ],
)
def test_an_unknown_option_is_shown_as_typed_with_what_was_meant(typed: str, meant: str) -> None:
    values = [] if "=" in typed else ["4"]
    words, problems = arrange([typed, *values, *PLACES, "--nprocs", "1"])
    shown = typed.partition("=")[0]
    assert problems == (f"{shown}: there is no such option, did you mean {meant}?",)
    assert words == [*PLACES, "--nprocs", "1"]


def test_an_option_like_no_other_says_where_all_are_listed() -> None:
    (problem,) = arrange([*PLACES, "--xyz"]).problems
    assert problem == "--xyz: there is no such option; bids_labelx --help lists all"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--participant-label", "--participant-label: LABEL is expected behind it"),
        ("-t --nprocs 1", "-t: TASK is expected behind it"),
        ("--nprocs", "--nprocs: N is expected behind it"),
        ("--import hcp", "--import: KIND DIR BIDS_DIR is expected behind it"),
        (
            "--contrast -age",
            "--contrast: [NAME=]EXPR is expected behind it; a value that begins with - is given "
            "as --contrast=-age",
        ),
    ],
)
def test_an_option_without_its_value_says_what_is_expected(line: str, words: str) -> None:
    assert arrange([*PLACES, *line.split()]).problems[0] == words


def test_short_options_with_their_value_attached_and_negative_numbers_are_values() -> None:
    found = parsed("ds out participant -wwork -vv --background-label -1 --no-detrend")
    assert found["work_dir"] == "work"
    assert found["verbose"] == 2
    assert found["background_label"] == "-1"
    assert found["detrend"] is False


LISTS = [one for one in all_options() if one.many and not one.count]


@pytest.mark.parametrize("one", LISTS, ids=[one.name for one in LISTS])
def test_every_option_that_takes_a_list_adds_up_when_repeated(one: object) -> None:
    name = one.shown  # type: ignore[attr-defined]
    found = parsed(f"ds out participant {name} a b --nprocs 1 {name} c")
    assert found[name.removeprefix("--").replace("-", "_")] == ["a", "b", "c"]


def test_the_word_check_is_the_option_and_a_dataset_may_be_called_so() -> None:
    assert parsed("check out") == {"check": "out"}
    assert parsed("check out -v")["verbose"] == 1
    assert parsed("check out participant")["bids_dir"] == "check"
    assert parsed("check out --atlas A participant")["bids_dir"] == "check"
    with pytest.raises(UsageError, match="bids_labelx check OUTPUT_DIR"):
        arrange(["check"])
