"""The words of a command line, put in the order that argparse understands.

argparse gives an option with several values all words up to the next option, so that it takes
BIDS_DIR, OUTPUT_DIR and ANALYSIS_LEVEL behind it for values.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from bids_labelx.app.options import CHECK, UNPACK, all_options, hyphenate
from bids_labelx.errors import UsageError
from bids_labelx.settings.entry import Option
from bids_labelx.suggestions import closest

_LEVELS = frozenset({"participant", "group"})
_PLACES = ("BIDS_DIR", "OUTPUT_DIR", "ANALYSIS_LEVEL")
_NO_LIMIT = 2**31

# What other BIDS Apps call options, without the hyphens in front.
_ELSEWHERE = {
    **dict.fromkeys(("n-cpus", "nthreads", "n-procs", "nproc", "ncpus"), "nprocs"),
    **dict.fromkeys(("mem-mb", "mem", "memory-gb"), "mem-gb"),
    **dict.fromkeys(("output-spaces", "spaces"), "space"),
    **dict.fromkeys(("parcellation", "parcellations", "atlases"), "atlas"),
    **dict.fromkeys(
        ("denoise-strategy", "strategy", "strategies", "nuisance-regressors"), "denoise"
    ),
    **dict.fromkeys(("lower-bpf", "highpass"), "high-pass"),
    **dict.fromkeys(("upper-bpf", "lowpass"), "low-pass"),
    **dict.fromkeys(("bids-filter", "filter-file"), "bids-filter-file"),
}


class Arranged(NamedTuple):
    """A command line with its arguments before its options, and what is wrong with it.

    Attributes
    ----------
    words
        For the parser: arguments, then known options with their values.
    problems
        A message for each option that is not known.
    """

    words: list[str]
    problems: tuple[str, ...]


@dataclass
class _Given:
    """An option as it was typed, and the words behind it that it takes."""

    typed: str
    option: str
    known: bool
    several: bool
    # What its values are called, where it needs some.
    needs: tuple[str, ...] = ()
    values: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return [self.option, *self.values]


def arrange(given: Sequence[str]) -> Arranged:
    """Put the arguments of a command line before its options.

    Raises
    ------
    UsageError
        Where the arguments are in another order, or an option with several values stands before
        them, with the command line as it should be.
    """
    arguments, options = _split(given)
    takers = [one for one in options if one.several and _LEVELS & {*one.values[-1:]}]
    if takers and len(arguments) < len(_PLACES) and not _LEVELS & {*arguments[-1:]}:
        arguments = _taken_back(arguments, options, takers[-1])
    if arguments[:1] == [CHECK] and len(arguments) <= 2:
        return _checked(arguments, options)
    if arguments[:1] == [UNPACK] and not _LEVELS & {*arguments[2:]}:
        return _unpacked(arguments, options)
    _refuse_other_order(arguments, options)
    return Arranged([*arguments, *_words(options)], _problems(options))


def _words(options: Sequence[_Given]) -> list[str]:
    """The options that can be given to the parser, with their values."""
    return [
        word
        for one in options
        if one.known and len(one.values) >= len(one.needs)
        for word in one.words
    ]


def _problems(options: Sequence[_Given]) -> tuple[str, ...]:
    """What is wrong with each option: there is none of its name, or values are missing."""
    found, taken = [], None
    for one, following in zip_longest(options, options[1:]):
        if one is taken:
            continue
        if not one.known:
            found.append(_unknown(one))
        elif len(one.values) < len(one.needs):
            text = f"{one.typed}: {' '.join(one.needs)} is expected behind it"
            if following and not following.known and not following.typed.startswith("--"):
                text += f"; a value that begins with - is given as {one.typed}={following.typed}"
                taken = following
            found.append(text)
    return tuple(found)


def _checked(arguments: Sequence[str], options: Sequence[_Given]) -> Arranged:
    """``check OUTPUT_DIR`` as the option of that name."""
    if len(arguments) == 1:
        raise UsageError(f"{CHECK}: say which folder, as in\nbids_labelx {CHECK} OUTPUT_DIR")
    return Arranged([f"--{CHECK}", arguments[1], *_words(options)], _problems(options))


def _unpacked(arguments: Sequence[str], options: Sequence[_Given]) -> Arranged:
    """``unpack OUTPUT_DIR DEST`` as the option of that name."""
    if len(arguments) != 3:
        raise UsageError(
            f"{UNPACK}: say which folder, and where its files go, as in\n"
            f"bids_labelx {UNPACK} OUTPUT_DIR DEST"
        )
    return Arranged([f"--{UNPACK}", *arguments[1:], *_words(options)], _problems(options))


def _unknown(one: _Given) -> str:
    names = [name.removeprefix("--") for name in _kinds() if name.startswith("--")]
    word = one.option.partition("=")[0].lstrip("-")
    meant = _ELSEWHERE.get(word.lower()) or closest(word, names)
    typed = one.typed.partition("=")[0]
    if meant is None:
        return f"{typed}: there is no such option; bids_labelx --help lists all"
    return f"{typed}: there is no such option, did you mean --{meant}?"


def _kinds() -> Mapping[str, Option | None]:
    """All options by each of their spellings; None for those that argparse adds."""
    found: dict[str, Option | None] = {"--help": None, "-h": None}
    for one in all_options():
        if one.group is not None:
            found |= dict.fromkeys(one.names, one)
            if one.flag and one.default is None and not one.action:
                found[one.shown.replace("--", "--no-", 1)] = one
    return found


def _split(given: Sequence[str]) -> tuple[list[str], list[_Given]]:
    """The arguments, and the options with their values."""
    kinds = _kinds()
    arguments: list[str] = []
    options: list[_Given] = []
    words = list(given)
    while words:
        word = words.pop(0)
        if word == "--":
            arguments += words
            break
        if not _is_option(word):
            arguments.append(word)
            continue
        one, most = _option(word, kinds)
        while words and len(one.values) < most and not _is_option(words[0]) and words[0] != "--":
            one.values.append(words.pop(0))
        options.append(one)
    return arguments, options


def _option(word: str, kinds: Mapping[str, Option | None]) -> tuple[_Given, int]:
    """An option, and how many words behind it are its values at most."""
    (option,) = hyphenate([word])
    name, equals, _ = option.partition("=")
    # Letters behind a short one are its value or other flags: -wDIR, -vv.
    attached = not name.startswith("--") and name not in kinds and name[:2] in kinds
    known = attached or name in kinds
    kind = kinds.get(name[:2] if attached else name)
    if equals or attached or (known and (kind is None or kind.flag)):
        return _Given(word, option, known, several=False), 0
    if kind is None:
        return _Given(word, option, known, several=True), _NO_LIMIT
    if kind.count:
        needs = tuple(kind.placeholder.split())
        return _Given(word, option, known, several=False, needs=needs), kind.count
    needs = (kind.placeholder,)
    return _Given(word, option, known, kind.many, needs), _NO_LIMIT if kind.many else 1


def _is_option(word: str) -> bool:
    """Whether argparse takes a word for an option."""
    return (
        word.startswith("-")
        and len(word) > 1
        and word != "--"
        and " " not in word
        and re.fullmatch(r"-\d+|-\d*\.\d+", word) is None
    )


def _taken_back(arguments: Sequence[str], options: Sequence[_Given], taker: _Given) -> list[str]:
    """The arguments with those that an option took for values.

    ANALYSIS_LEVEL alone is told from values, as the only other place for it is free.

    Raises
    ------
    UsageError
        Where the option took BIDS_DIR or OUTPUT_DIR, too.
    """
    n_taken = len(_PLACES) - len(arguments)
    if len(taker.values) < n_taken + (n_taken == 1 and taker.known):
        return list(arguments)
    taken = taker.values[-n_taken:]
    del taker.values[-n_taken:]
    whole = [*arguments, *taken]
    if n_taken == 1 or not taker.known:
        return whole
    named = " ".join(map(shlex.quote, taken))
    places = ", ".join(_PLACES[-n_taken:-1]) + f" and {_PLACES[-1]}"
    raise UsageError(
        f"{taker.typed}: all words up to the next option are its values, so {named} were, too; "
        f"if these are {places}, put them first:\n{_command(whole, options)}"
    )


def _refuse_other_order(arguments: Sequence[str], options: Sequence[_Given]) -> None:
    """Refuse arguments of which the level is not the third.

    Raises
    ------
    UsageError
    """
    early = [word for word in arguments[:2] if word in _LEVELS]
    if len(arguments) == 2 and arguments[1] in _LEVELS:
        whole = ["BIDS_DIR", "OUTPUT_DIR", arguments[1]]
        raise UsageError(
            f"{shlex.join(arguments)}: BIDS_DIR or OUTPUT_DIR is missing; type\n"
            f"{_command(whole, options)}"
        )
    if len(arguments) == 3 and early and closest(arguments[2], _LEVELS) is None:
        others = list(arguments)
        others.remove(early[-1])
        raise UsageError(
            f"the order of arguments is {' '.join(_PLACES)}, found {shlex.join(arguments)}; type\n"
            f"{_command([*others, early[-1]], options)}"
        )
    if len(arguments) > len(_PLACES):
        raise UsageError(
            f"{shlex.join(arguments[3:])}: there is no such argument; behind {' '.join(_PLACES)} "
            "only options are expected, see bids_labelx --help"
        )


def _command(arguments: Sequence[str], options: Sequence[_Given]) -> str:
    """The command line with its arguments first."""
    words = [word for one in options for word in (one.typed, *one.values)]
    return shlex.join(["bids_labelx", *arguments, *words])
