"""The reference of the Python package, as pages of the site, from its docstrings; and what is missing in them.

Read from the sources: nothing is imported or built. Each public class and function of the package's own has a summary,
its parameters as the signature has them, what it returns, and an example, which `python/tests/test_reference.py` runs.
"""

import ast
import logging

import griffe
from griffe import DocstringSectionKind as Kind

#: Pages by their names, and what is on them. Every public name of our own is on one.
GROUPS = {
    "pools": ("Pools", "Pool AsyncResult MapResult IMapIterator cpu_count worker_index"),
    "executors": ("Executors", "ProcessPoolExecutor Future executor register_joblib"),
    "queues": ("Queues", "Queue JoinableQueue SimpleQueue"),
    "locks": (
        "Locks and shared values",
        "Lock RLock Semaphore BoundedSemaphore Event Condition Barrier Value Array OwnerDiedWarning",
    ),
    "arrays": ("Arrays", "shared zeros empty"),
    "cleaning": ("Cleaning", "clean Recipe Report FileReport SetAside Cells Progress"),
    "starting": ("Start methods", "Context get_context set_start_method get_start_method"),
    "measuring": ("Measuring", "benchmark Benchmark Run"),
    "errors": (
        "Errors",
        "ManyhandsError WorkerDied DeadlineExceeded MemoryLimitExceeded TaskKilled TaskExited RemoteError PoolClosed "
        "PoolForked CleanError",
    ),
}
#: Classes whose objects users receive but do not create.
GIVEN = {"AsyncResult", "MapResult", "IMapIterator", "Future", "Context"}
HEAD = "Made from the docstrings: `help(manyhands.{name})` shows the same."
HEAD_OF_RUST = "Of {names}, in Rust, it shows a summary."


def reference(root):
    """The pages by name, and what is wrong with the docstrings."""
    heard = []
    handler = logging.Handler(logging.WARNING)
    # Of a class without `__init__` it does not see the parameters; `check` does.
    expected_message = "does not appear in the function signature"
    handler.emit = lambda record: expected_message in record.getMessage() or heard.append(record.getMessage())
    logger = logging.getLogger("griffe")
    logger.addHandler(handler)
    logger.propagate = False
    package = griffe.load(
        "manyhands", search_paths=[root / "python"], allow_inspection=False, docstring_parser=griffe.Parser.numpy
    )
    source = ast.parse((root / "python/manyhands/__init__.py").read_text())
    ours = {}
    for name in public(source):
        found = target(package.members.get(name))
        if found is not None and found.path.startswith("manyhands.") and (found.is_class or found.is_function):
            ours[name] = found
    problems = Problems()
    grouped = [name for _, names in GROUPS.values() for name in names.split()]
    problems += [f"scripts/reference.py: {name} is on no page" for name in sorted(ours.keys() - set(grouped))]
    problems += [f"scripts/reference.py: there is no {name}" for name in sorted(set(grouped) - ours.keys())]
    pages = {}
    for page, (title, names) in GROUPS.items():
        names = [name for name in names.split() if name in ours]
        head = HEAD.format(name=names[0])
        if in_rust := [f"`{name}`" for name in names if ours[name].filepath.suffix == ".pyi"]:
            head += " " + HEAD_OF_RUST.format(names=", ".join(in_rust))
        parts = [f"# {title}\n", head + "\n"]
        for name in names:
            parts += shown(name, ours[name], problems)
        pages[f"reference/{page}.md"] = "\n".join(parts)
    return pages, [*problems, *heard]


class Problems(list):
    """What is wrong, told with the place."""

    def add(self, thing, what):
        self.append(f"{thing.filepath.name}:{thing.lineno}: {thing.path.removeprefix('manyhands.')} {what}")


def public(source):
    """The names in `__all__`."""
    for statement in source.body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", None) == "__all__":
            return ast.literal_eval(statement.value)
    raise LookupError("__all__")


def target(thing):
    """What a name stands for; None for what is not in this package."""
    try:
        return thing.final_target if thing is not None and thing.is_alias else thing
    except (griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None


def members(kind):
    """The public methods and properties of a class that have a docstring or should have one."""
    for name, member in kind.members.items():
        member = target(member)
        if name.startswith("_") or member is None:
            continue
        # A context has the package's names, which are explained there.
        forwards = kind.name == "Context" and member.is_function and not member.docstring
        if (member.is_function and not forwards) or (member.is_attribute and "property" in member.labels):
            yield name, member


def shown(name, thing, problems, level=2):
    """Lines of Markdown: a name with its signature, docstring, and for a class its members."""
    yield f"{'#' * level} {name} {{ #{name} }}\n"
    made_by = constructor(thing) if thing.is_class else thing
    if made_by is not None and made_by.is_function and name not in GIVEN:
        yield f"```python\n{signature(name, made_by)}\n```\n"
    sections = check(name, thing, made_by, problems)
    for section in sections:
        yield from section_shown(section, made_by)
    if thing.is_class:
        for member_name, member in members(thing):
            yield from shown(f"{name}.{member_name}", member, problems, level + 1)


def constructor(kind):
    """What makes objects of a class, if it is written there."""
    for name in ("__init__", "__new__"):
        if name in kind.members and kind.members[name].lineno:
            return kind.members[name]
    return None


def parameters(function):
    """Name by parameter, as a docstring has them: stars and all."""
    stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
    return {
        stars.get(one.kind, "") + one.name: one
        for one in function.parameters
        if one.name not in ("self", "cls") and not one.name.startswith("_")
    }


def check(name, thing, made_by, problems):
    """The sections of a docstring; what is missing in it is a problem."""
    if not thing.docstring or not thing.docstring.value.strip():
        problems.add(thing, "has no docstring")
        return []
    sections = thing.docstring.parsed
    has = {section.kind: section for section in sections}
    if len(summary := thing.docstring.value.strip().split("\n")[0]) and not summary.rstrip().endswith((".", ":")):
        problems.add(thing, "has a summary that is no sentence on one line")
    if "." not in name and Kind.examples not in has:
        problems.add(thing, "has no Examples")
    dataclass = thing.is_class and "dataclass" in thing.labels
    if dataclass:
        wanted = [
            one for one, member in thing.members.items() if member.is_attribute and "property" not in member.labels
        ]
        told = [item.name for item in has[Kind.attributes].value] if Kind.attributes in has else []
        if told != [one for one in wanted if not one.startswith("_")]:
            problems.add(thing, f"has the Attributes {told}, and not {wanted}")
    elif made_by is not None and made_by.is_function and name not in GIVEN:
        wanted = list(parameters(made_by))
        told = [item.name for item in has[Kind.parameters].value] if Kind.parameters in has else []
        if told != wanted:
            problems.add(thing, f"has the Parameters {told}, and its signature {wanted}")
        for item in has[Kind.parameters].value if Kind.parameters in has else []:
            if not item.description.rstrip().endswith("."):
                problems.add(thing, f"has a parameter {item.name} without a sentence")
    if thing.is_function and str(thing.returns) not in ("None", "NoReturn") and Kind.returns not in has:
        problems.add(thing, f"has no Returns, and gives {thing.returns}")
    return sections


def signature(name, function):
    """A call with all parameters, one a line if there are several."""
    parts, keyword = [], False
    for shown_name, one in parameters(function).items():
        if one.kind is griffe.ParameterKind.keyword_only and not keyword and not any(p.startswith("*") for p in parts):
            parts.append("*")
        keyword = keyword or one.kind is griffe.ParameterKind.keyword_only
        default = "" if shown_name.startswith("*") or one.default is None else f"={one.default}"
        parts.append(shown_name + default)
    line = f"{name}({', '.join(parts)})"
    return line if len(line) <= 100 else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def section_shown(section, made_by):
    if section.kind is Kind.text:
        yield section.value + "\n"
    elif section.kind in (Kind.parameters, Kind.attributes, Kind.raises, Kind.returns):
        known = parameters(made_by) if made_by is not None and made_by.is_function else {}
        yield f"**{section.kind.value.capitalize()}**\n"
        for item in section.value:
            name = getattr(item, "name", "")
            default = known[name].default if section.kind is Kind.parameters and name in known else None
            kind = str(item.annotation)
            if kind.startswith("(") and kind.endswith(")"):  # what numpydoc writes as {"a", "b"}
                kind = " or ".join(f"`{one}`" for one in kind[1:-1].split(", "))
            head = f"`{name}` : {kind}" if name else f"`{kind}`"
            if default is not None and default != "None" and not name.startswith("*"):
                head += f", default `{default}`"
            yield f"* {head}<br>\n  " + " ".join(item.description.split())
        yield ""
    elif section.kind is Kind.examples:
        for kind, text in section.value:
            yield f"```pycon\n{text}\n```\n" if kind is Kind.examples else text + "\n"
