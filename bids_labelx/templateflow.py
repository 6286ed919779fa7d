"""TemplateFlow's local folder."""

from __future__ import annotations

import os
from pathlib import Path


def templateflow_home() -> Path:
    """TemplateFlow's local folder, which may not exist."""
    chosen = os.environ.get("TEMPLATEFLOW_HOME") or "~/.cache/templateflow"
    # Where no home folder is known, ~ stays, and there is no such folder.
    return Path(os.path.expanduser(chosen))  # noqa: PTH111
