from __future__ import annotations

import sys

import pytest

from bids_labelx.errors import UsageError
from bids_labelx.outputs.arrow import check_pyarrow


def test_without_pyarrow_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_pyarrow("--parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"^--parquet needs .* 'bids_labelx\[parquet\]'$"):
        check_pyarrow("--parquet")
