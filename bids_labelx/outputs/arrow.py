"""pyarrow, which is not installed with the app."""

from __future__ import annotations

from bids_labelx.errors import UsageError


def check_pyarrow(what: str) -> None:
    """Check that pyarrow is there, before anything is written; `what` needs it.

    Raises
    ------
    UsageError
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise UsageError(
            f"{what} needs pyarrow, which is not installed; install it with "
            "pip install 'bids_labelx[parquet]'"
        ) from None
