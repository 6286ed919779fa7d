from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.errors import BadDataError, LabelxError, MissingInputError, UsageError
from bids_labelx.group.covariates import Covariates, check_columns, read_covariates
from bids_labelx.group.edge_rows import Unit

ONE, TWO = Unit("01"), Unit("02")


def write(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row.replace(" ", "\t") + "\n" for row in rows), "utf-8")
    return path


def table(folder: Path, *rows: str) -> Covariates:
    write(folder / "participants.tsv", *rows)
    return read_covariates(folder)


def test_rows_have_what_the_table_says_of_their_participant_in_their_order(tmp_path: Path) -> None:
    found = table(
        tmp_path, "participant_id age sex", "sub-01 31 F", "sub-02 n/a M", "sub-03 5 n/a"
    )
    assert found.columns == ("age", "sex")
    rows = found.of([Unit("03"), TWO, ONE, TWO], ["sex", "age"])
    np.testing.assert_array_equal(rows["age"], [5, np.nan, 31, np.nan])
    assert rows["sex"].tolist() == [None, "M", "F", "M"]
    assert list(rows) == ["sex", "age"]


def test_ids_match_with_and_without_their_keys_and_are_text(tmp_path: Path) -> None:
    file = write(
        tmp_path / "f.tsv",
        "participant_id session_id x",
        *("01 ses-1 1", "01 01 2", "sub-1 1 3"),
    )
    found = read_covariates(tmp_path, file)
    units = [Unit("1", "1"), Unit("01", "01"), Unit("01", "1")]
    assert found.of(units, ["x"])["x"].tolist() == [3, 2, 1]


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_names(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_bytes(
        "\ufeffparticipant_id\tage\r\nsub-01\t7\r\n".encode()
    )
    assert read_covariates(tmp_path).of([ONE], ["age"])["age"].tolist() == [7]


def test_codes_are_numbers_unless_text_is_asked_for(tmp_path: Path) -> None:
    found = table(tmp_path, "participant_id site", "sub-01 01", "sub-02 2")
    assert found.of([ONE, TWO], ["site"])["site"].tolist() == [1.0, 2.0]
    assert found.of([ONE, TWO], ["site"], text=True)["site"].tolist() == ["01", "2"]


def test_a_few_numbers_among_names_are_names(tmp_path: Path) -> None:
    found = table(tmp_path, "participant_id site", "sub-01 1", "sub-02 B", "sub-03 C")
    assert found.of([ONE, TWO], ["site"])["site"].tolist() == ["1", "B"]


@pytest.mark.parametrize("cell", ["unknown", "31,5", "1_0", "inf", "3l"])
def test_a_number_that_cannot_be_read_is_refused_by_name(tmp_path: Path, cell: str) -> None:
    found = table(tmp_path, "participant_id age", "sub-01 31", f"sub-02 {cell}", "sub-03 40")
    with pytest.raises(BadDataError, match=rf"column age has '{cell}' for sub-02.*C\(age\)"):
        found.of([ONE], ["age"])


def test_numbers_with_commas_throughout_are_refused(tmp_path: Path) -> None:
    found = table(tmp_path, "participant_id age", "sub-01 31,5", "sub-02 30,1")
    with pytest.raises(BadDataError, match=r"'31,5' for sub-01.*with a point"):
        found.of([ONE], ["age"])


def sessions(folder: Path) -> Covariates:
    write(folder / "sub-01/sub-01_sessions.tsv", "session_id age pain", "ses-a 30 1", "ses-b 31 1")
    write(
        folder / "sub-02/sub-02_sessions.tsv", "session_id age pain", "ses-a 40 n/a", "ses-b 41 3"
    )
    return table(folder, "participant_id sex age", "sub-01 F 29", "sub-02 M 39")


def test_rows_of_sessions_have_the_values_of_their_session(tmp_path: Path) -> None:
    units = [Unit("02", "b"), Unit("01", "a"), Unit("02", "a", "1")]
    rows = sessions(tmp_path).of(units, ["age", "sex", "pain"])
    assert rows["age"].tolist() == [41, 30, 40]
    assert rows["sex"].tolist() == ["M", "F", "M"]
    np.testing.assert_array_equal(rows["pain"], [3, 1, np.nan])


def test_rows_over_sessions_have_the_participants_value(tmp_path: Path) -> None:
    found = sessions(tmp_path)
    assert found.columns == ("sex", "age", "pain")
    assert found.of([ONE, TWO], ["age"])["age"].tolist() == [29, 39]


def test_rows_over_sessions_have_the_value_in_which_sessions_agree(tmp_path: Path) -> None:
    assert sessions(tmp_path).of([ONE, TWO], ["pain"])["pain"].tolist() == [1, 3]


def test_a_column_in_which_the_sessions_of_a_row_differ_is_refused(tmp_path: Path) -> None:
    rows = "01 a 30", "01 b 31"
    file = write(tmp_path / "f.tsv", "participant_id session_id age", *rows)
    with pytest.raises(
        UsageError, match=r"age of sub-01 is 30 in ses-a, 31 in ses-b.*--model-rows"
    ):
        read_covariates(tmp_path, file).of([ONE], ["age"])


def test_a_session_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"sub-02 ses-c not in it.*for pain"):
        sessions(tmp_path).of([Unit("01", "a"), Unit("02", "c")], ["pain"])


def test_participants_that_are_missing_are_refused_by_name(tmp_path: Path) -> None:
    found = table(tmp_path, "participant_id age", "sub-01 31")
    with pytest.raises(BadDataError, match=r"sub-02, sub-1 not in it.*such as sub-01"):
        found.of([ONE, TWO, Unit("1")], ["age"])


@pytest.mark.parametrize("asked", ["agee", "AGE"])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, asked: str
) -> None:
    found = table(tmp_path, "participant_id age sex", "sub-01 31 F")
    with pytest.raises(UsageError, match=f"no column {asked}, did you mean age; it has age, sex"):
        found.of([ONE], [asked])


def test_columns_that_results_have_are_told_apart_from_those_of_the_table() -> None:
    check_columns(["age", "mean_fd"], ["age"], Path("p.tsv"), ["mean_fd"])
    words = "no column sex; it has age; results have mean_fd, run, too$"
    with pytest.raises(UsageError, match=words):
        check_columns(["sex"], ["age"], Path("p.tsv"), ["mean_fd", "run"])


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (("participant_id age", "sub-01 1", "01 2"), BadDataError, "2 rows of sub-01"),
        (("subject age", "sub-01 1"), BadDataError, "no column participant_id, but subject, age"),
        (("participant_id age", "n/a 1"), BadDataError, "row 1 has no participant_id"),
        (
            ("participant_id session_id x", "1 a 1", "1 ses-a 2"),
            BadDataError,
            "2 rows of sub-1 ses-a",
        ),
        ((), BadDataError, "an empty file"),
    ],
    ids=["doubled", "no ids", "no id", "doubled session", "empty"],
)
def test_tables_that_cannot_be_used_are_refused(
    tmp_path: Path, rows: tuple[str, ...], error: type[LabelxError], words: str
) -> None:
    with pytest.raises(error, match=words):
        table(tmp_path, *rows)


def test_without_a_table_covariates_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"participants\.tsv.*--covariates"):
        read_covariates(tmp_path)


def test_a_column_without_values_is_missing_throughout(tmp_path: Path) -> None:
    found = table(tmp_path, "participant_id age", "sub-01 n/a", "sub-02 n/a")
    assert pd.isna(found.of([ONE, TWO], ["age"])["age"]).all()
