"""The kinds of options: what those of a group have in common."""

from __future__ import annotations

from dataclasses import MISSING
from functools import partial

from bids_labelx.settings.entry import option

argument_option = partial(option, MISSING, level="both", invocation=True)
which_option = partial(option, group="which runs")
atlas_option = partial(option, group="atlas")
signal_option = partial(option, group="signal")
override_option = partial(signal_option, None, unset="the strategy's")
exclusion_option = partial(option, group="group-level exclusion", level="group")
group_option = partial(option, group="group matrices", level="group")
connectivity_option = partial(option, group="connectivity")
statistics_option = partial(option, group="group statistics", level="group")
running_option = partial(option, group="running", invocation=True)
