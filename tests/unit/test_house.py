"""The house stays as it was drawn: no circles, small rooms, one meaning a name, a sentence at every public door."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

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


MNISTS_OWN = ("ganlib/data/mnist/", "ganlib/evaluation/judge/mnist/")
"""Rooms that may know what MNIST is."""
SIDE_OF_MNIST = re.compile(r"(?<![\w.])(28|784|49)(?!\w|\.\d)")
DIGIT = re.compile(r"(?<!hex)(?<!\bis)digit(?!al)", re.IGNORECASE)  # not `string.hexdigits`, nor `str.isdigit`
OF_NUMBERS = re.compile(
    r"letters, digits|mnist-digits|significant digits|(four|seven)[ _]digits|loses? (fewer )?digits", re.IGNORECASE
)
"""Digits of a number or a name, none of an image; and the captions of MNIST, by the name that files hold."""
MAY_STAND = {
    "ganlib/cli/data.py": ["16, 28, 32, 64 or 128"],  # SIDES, for people
    "ganlib/config/promotion.py": ["max_digit_share"],  # as in people's params.yaml
    "ganlib/data/idx.py": ["database of handwritten digits"],  # a title
    "ganlib/data/spec.py": ["28"],  # of SIDES
    "ganlib/evaluation/old_records.py": ["digits", "digit"],  # as in people's registries
    "ganlib/tracking/charts.py": ["digits"],  # a group of metrics in runs that people have
}


def told(node: ast.AST) -> Iterator[str]:
    """Each number, text and name of one node as text, and what counts to ten by itself."""
    match node:
        case ast.Constant(value=bool() | bytes()):
            pass
        case ast.Constant(value=int() | float() as number):
            yield f"{number:g}"
        case ast.Constant(value=str() as text):
            yield text
        case (
            ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=10)])
            | ast.keyword(arg="minlength", value=ast.Constant(value=10))
            | ast.BinOp(op=ast.Mod(), right=ast.Constant(value=10))
        ):
            yield f"TEN: {ast.unparse(node)}"
    yield from (name for key in ("id", "attr", "arg", "name") if isinstance(name := getattr(node, key, None), str))


def of_mnist(path: str, tree: ast.Module) -> list[str]:
    """What of MNIST stands in the code ``tree`` of the file ``path``, beside what may stand there."""
    left = {phrase: phrase for phrase in MAY_STAND.get(path, [])}
    lines = []
    for node in ast.walk(tree):
        for each in told(node):
            rest = OF_NUMBERS.sub("", each)
            for phrase in MAY_STAND.get(path, []):
                if phrase == rest or (" " in phrase and phrase in rest):
                    left.pop(phrase, None)
                    rest = rest.replace(phrase, "")
            if rest.startswith("TEN: ") or SIDE_OF_MNIST.search(rest) or DIGIT.search(rest):
                lines.append(f"{path}:{getattr(node, 'lineno', '?')}: {' '.join(rest.split())[:80]}")
    return lines + [f"{path}: {phrase!r} no longer stands there" for phrase in left]


def test_no_other_room_knows_what_mnist_is() -> None:
    trees = {path.relative_to(ROOT).as_posix(): tree for path, tree in modules().values()}
    assert MAY_STAND.keys() <= trees.keys()
    others = [name for name in trees if not name.startswith(MNISTS_OWN)]
    assert [line for name in others for line in of_mnist(name, trees[name])] == []
    pages = [path for path in (ROOT / "ganlib").rglob("static/*") if path.suffix in (".js", ".html", ".css")]
    assert pages
    assert [path.name for path in pages if DIGIT.search(text := path.read_text()) or SIDE_OF_MNIST.search(text)] == []


@pytest.mark.parametrize(
    "code",
    [
        "SIDE = 28",
        "SIDE = 28.0",
        "images.reshape(-1, 784)",
        "_GROUP = 49 << 17",
        "for label in range(10): pass",
        "np.bincount(labels, minlength=10)",
        "label = number % 10",
        "def of_digit(image): pass",
        "def f(digits): pass",
        "class DigitNet: pass",
        "counts.digits",
        "f(digit=3)",
        "DIGITS = 3",
        '"""Return the digit that an image shows."""',
        "f'{name:28}'",
        "f'{count} digits'",
    ],
)
def test_what_mnist_is_would_be_seen(code: str) -> None:
    assert of_mnist("ganlib/any.py", ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "range(3, 10)",
        "1284 + 128 + 2.28 + 7840",
        "text.isdigit() and letter in string.hexdigits",
        '"""Three significant digits; a digital picture."""',
        "np.bincount(x, minlength=256)",
    ],
)
def test_and_nothing_else(code: str) -> None:
    assert of_mnist("ganlib/any.py", ast.parse(code)) == []


PROSE_WIDTH = 128


PARTICIPLES = re.compile(
    "answered|asked|begun|built|called|chosen|decided|drawn|found|given|gone|got|heard|heeded|held|judged|kept|known|"
    "made|meant|named|said|seen|shown|taken|told|tried|wanted|wished|written"
)
"""No names for values: they tell that something was done to a value, and not what it is."""
NO_PARTICIPLES = {"bed", "embed", "feed", "need", "red", "seed", "speed"}
"""Nouns and adjectives that end as regular participles do, whose last letters are ``ed``. Functions are called so where
they give back a changed copy, as Python's ``sorted`` is, and so is what is true or false: ``finished: bool``."""
MAY_BE_NAMED = {
    "ganlib/abtest/records.py": {"ended", "started"},  # in people's files
    "ganlib/core/errors.py": {"Interrupted", "expected"},  # in the reasons of runs that people have; beside `actual`
    "ganlib/core/processes.py": {"started"},  # in files that people have
    "ganlib/data/importing/record.py": {"given", "not_used"},  # in the reports of imports that people have
    "ganlib/data/versioning/record.py": {"repeated"},  # in what DVC pins
    "ganlib/data/versioning/state.py": {"expected"},  # in what `data verify --json` prints
    "ganlib/evaluation/drift.py": {"evaluated", "sampled"},  # in people's batches
    "ganlib/evaluation/evaluate.py": {"resampled"},  # in people's registries
    "ganlib/evaluation/judge/mnist/judge.py": {"expected"},  # of a frozen stage of DVC
    "ganlib/evaluation/judge/mnist/train.py": {"prepared", "warped"},  # as above
    "ganlib/export/onnx.py": {"images_compared"},  # in people's certificates
    "ganlib/generation/batch/verify.py": {"altered", "damaged", "truncated"},  # in what `verify --json` prints
    "ganlib/generation/speed/autotune.py": {"tried"},  # in files that people have
    "ganlib/jobs/data/preview.py": {"imported"},  # in what `data preview --json` prints
    "ganlib/jobs/measuring/comparison.py": {"images_seen", "recorded"},  # in people's files, and what the field says
    "ganlib/jobs/measuring/results.py": {"images_seen"},  # as above
    "ganlib/jobs/promotion/explain.py": {"asked", "found"},  # in what `registry explain --json` prints
    "ganlib/registry/entries.py": {"found"},  # in people's ledgers
    "ganlib/registry/rivals.py": {"tried"},  # in people's ledgers
    "ganlib/registry/prune.py": {"created", "kept"},  # in what `registry prune --json` prints
    "ganlib/registry/version.py": {"created"},  # in what `registry list --json` prints
    "ganlib/serving/connection.py": {"connection_made"},  # asyncio's
    "ganlib/tracking/failures.py": {"Refused"},  # in the reasons of runs that people have
    "ganlib/training/ema.py": {"images_seen"},  # what the field says
}


def bound(tree: ast.AST) -> Iterator[str]:
    """Each name that a file gives: of variables, parameters, attributes, functions, classes and imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.MatchAs(name=str(name)) | ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                yield name


def last_word(name: str) -> str:
    """``told`` of ``as_told``, ``_TOLD`` and ``AsTold``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip("_")).rpartition("_")[2].lower()


def is_truth(value: ast.AST | None) -> bool:
    """Whether an expression is true or false, as far as it tells."""
    match value:
        case ast.BoolOp(values=values):
            return all(map(is_truth, values))
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in ("all", "any", "bool") or name.startswith(("has_", "is"))
    return (
        isinstance(value, ast.Compare)
        or (isinstance(value, ast.Constant) and isinstance(value.value, bool))
        or (isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not))
    )


def pairs(target: ast.AST, value: ast.AST | None) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """Each single name that is assigned to, and what it gets."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, part in zip(target.elts, value.elts, strict=False):
            yield from pairs(each, part)
    else:
        yield target, value


def truths(tree: ast.AST) -> Iterator[str]:
    """The names of ``tree`` for what is true or false."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=ast.Name(id="bool")):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=ast.Name(id="bool")):
                yield name
            case ast.Assign(targets=targets, value=value):
                for one, part in (pair for target in targets for pair in pairs(target, value)):
                    if isinstance(one, ast.Name | ast.Attribute) and is_truth(part):
                        yield one.id if isinstance(one, ast.Name) else one.attr


def functions_of(tree: ast.AST) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, Function)}


def participles(tree: ast.AST) -> set[str]:
    """The names of ``tree`` that end in a participle: irregular ones anywhere, regular ones where they name a value."""
    names = {name for name in bound(tree) if not name.startswith("test_")}
    values = names - functions_of(tree) - set(truths(tree))
    regular = {name for name in values if last_word(name).endswith("ed") and last_word(name) not in NO_PARTICIPLES}
    return regular | {name for name in names if PARTICIPLES.fullmatch(last_word(name))}


def test_no_value_is_named_by_what_was_done_to_it() -> None:
    support = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "tests/support").rglob("*.py")}
    trees = {path.relative_to(ROOT).as_posix(): tree for path, tree in [*modules().values(), *support.items()]}
    assert {path: names for path, tree in trees.items() if (names := participles(tree))} == MAY_BE_NAMED
    assert [path for path in trees if PARTICIPLES.fullmatch(last_word(Path(path).stem))] == []


@pytest.mark.parametrize(
    "code",
    [
        "found = 3",
        "def f(asked): pass",
        "def f(*, as_asked): pass",
        "def told(): pass",
        "class ImagesAsked: pass",
        "self._seen = 3",
        "[x for kept in y]",
        "import json as made",
        "if (given := 3): pass",
        "_DRAWN = 3",
        "with f() as held: pass",
        "try: pass\nexcept E as taken: pass",
        "match x:\n    case [known]: pass",
        "def f(stored): pass",
        "def f(stored: bool | None): pass",
        "class Loaded: pass",
        "class C:\n    listed: int",
        "self._opened, x = 3, True",
        "_NEEDED = 3",
    ],
)
def test_a_participle_would_be_seen(code: str) -> None:
    assert participles(ast.parse(code))


def test_and_no_other_name() -> None:
    code = """
class Shard:
    finished: bool
    def padded(self, seed, *, resumed: bool): self.speed, self.closed = 3, False
def hold(choice, findings):
    path.read(); x = seen + len(told); passed = x > 3 and not stored
"""
    assert participles(ast.parse(code)) == set()


IMPORTED_OR_REPLACED = re.compile(
    r"^from (?:ganlib|pipelines|tests)\b[^\n]* import [^\n]*\b_[a-z]\w*|(?:get|set)attr\([^\n]*[\"'.]_[a-z]\w*[\"']",
    re.IGNORECASE | re.MULTILINE,
)
"""Looks at what is private to another file that ruff's SLF001 does not see."""


def test_no_file_looks_inside_another() -> None:
    """Attributes are ruff's to find (SLF001); where one has to be looked at, the line says why."""
    paths = sorted(file for top in ("ganlib", "pipelines", "tests") for file in (ROOT / top).rglob("*.py"))
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    here = texts.pop(Path(__file__).relative_to(ROOT).as_posix())
    assert IMPORTED_OR_REPLACED.search(here), "the examples below are seen"
    assert {path: found for path, text in texts.items() if (found := IMPORTED_OR_REPLACED.findall(text))} == {}
    allowed = {path: re.findall(r"noqa: SLF001(?!  \(\w)", text) for path, text in texts.items()}
    assert {path: bare for path, bare in allowed.items() if bare} == {}, "a look inside without a reason"
    assert '"SLF"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "code",
    [
        "from ganlib.there import _session",
        "from ganlib.there import LIMIT, _LIMIT",
        'monkeypatch.setattr(there, "_session", 3)',
        'monkeypatch.setattr("ganlib.there._session", 3)',
        'getattr(there, "_session")',
    ],
)
def test_a_look_inside_would_be_seen(code: str) -> None:
    assert IMPORTED_OR_REPLACED.search(code)
    assert not IMPORTED_OR_REPLACED.search(code.replace("_session", "session").replace("_LIMIT", "MOST"))


OF_SEVERAL_FILES = {
    "cli/test_bad_images": "`data version` given what it cannot take",
    "cli/test_registry_list": "the verb `registry list` where there are several data sets",
    "cli/test_startup": "what the command line imports before it works",
    "cli/test_words": "what is said of mistakes, by any verb",
    "core/test_ci": "`.ci/run`",
    "core/test_safety": "every source file: nothing unpickles or evaluates",
    "core/test_told": "what `make test` says (tests/told.py)",
    "data/known/test_adding": "a page of docs",
    "data/test_pins": "the pins of all known data sets",
    "evaluation/judge/test_page": "a page of docs",
    "evaluation/metrics/test_adding": "a page of docs",
    "evaluation/metrics/test_clipped": "clipped_density and clipped_coverage",
    "evaluation/test_peers": "benchmarks/peer_script.py",
    "families/test_adding": "a page of docs",
    "families/test_options": "the options of all families",
    "families/test_shapes": "all families on images of other shapes",
    "generation/test_benchmark": "benchmarks/generation.py",
    "jobs/test_old_registry": "a project of before, through all jobs",
    "jobs/test_zoo": "all families, through all jobs",
    "generation/test_readers": "the lines of docs/formats.md",
    "pipelines/test_flows": "the flows, without their server",
    "pipelines/test_project": "MLproject, and the forms in Prefect's page",
    "registry/test_gate_simulated": "the gate, over many challengers",
    "registry/test_rollback": "`rollback` of promote.py, over the ledger",
    "registry/test_taken_back": "what a person took back, through promote and reconcile",
    "training/test_quality": "benchmarks/curves.py",
    "test_forks": "what tests start in place of an interpreter (tests/support/forks.py)",
    "test_house": "this file",
    "test_pages": "pages that follow others: translations, llms.txt",
    "test_screenshots": "pictures for docs/images (tests/support/screenshots.py)",
}
"""Tests that mirror no source file, and what they are of."""


def mirrors(test: str) -> bool:
    """Whether there is a source file or a package of that name where the test's place says."""
    folder, _, name = test.rpartition("/")
    part = f"{folder}/{name.removeprefix('test_')}".strip("/")
    root = ROOT if part.startswith(("pipelines", "tools")) else ROOT / "ganlib"
    own_package = folder.rpartition("/")[2] == name.removeprefix("test_")  # families/test_families: of families/
    return own_package or (root / f"{part}.py").is_file() or (root / part / "__init__.py").is_file()


def test_a_test_is_found_where_its_source_is() -> None:
    tests = {
        path.relative_to(ROOT / "tests/unit").with_suffix("").as_posix()
        for path in (ROOT / "tests/unit").rglob("test_*.py")
    }
    assert {test for test in tests if not mirrors(test)} == set(OF_SEVERAL_FILES)


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines of Markdown that are prose, with their numbers: no code, tables, headings or HTML."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        code ^= line.startswith("```")
        if not (code or line.startswith(("```", "|", "    ", "#", "<", "!")) or line.lstrip().startswith("|")):
            yield number, line


def test_every_page_of_docs_has_one_place_on_the_site() -> None:
    places = re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(places) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md"))


def test_lines_of_prose_are_broken_at_one_width() -> None:
    # Those of docs/reference are written from docstrings: an item of a list is a line there.
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")]
    assert len(pages) > 20
    wide = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in pages
        for number, line in prose(page.read_text(encoding="utf-8"))
        if len(line) > PROSE_WIDTH
    ]
    assert wide == []


CLOCK = re.compile(r"""(setattr|patch(\.object)?)\(\s*("[\w.]*\btime\.\w+"|time\s*,)""")
"""What would set the clock of a whole process."""


def test_no_test_sets_the_clock_of_the_whole_process() -> None:
    sources = (path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    found = [str(path.relative_to(ROOT)) for path in sources if CLOCK.search(path.read_text(encoding="utf-8"))]
    assert found == [], "other threads go by it: tests/support/clock.py sets it for a module"


@pytest.mark.parametrize(
    "code",
    [
        'monkeypatch.setattr("ganlib.core.cost.time.monotonic", lambda: 0.0)',
        'monkeypatch.setattr(\n    time, "monotonic", lambda: 0.0)',
        'with patch("time.time"):',
        'with patch.object(time, "time"):',
    ],
)
def test_a_clock_that_is_set_would_be_seen(code: str) -> None:
    assert CLOCK.search(code)
