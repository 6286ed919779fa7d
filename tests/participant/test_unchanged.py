from __future__ import annotations

import os
from pathlib import Path

import pytest

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.participant.unchanged import check_unchanged, file_state


def test_files_as_they_were_pass_and_reading_them_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(b"12345")
    before = file_state(path)
    path.read_bytes()
    assert file_state(path) == before
    # Other permissions are no other content, though they are another state.
    path.chmod(0o600)
    check_unchanged([before])
    assert file_state(path)._replace(touched=0) == before._replace(touched=0)


def test_another_size_time_or_no_file_at_all_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(b"12345")
    before = file_state(path)
    path.write_bytes(b"1234")
    with pytest.raises(BadDataError, match=r"a\.nii: changed .*5 bytes then, 4 now"):
        check_unchanged([before])
    path.write_bytes(b"54321")
    os.utime(path, ns=(0, before.changed + 1))
    with pytest.raises(BadDataError, match=r"a\.nii: changed"):
        check_unchanged([before])
    os.utime(path, ns=(0, before.changed))
    check_unchanged([before])
    path.unlink()
    # Whether it was gone from the beginning or is now.
    for state in (before, file_state(path)):
        with pytest.raises(MissingInputError, match=r"a\.nii cannot be read \(No such file"):
            check_unchanged([state])


def test_a_file_that_replaces_another_of_its_size_and_time_is_another_state(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "a.nii", tmp_path / "b.nii"
    for one, content in ((path, b"12345"), (other, b"54321")):
        one.write_bytes(content)
        os.utime(one, ns=(0, 10**18))
    before = file_state(path)
    other.replace(path)
    assert file_state(path) != before
