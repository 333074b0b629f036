"""The house stays as it was drawn: no circles, small rooms, one meaning a name, a sentence at every public door."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FUNCTION, LONGEST_FILE = 60, 350

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[str, tuple[Path, ast.Module]]:
    """Each source file by its dotted name."""
    found = {}
    for path in sorted(file for top in ("ganlib", "pipelines") for file in (ROOT / top).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path, ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """The files of ours that a file imports anywhere, for types only too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                if inner in modules():
                    yield inner
                elif node.module in modules():
                    yield node.module


def circles() -> list[set[str]]:
    """Groups of files that each reach all others of their group by imports."""
    arrows = {name: set(imported(tree)) - {name} for name, (_, tree) in modules().items()}

    def reached(start: str) -> set[str]:
        found, left = set[str](), [start]
        while left:
            for name in arrows[left.pop()] - found:
                found.add(name)
                left.append(name)
        return found

    reach = {name: reached(name) for name in arrows}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other]) for name in reach if name in reach[name]
    }
    return [set(group) for group in groups]


def test_no_file_imports_itself_by_way_of_others() -> None:
    assert circles() == []


def functions() -> Iterator[tuple[str, Function]]:
    for name, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}.{node.name}", node


def test_a_function_fits_a_screen_and_a_half() -> None:
    sizes = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION} == {}


def test_a_file_can_be_read_in_one_go() -> None:
    sizes = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, (path, _) in modules().items()}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FILE} == {}


def test_a_public_class_has_a_name_of_its_own() -> None:
    places = defaultdict(list)
    for name, (_, tree) in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def public(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """What a file offers: functions, classes, and the classes' methods."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, Function) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


def test_every_public_name_says_what_it_is() -> None:
    silent = [
        f"{module}.{name}"
        for module, (_, tree) in modules().items()
        for name, node in public(tree)
        if not ast.get_docstring(node)
    ]
    assert silent == []
    assert [
        name for name, (path, tree) in modules().items() if path.stat().st_size and not ast.get_docstring(tree)
    ] == []
