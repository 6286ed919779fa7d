"""The entry of an option: declared as a dataclass field, read back as an `Option`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bids_labelx.settings import convert as converters


@dataclass(kw_only=True, repr=False, eq=False)
class Option:
    """One option: parser, settings file, descriptor and documentation are made from it."""

    # What it does; see `description` for what is added.
    help: str
    # The heading in ``--help``; a positional argument has none.
    group: str | None = None
    # Turns what was given into the value, where neither `choices` nor a bool say how.
    convert: Callable[[Any], Any] | None = None
    choices: tuple[str, ...] = ()
    metavar: str = ""
    # Other spellings, such as ``-w``.
    flags: tuple[str, ...] = ()
    # Where it has an effect.
    level: Literal["participant", "group", "both", ""] = "participant"
    # Whether it changes the contents of output files and not their names.
    content: bool = False
    # Whether it decides where and how the app runs, and not what it writes.
    invocation: bool = False
    # How many values it takes, where it is several and a certain number.
    count: int = 0
    # What holds by default, where the default value does not say it.
    unset: str = ""
    # The action of `argparse`, where it does not follow from the type.
    action: str = ""
    # Those of the field; the type as its annotation says it.
    name: str = ""
    type: str = ""
    default: Any = None

    @property
    def shown(self) -> str:
        """The option as one types it: ``--min-coverage``, ``BIDS_DIR``."""
        # A word of Python, such as import, has an underscore behind it.
        name = self.name.rstrip("_")
        return name.upper() if self.group is None else "--" + name.replace("_", "-")

    @property
    def names(self) -> list[str]:
        """All spellings, short ones first."""
        return sorted([self.shown, *self.flags], key=lambda name: name.startswith("--"))

    @property
    def many(self) -> bool:
        """Whether it takes several values."""
        return self.type.startswith("tuple[")

    @property
    def flag(self) -> bool:
        """Whether it takes no value."""
        return self._types == {"bool"} or bool(self.action)

    @property
    def number(self) -> bool:
        """Whether its values are numbers and nothing else."""
        return self._types <= {"int", "float"}

    @property
    def _types(self) -> set[str]:
        return set(re.findall(r"\w+", self.type)) - {"tuple", "None"}

    @property
    def placeholder(self) -> str:
        """What stands for the value in ``--help``."""
        return self.metavar or (self.choices and f"{{{','.join(self.choices)}}}") or self.shown

    @property
    def description(self) -> str:
        """What it does, with its choices where `placeholder` lacks them, and the default."""
        default = self.unset
        if not default and not self.flag and self.default not in (None, ()):
            values = self.default if self.many else [self.default]
            default = " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
        listed = f": {', '.join(self.choices)}" if self.choices and self.metavar else ""
        return self.help + listed + (f" (default: {default})" if default else "")

    def converted(self, value: Any) -> Any:
        """The value for the field; a ValueError says what is wrong with what was given."""
        if self.convert:
            return self.convert(value)
        if self.choices:
            one = converters.choice(self.choices)
            return (converters.each(one) if self.many else one)(value)
        return bool(value)


def option(default: Any, convert: Callable[[Any], Any] | None = None, **entry: Any) -> Any:
    """A dataclass field that is an option.

    Parameters
    ----------
    default
        The value, or a function that makes it; `dataclasses.MISSING` where there is none.
    convert, **entry
        See `Option`.
    """
    metadata = {"option": Option(convert=convert, **entry)}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def options_of(kind: type[Any]) -> list[Option]:
    """The options that a dataclass declares, group by group, its own before inherited ones."""
    found = [_named(field) for field in dataclasses.fields(kind)]
    found.sort(key=lambda one: one.name not in kind.__annotations__)
    groups = list(dict.fromkeys(one.group for one in found))
    return sorted(found, key=lambda one: groups.index(one.group))


def _named(field: dataclasses.Field[Any]) -> Option:
    # Completed in place: a field is the same in every class that inherits it.
    entry: Option = field.metadata["option"]
    entry.name, entry.type = field.name, str(field.type)
    entry.default = None if field.default is dataclasses.MISSING else field.default
    return entry
