from __future__ import annotations

import subprocess
from pathlib import Path

from annexed import needs_datalad, told

from bids_labelx.annex.clone import clone_of


@needs_datalad
def test_the_clone_of_a_file_is_that_of_the_subdataset_it_is_in(tmp_path: Path) -> None:
    for name, where in (("above", tmp_path), ("below", tmp_path / "above")):
        given = ("-d", ".") if name == "below" else ()
        told(where, "datalad", "-l", "error", "create", *given, name)
    above, below = tmp_path / "above", tmp_path / "above" / "below"
    for folder in (above, below):
        git = subprocess.run(
            ("git", "rev-parse", "--absolute-git-dir"),
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        found = clone_of(folder / "sub-01" / "func")
        assert found is not None
        assert found.root == folder
        assert found.git == Path(git.stdout.strip())


@needs_datalad
def test_a_work_tree_beside_its_clone_shares_what_is_kept_in_it(tmp_path: Path) -> None:
    told(tmp_path, "datalad", "-l", "error", "create", "one")
    told(tmp_path / "one", "git", "worktree", "add", "-q", str(tmp_path / "two"))
    first, second = clone_of(tmp_path / "one"), clone_of(tmp_path / "two")
    assert first is not None
    assert second is not None
    assert first.git == second.git
    assert second.root == tmp_path / "two"
    assert clone_of(tmp_path) is None
