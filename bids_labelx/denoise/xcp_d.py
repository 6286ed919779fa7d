"""XCP-D's files of nuisance regressors as strategies.

Such a file says which columns of which tables are regressed out; filter, detrending and the rest
are XCP-D's defaults, which our presets of its name have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bids_labelx.errors import BadDataError
from bids_labelx.files import parse_toml
from bids_labelx.names import FIRST_DATASET

if TYPE_CHECKING:
    from yaml import Node

# The preset whose cleaning is XCP-D's.
_PRESET = files("bids_labelx") / "data" / "denoise" / "36P.toml"

_KEYS = ("name", "description", "confounds")
_KEYS_OF_SET = ("dataset", "query", "columns")
_QUERIED = ("suffix", "desc", "extension")
_CONFOUNDS = {"suffix": "timeseries", "desc": "confounds"}
_SIGNAL = "signal__"

# Table and entries of columns, by what the table is found with: dataset, suffix, desc.
_Columns = dict[tuple[str, str, str | None], list[dict[str, Any]]]


def strategy_of_xcp_d(text: str, source: str) -> dict[str, Any]:
    """The strategy that a file of XCP-D's ``--nuisance-regressors`` is.

    Parameters
    ----------
    text
        YAML: ``name``, ``description``, and ``confounds`` with ``dataset``, ``query`` and
        ``columns`` for each set of regressors.
    source
        The file's path, for messages.

    Returns
    -------
    dict
        The content of a strategy file (`bids_labelx.denoise.schema.SCHEMA`): columns of the run's
        confounds table in ``confounds.columns``, others in ``confounds.tables``, and
        XCP-D's cleaning. As XCP-D takes them, columns that begin with ``^`` are regular
        expressions, for lower and upper case and for the beginning of a name; each has to match
        at least one column.

    Raises
    ------
    BadDataError
        Where it is no YAML, or has something that XCP-D or a strategy does not know; all such
        sets of regressors are named, each with the line.
    """
    try:
        top = _mapping(_parsed(text), "the file", _KEYS)
        if "confounds" not in top:
            raise ValueError("line 1: has no confounds; XCP-D's files of regressors have")
        sets = _mapping(top["confounds"], "confounds")
        if not sets:
            raise ValueError(f"{_line(top['confounds'])}: confounds has no set of regressors")
        content = {key: _text(top[key], key) for key in ("name", "description") if key in top}
    except ValueError as error:
        raise BadDataError(f"{source}, {error}") from None
    if "description" in content:
        content["description"] = _one_line(content["description"])
    columns: _Columns = {}
    problems = []
    for name, node in sets.items():
        try:
            _add_set(columns, name, node)
        except ValueError as error:
            problems.append(f"{source}, {error}")
    if problems:
        raise BadDataError("\n".join(problems))
    return content | _strategy(columns)


def _strategy(columns: _Columns) -> dict[str, Any]:
    preset = parse_toml(_PRESET.read_text("utf-8"))
    confounds: dict[str, Any] = {"first_row": preset["confounds"]["first_row"]}
    for (dataset, suffix, desc), entries in columns.items():
        table = {"suffix": suffix} | ({} if desc is None else {"desc": desc})
        if dataset == FIRST_DATASET and table == _CONFOUNDS:
            confounds["columns"] = entries
            continue
        if dataset != FIRST_DATASET:
            table = {"dataset": dataset} | table
        confounds.setdefault("tables", []).append(table | {"columns": entries})
    return {"confounds": confounds, "volumes": preset["volumes"], "clean": preset["clean"]}


def _add_set(columns: _Columns, name: str, node: Node) -> None:
    """Add the columns of one set of regressors."""
    keys = _mapping(node, f"confounds.{name}", _KEYS_OF_SET)
    lacking = [key for key in ("dataset", "query") if key not in keys]
    if lacking:
        raise ValueError(f"{_line(node)}: confounds.{name} has no {' and no '.join(lacking)}")
    dataset = _text(keys["dataset"], f"confounds.{name}.dataset")
    query = _mapping(keys["query"], f"confounds.{name}.query")
    found = _query(query, name, _line(keys["query"]))
    extension = found["extension"] or ""
    if extension.endswith((".nii", ".nii.gz", ".gii")):
        raise ValueError(
            f"{_line(node)}: confounds.{name} is an image ({found['suffix']}{extension} of the "
            f"dataset {dataset}): regressors of each voxel are not supported. Remove it here, or "
            "have the program that wrote it clean the run, and use the run that it has cleaned"
        )
    if extension != ".tsv":
        raise ValueError(
            f"{_line(query['extension'])}: confounds.{name}.query.extension is "
            f"{extension or 'null'}; expected is .tsv"
        )
    if "columns" not in keys:
        raise ValueError(f"{_line(node)}: confounds.{name} has no columns, which a .tsv needs")
    known = {entry["name"] for entries in columns.values() for entry in entries if "name" in entry}
    entries = columns.setdefault((dataset, found["suffix"] or "", found["desc"]), [])
    for one in _items(keys["columns"], f"confounds.{name}.columns"):
        column = _text(one, f"a column of confounds.{name}")
        entry = _entry(column, f"{_line(one)}: confounds.{name}")
        if entry.get("name") in known:
            raise ValueError(f"{_line(one)}: confounds.{name}: {column} is named a second time")
        known |= {entry["name"]} if "name" in entry else set()
        entries.append(entry)


def _query(query: Mapping[str, Node], name: str, line: str) -> dict[str, str | None]:
    """What a table is found with; the run's own entities, which match it, are no part of it."""
    lacking = [key for key in _QUERIED if key not in query]
    if lacking:
        # XCP-D takes those of the BOLD image in their place, which no table has.
        raise ValueError(
            f"{line}: confounds.{name}.query has no {' and no '.join(lacking)}; give "
            f"{', '.join(_QUERIED)} (desc: null for a table without desc-)"
        )
    for key, node in query.items():
        if key not in _QUERIED and not _is_null(node):
            raise ValueError(
                f"{_line(node)}: confounds.{name}.query.{key} is {_shown(node)}; a run's table is "
                f"found by {', '.join(_QUERIED)} and the run's own entities, others can only be "
                "null. Remove it"
            )
    found = {
        key: None if _is_null(query[key]) else _text(query[key], f"confounds.{name}.query.{key}")
        for key in _QUERIED
    }
    if not found["suffix"]:
        raise ValueError(f"{_line(query['suffix'])}: confounds.{name}.query.suffix is null")
    return found


def _entry(column: str, where: str) -> dict[str, Any]:
    """A column as an entry of our lists, whose regular expressions match whole names."""
    if not column.startswith("^"):
        if column.startswith(_SIGNAL):
            raise ValueError(f"{where}: {column}: {_about_signals()}")
        return {"name": column}
    try:
        pattern = re.compile(column, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{where}: {column:.60} is no regular expression ({error})") from None
    if pattern.match(_SIGNAL) or pattern.match(f"{_SIGNAL}a") or f"^{_SIGNAL}" in column:
        raise ValueError(
            f"{where}: {column} takes columns that begin with {_SIGNAL}, too: {_about_signals()}; "
            f"^(?!{_SIGNAL}) at its beginning leaves them out"
        )
    # The match begins where the name does, and may end before it: the rest is any.
    whole = column.endswith("$") and not column.endswith(r"\$") and "|" not in column
    return {"pattern": f"(?i){column if whole else f'(?:{column}).*'}", "required": True}


def _about_signals() -> str:
    return (
        "XCP-D keeps what other regressors share with it, which is not supported; orthogonalise "
        "them before, and give a table of the result"
    )


def _parsed(text: str) -> Node:
    """The text as YAML's nodes, which know their lines."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ValueError(f"line {line}: is no YAML ({error.problem})") from None
    except (yaml.YAMLError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"line 1: is no YAML ({' '.join(reason.split())})") from None
    if node is None:
        raise ValueError("line 1: is empty")
    return node


def _mapping(node: Node, what: str, allowed: tuple[str, ...] = ()) -> dict[str, Node]:
    if node.id != "mapping":
        raise ValueError(
            f"{_line(node)}: {what} is {_shown(node)}; expected are keys"
            + (f": {', '.join(allowed)}" if allowed else "")
        )
    found: dict[str, Node] = {}
    for key_node, value in node.value:
        key = _text(key_node, f"a key of {what}")
        if allowed and key not in allowed:
            raise ValueError(
                f"{_line(key_node)}: {what} has {key:.60}; allowed are {', '.join(allowed)}"
            )
        if key in found:
            raise ValueError(f"{_line(key_node)}: {what} has {key:.60} twice")
        found[key] = value
    return found


def _items(node: Node, what: str) -> list[Node]:
    if node.id != "sequence" or not node.value:
        raise ValueError(f"{_line(node)}: {what} is {_shown(node)}; expected is a list of names")
    return list(node.value)


def _text(node: Node, what: str) -> str:
    if node.id != "scalar" or not node.tag.endswith(":str") or not node.value.strip():
        raise ValueError(
            f"{_line(node)}: {what} is {_shown(node)}; expected is a text, in quotes where YAML "
            "takes it for something else"
        )
    return str(node.value)


def _is_null(node: Node) -> bool:
    return node.id == "scalar" and str(node.tag).endswith(":null")


def _shown(node: Node) -> str:
    if node.id == "scalar":
        return f"{node.value:.60}" if node.value.strip() else "empty"
    return {"mapping": "a table of keys", "sequence": "a list"}.get(node.id, node.id)


def _line(node: Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _one_line(text: str) -> str:
    """A description as ours are: without the keys of XCP-D's bibliography."""
    return " ".join(re.sub(r"\s*\[@[^\]]*\]", "", text).split())
