"""What holds for the package as a whole. Each guard is also seen to find a deliberate fault."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Container, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import bids_labelx

PACKAGE = Path(bids_labelx.__file__).parent

# From the top floor down: a room imports from its own floor and those below.
FLOORS = (
    "app",
    "workflow",
    "nilearn_compat",
    "masker",
    "participant",
    "report",
    "figures",
    "pictures",
    "atlases",
    "models",
    "group",
    "inputs",
    "others",
    "outputs",
    "denoise",
    "settings",
    "images",
    "areas",
    "meshes",
    "statistics",
    "extraction",
    "measures",
    "templateflow",
    "annex",
    "locks",
    "files",
    "content",
    "annexed",
    "remote",
    "words",
    "names",
    "suggestions",
    "errors",
    "_version",
)
DOORS = ("__init__", "__main__")  # import from anywhere: the package's own front doors
MOST_LINES = 400
NUMERICAL = {"numpy", "scipy", "nibabel", "isal"}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MAKES_MUTABLE = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter"}
CHANGES = {
    *("append", "extend", "insert", "remove", "clear", "sort", "reverse", "add", "discard"),
    *("update", "setdefault", "pop", "popitem", "__setitem__"),
}
CACHES = {"cache", "lru_cache"}
_ENDS = (".py", "/__init__.py")
# Where environment variables are changed, and set back.
ENVIRONMENT = "app/invocation.py"


def modules(package: Path) -> Iterator[tuple[str, ast.Module]]:
    """Each module's path within the package, with its syntax tree."""
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    """Every module, or name of a module, that is imported, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    return {name.split(".")[1] for name in imported(tree) if name.startswith("bids_labelx.")}


def upward_imports(package: Path) -> list[str]:
    """Imports from a higher floor, and rooms that have no floor."""
    found = []
    for path, tree in modules(package):
        own = room(path)
        if own in DOORS:
            continue
        if own not in FLOORS:
            found.append(f"{path}: the room has no floor")
            continue
        for other in imported_rooms(tree):
            if other not in FLOORS or FLOORS.index(other) < FLOORS.index(own):
                found.append(f"{path} imports {other}")
    return found


def circles(package: Path) -> list[str]:
    """Modules that import each other, by whatever detour and however late."""
    trees = dict(modules(package))
    graph = {
        path: {_file_of(name, trees) for name in imported(tree)} & trees.keys() - {path}
        for path, tree in trees.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" → ".join(error.args[1])]
    return []


def _file_of(name: str, files: Container[str]) -> str:
    """The file of what is imported: a module, or the one that a name is taken from."""
    whole = name.removeprefix("bids_labelx.").replace(".", "/")
    ends = [f"{part}{end}" for part in (whole, str(Path(whole).parent)) for end in _ENDS]
    return next((end for end in ends if end in files), "")


def long_files(package: Path) -> list[str]:
    lengths = {path: path.read_text("utf-8").count("\n") for path in package.rglob("*.py")}
    return [f"{path.name}: {n} lines" for path, n in lengths.items() if n > MOST_LINES]


def more_than_numbers(package: Path) -> list[str]:
    """What extraction/ imports beside itself, the numerical libraries and Python's own."""
    allowed = NUMERICAL | set(sys.stdlib_module_names)
    return [
        f"{path} imports {name}"
        for path, tree in modules(package)
        if room(path) == "extraction"
        for name in imported(tree)
        if name.split(".")[0] not in allowed and not name.startswith("bids_labelx.extraction.")
    ]


def nilearn_imports(package: Path) -> list[str]:
    return [
        path
        for path, tree in modules(package)
        if any(name.split(".")[0] == "nilearn" for name in imported(tree))
    ]


def matplotlib_outside_figures(package: Path) -> list[str]:
    return [
        path
        for path, tree in modules(package)
        if room(path) != "figures"
        and any(name.split(".")[0] == "matplotlib" for name in imported(tree))
    ]


def mutable_state(package: Path) -> list[str]:
    """What a module keeps between calls: names that change, containers that do, and caches."""
    found = []
    for path, tree in modules(package):
        containers: set[str] = set()
        for node in tree.body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = {one.id for one in targets if isinstance(one, ast.Name)}
                call = node.value.func if isinstance(node.value, ast.Call) else None
                made = isinstance(call, ast.Name) and call.id in MAKES_MUTABLE
                if isinstance(node.value, MUTABLE) or made:
                    containers |= names
                    # A table of constants is called like one, and nothing changes it, see below.
                    found += [f"{path}: {name}" for name in names if not _is_constant(name)]
            elif isinstance(node, ast.FunctionDef):
                decorators = {ast.unparse(one).split("(")[0] for one in node.decorator_list}
                if {one.rpartition(".")[2] for one in decorators} & CACHES:
                    found.append(f"{path}: {node.name} is cached")
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                found.append(f"{path}: global {', '.join(node.names)}")
            elif changed := _changed_name(node):
                found += [f"{path}: {changed} is changed"] if changed in containers else []
    return found


def _is_constant(name: str) -> bool:
    return (
        name == "__all__" or re.fullmatch(r"_?[A-Z][A-Z0-9_]*|_?[A-Z][A-Za-z]*", name) is not None
    )


def _changed_name(node: ast.AST) -> str | None:
    """The name whose value a piece of code changes in place."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
        return ast.unparse(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return ast.unparse(node.func.value) if node.func.attr in CHANGES else None
    if isinstance(node, ast.AugAssign):
        return ast.unparse(node.target)
    return None


def changes_of_environment(package: Path) -> list[str]:
    """Modules but the one for it that change environment variables."""
    found = []
    for path, tree in modules(package):
        changes = {_changed_name(node) for node in ast.walk(tree)} & {"os.environ", "environ"}
        calls = {ast.unparse(one.func) for one in ast.walk(tree) if isinstance(one, ast.Call)}
        if (changes or calls & {"os.putenv", "os.unsetenv"}) and path != ENVIRONMENT:
            found.append(path)
    return found


def loaded_by(code: str, package: Path = PACKAGE) -> set[str]:
    """Modules that a fresh interpreter has loaded after running some code."""
    script = f"import sys\nsys.path.insert(0, {str(package.parent)!r})\n{code}\n"
    script += "print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def load_all_of(package: Path, folder: str) -> set[str]:
    """What is loaded with all modules of a room."""
    names = [path.removesuffix(".py") for path, _ in modules(package) if room(path) == folder]
    names = [name.removesuffix("/__init__").replace("/", ".") for name in names]
    return loaded_by("\n".join(f"import bids_labelx.{name}" for name in names), package)


def nipype_behind_participant(package: Path) -> list[str]:
    """Modules of nipype that are loaded with those of participant/, directly or not."""
    return [one for one in load_all_of(package, "participant") if one.startswith("nipype")]


def outside_extraction(package: Path) -> list[str]:
    """Modules of ours, and heavy libraries, that are loaded with extraction/."""
    loaded = load_all_of(package, "extraction")
    ours = {one for one in loaded if one.startswith("bids_labelx.")}
    rest = {one for one in ours if not one.startswith("bids_labelx.extraction")}
    heavy = {"pandas", "nipype", "bids", "sklearn", "matplotlib", "jinja2", "h5py"}
    return sorted((rest - {"bids_labelx._version"}) | (loaded & heavy))


# Of each guard: the check, and a fault for a file of a copy of the package.
GUARDS: dict[str, tuple[Callable[[Path], list[str]], str, str]] = {
    "imports point down": (upward_imports, "names.py", "import bids_labelx.files"),
    "lazy imports point down": (
        upward_imports,
        "files.py",
        "def f():\n    from bids_labelx.outputs import paths",
    ),
    "every room has a floor": (upward_imports, "attic.py", ""),
    "no circles": (circles, "extraction/resample.py", "import bids_labelx.extraction.reduce"),
    "no circles by late imports": (
        circles,
        "extraction/resample.py",
        "def f():\n    from bids_labelx.extraction import reduce",
    ),
    "no file over 400 lines": (long_files, "names.py", "\n" * MOST_LINES),
    "extraction/ imports numerical libraries": (
        more_than_numbers,
        "extraction/resample.py",
        "import pandas",
    ),
    "extraction/ loads by itself": (
        outside_extraction,
        "extraction/resample.py",
        "import bids_labelx.names",
    ),
    "participant/ is without nipype": (
        nipype_behind_participant,
        "outputs/paths.py",
        "import nipype.interfaces.base",
    ),
    "nilearn is for tests": (nilearn_imports, "names.py", "def f():\n    import nilearn.masking"),
    "matplotlib is for figures/": (
        matplotlib_outside_figures,
        "report/pages.py",
        "def f():\n    from matplotlib.figure import Figure",
    ),
    "no names that change": (
        mutable_state,
        "names.py",
        "COUNT = 0\ndef f():\n    global COUNT\n    COUNT += 1",
    ),
    "no containers that change": (
        mutable_state,
        "names.py",
        "SEEN = []\ndef f():\n    SEEN.append(1)",
    ),
    "no tables that change": (mutable_state, "names.py", "T = {}\ndef f():\n    T['a'] = 1"),
    "no variables at the module's top": (mutable_state, "names.py", "seen = set()"),
    "no caches": (
        mutable_state,
        "names.py",
        "import functools\n@functools.lru_cache\ndef f():\n    return 1",
    ),
    "the environment is changed in one place": (
        changes_of_environment,
        "names.py",
        "import os\nos.environ.setdefault('A', '1')",
    ),
}


@pytest.mark.parametrize("check", dict.fromkeys(check for check, _, _ in GUARDS.values()))
def test_the_package_passes(check: Callable[[Path], list[str]]) -> None:
    assert check(PACKAGE) == []


@pytest.mark.parametrize("guard", GUARDS)
def test_the_guard_finds_a_fault(guard: str, tmp_path: Path) -> None:
    check, file, fault = GUARDS[guard]
    copy = tmp_path / "bids_labelx"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / file).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{fault}\n")
    assert check(copy)


def test_each_floor_is_a_room_that_is_there() -> None:
    rooms = {room(path) for path, _ in modules(PACKAGE)} - set(DOORS)
    assert sorted(FLOORS) == sorted(rooms)


def test_the_command_line_starts_without_heavy_imports() -> None:
    loaded = loaded_by("from bids_labelx.app import options; options.build_parser().format_help()")
    assert not loaded & {"numpy", "nibabel", "pandas", "nipype", "bids", "sklearn", "matplotlib"}


def test_a_dataset_is_queried_without_the_libraries_for_numbers() -> None:
    loaded = loaded_by("import bids_labelx.inputs.dataset")
    assert not loaded & {"numpy", "nibabel", "pandas", "nipype", "scipy"}


def test_content_is_fetched_without_the_libraries_for_images() -> None:
    # The group level starts with it.
    loaded = loaded_by("import bids_labelx.app.annexed_datasets")
    assert not loaded & {"nibabel", "nipype", "scipy"}


def test_the_whole_package_runs_without_loading_nilearn() -> None:
    names = [path.removesuffix(".py").replace("/", ".") for path, _ in modules(PACKAGE)]
    code = [f"import bids_labelx.{name}" for name in names if not name.endswith("__")]
    loaded = loaded_by("\n".join(code))
    assert {"nibabel", "nipype"} <= loaded
    assert "nilearn" not in loaded
