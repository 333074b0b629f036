"""Pages about modules, read by griffe from their source: nothing of them is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from griffe import (
    Attribute,
    Class,
    Docstring,
    DocstringSectionKind,
    ExprCall,
    ExprKeyword,
    ExprSubscript,
    ExprTuple,
    Function,
    Module,
    Object,
    Parameter,
    ParameterKind,
    Parser,
    visit,
)

from tools.reference.contents import Page
from tools.reference.text import fill, item, link, markdown, slug

ROOT = Path(__file__).resolve().parents[2]
_WIDTH = 100
_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "pattern": "matching"}

Modules = tuple[Module, ...]
Links = Mapping[str, str]


def load(pages: Sequence[Page]) -> dict[str, Modules]:
    """Return the modules of each of ``pages``, by the page's name."""
    return {page.name: tuple(_module(f"ganlib.{name}") for name in page.modules) for page in pages}


def _module(name: str) -> Module:
    path = ROOT / name.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return visit(name, file, file.read_text(encoding="utf-8"), docstring_parser=Parser.google)


def targets(documented: Mapping[str, Modules]) -> dict[str, str]:
    """Return where each name is documented: by its whole path, and by a class's name, which is unique in the tree."""
    places = {}
    for page_name, modules in documented.items():
        for module in modules:
            places[module.path] = f"{page_name}.md#{slug(module.path)}"
            for each in _members(module):
                place = f"{page_name}.md#{slug(_heading(each))}"
                places[each.path] = place
                if isinstance(each, Class):
                    places[each.name] = place
                    places |= {inner.path: f"{page_name}.md#{slug(_heading(inner))}" for inner in _methods(each)}
                    places |= {field.path: place for field in _fields(each)}
    return places


def page(about: Page, modules: Modules, links: Links) -> str:
    """Return the Markdown of the page ``about`` some modules; ``links`` are of :func:`targets`."""
    parts = [f"# {about.title}", "", fill(about.about), "", "From the docstrings; written by `make reference`.", ""]
    parts += [f"- [`{module.path}`](#{slug(module.path)})" for module in modules]
    for module in modules:
        parts += ["", f"## {module.path}", "", *_docstring(module, links)]
        parts += [_constant(each, links) for each in _constants(module)]
        for each in _members(module):
            parts += ["", *(_class(each, links) if isinstance(each, Class) else _function(each, links))]
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _members(module: Module) -> list[Class | Function]:
    """The public classes and functions of a module, in the order of its file."""
    found = [each for each in module.members.values() if isinstance(each, Class | Function)]
    return [each for each in found if not each.is_alias and not each.name.startswith("_")]


def _methods(owner: Class) -> list[Function]:
    return [each for each in owner.functions.values() if not each.name.startswith("_") and each.docstring]


def _fields(owner: Class) -> list[Attribute]:
    """What an object has, properties among it, but not what ``__init__`` sets and no docstring tells of."""
    return [each for each in owner.attributes.values() if _is_shown(each) and (each.docstring or _is_declared(each))]


def _constants(module: Module) -> list[Attribute]:
    return [each for each in module.attributes.values() if _is_shown(each) and each.docstring]


def _is_shown(attribute: Attribute) -> bool:
    return not attribute.is_alias and not attribute.name.startswith("_") and attribute.name != "model_config"


def _is_declared(attribute: Attribute) -> bool:
    """Whether the body of the class has it, with a type."""
    return attribute.annotation is not None and (
        "instance-attribute" not in attribute.labels or "class-attribute" in attribute.labels or attribute.value is None
    )


def _heading(each: Class | Function) -> str:
    """A class by its name, which is unique in the tree; a function as it is called by who imports its module."""
    if isinstance(each, Class):
        return each.name
    owner = each.parent.name.rpartition(".")[2] if each.parent else ""
    return f"{owner}.{each.name}()"


def _class(owner: Class, links: Links) -> Iterator[str]:
    yield from (f"### {_heading(owner)}", "")
    bases = [link(str(base), links) for base in owner.bases if str(base) not in ("Record", "ABC", "Protocol")]
    if bases:
        yield from (f"Of {', '.join(bases)}.", "")
    init = owner.members.get("__init__")
    if isinstance(init, Function):
        yield from _signature(init, owner.name)
    for each in (owner, init):
        if isinstance(each, Class | Function):
            yield from _docstring(each, links)
    fields = _fields(owner)
    if fields:
        yield from ("Fields:", "", *(_field(each, links) for each in fields), "")
    for method in _methods(owner):
        yield from ("", *_function(method, links))


def _function(function: Function, links: Links) -> Iterator[str]:
    level = "####" if isinstance(function.parent, Class) else "###"
    yield from (f"{level} {_heading(function)}", "")
    yield from _signature(function, function.name)
    yield from _docstring(function, links)


def _signature(function: Function, name: str) -> Iterator[str]:
    parts = list(_parameters(function))
    marks = [f"@{label}" for label in ("classmethod", "staticmethod", "abstractmethod") if label in function.labels]
    gives = f" -> {function.returns}" if function.returns is not None and name == function.name else ""
    whole = f"{name}({', '.join(parts)}){gives}"
    if len(whole) > _WIDTH:
        whole = "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){gives}"])
    yield from ("```python", *marks, whole, "```", "")


def _parameters(function: Function) -> Iterator[str]:
    """Each parameter as it is written, without that of the object itself."""
    keyword_only = False
    for place, each in enumerate(function.parameters):
        if place == 0 and isinstance(function.parent, Class) and each.name in ("self", "cls"):
            continue
        if each.kind is ParameterKind.keyword_only and not keyword_only:
            yield "*"
        keyword_only |= each.kind in (ParameterKind.keyword_only, ParameterKind.var_positional)
        yield _parameter(each)


def _parameter(each: Parameter) -> str:
    stars = {ParameterKind.var_positional: "*", ParameterKind.var_keyword: "**"}.get(each.kind, "") if each.kind else ""
    kind = f": {each.annotation}" if each.annotation is not None else ""
    plain = each.default is None or bool(stars)
    default = "" if plain else f" = {each.default}" if kind else f"={each.default}"
    return f"{stars}{each.name}{kind}{default}"


def _constant(attribute: Attribute, links: Links) -> str:
    text = markdown(attribute.docstring.value if attribute.docstring else "", links, _scopes(attribute))
    value = str(attribute.value)
    return item(attribute.name, [f"`{value}`"] if len(value) < _WIDTH else [], text)


def _field(attribute: Attribute, links: Links) -> str:
    """An attribute, a property, or a field of a record, whose note may be in the call that makes it."""
    kind, note = _annotated(attribute)
    keywords = _keywords(attribute)
    default = keywords.pop("default", None)
    text = attribute.docstring.value if attribute.docstring else note or _plain(keywords.get("description", "''"))
    notes = [
        f"`{kind}`" if kind else "",
        *(f"{words} `{keywords[key]}`" for key, words in _LIMITS.items() if key in keywords),
        f"default: `{default}`" if default is not None else "",
    ]
    return item(attribute.name, notes, markdown(text, links, _scopes(attribute)))


def _annotated(attribute: Attribute) -> tuple[str, str]:
    """The type of an attribute, and the note that ``Annotated`` adds to it."""
    kind = attribute.annotation
    if isinstance(kind, ExprSubscript) and str(kind.left) == "Annotated" and isinstance(kind.slice, ExprTuple):
        inner, note, *_ = kind.slice.elements
        return str(inner), _plain(str(note)).replace("{", "`").replace("}", "`")
    return str(kind or ""), ""


def _keywords(attribute: Attribute) -> dict[str, str]:
    """What ``Field(...)`` is called with, its default among it; or the plain value as the default."""
    value = attribute.value
    if "property" in attribute.labels or value is None:
        return {}
    if not isinstance(value, ExprCall) or str(value.function) not in ("Field", "field"):
        return {"default": str(value)}
    keywords = {each.name: str(each.value) for each in value.arguments if isinstance(each, ExprKeyword)}
    places = [str(each) for each in value.arguments if not isinstance(each, ExprKeyword)]
    return {**({"default": places[0]} if places else {}), **keywords}


def _plain(literal: str) -> str:
    """The text that a literal in the source stands for."""
    try:
        return str(ast.literal_eval(literal))
    except ValueError:
        return ""


def _scopes(each: Object) -> list[str]:
    """What the names in a docstring may be relative to: the object itself, and all around it."""
    above = _scopes(each.parent) if each.parent is not None else []
    return [each.path, *above]


def _docstring(each: Object, links: Links) -> Iterator[str]:
    docstring: Docstring | None = each.docstring
    scopes = _scopes(each)
    for section in docstring.parsed if docstring else ():
        match section.kind:
            case DocstringSectionKind.text:
                yield from (markdown(section.value, links, scopes), "")
            case DocstringSectionKind.parameters:
                rows = [item(one.name, [], markdown(one.description, links, scopes)) for one in section.value]
                yield from ("Args:", "", *rows, "")
            case DocstringSectionKind.raises:
                yield from ("Raises:", "")
                for one in section.value:
                    names = ", ".join(link(name, links) for name in str(one.annotation).strip("()").split(", "))
                    yield f"- {names}: {' '.join(markdown(one.description, links, scopes).split())}"
                yield ""
            case DocstringSectionKind.returns | DocstringSectionKind.yields:
                words = " ".join(markdown(one.description, links, scopes) for one in section.value)
                yield from (f"{section.kind.value.capitalize()}: {' '.join(words.split())}", "")
            case other:
                raise ValueError(f"{each.path} has a section {other.value!r}, which tools/reference does not know.")
