from __future__ import annotations

from small_runs import write_run

__all__ = ["write_run"]
