"""Reads which file of a crate imports which, from the `use` lines and the paths in the code.

An import of a name that another file only passes on (`pub use`) is one of the file that defines it. A
`mod` line is no import, nor is a `pub use` of a name that the file itself does not use. What is compiled
for tests only is left out."""

import pathlib
import re

WORD = r"(?:r#)?[A-Za-z_]\w*"
TEST_MODULE = re.compile(
    r"#\[cfg\((?:all\()?\s*(?:test|loom)\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*([;{])"
)
TEST_ITEM = re.compile(r"#\[cfg\((?:all\()?\s*test\b[^\]]*\]\s*")
MODULE = re.compile(r"\bmod\s+(\w+)\s*([;{])")
MODULE_LINE = re.compile(r"\bmod\s+\w+\s*;")
VISIBILITY = re.compile(r"\bpub\(in [^)]*\)")
USE = re.compile(r"(?:\b(pub(?:\([^)]*\))?)\s+)?\buse\s+([^;]+);")
PATH = re.compile(rf"(?<![\w:.$])({WORD}(?:::{WORD})+)")
#: Comments and literals. A text is group 2 or 3.
LITERAL = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(#*)"(.*?)"\1|b?"((?:\\.|[^"\\])*)"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'""",
    re.DOTALL,
)


def without_comments_and_texts(source):
    """The source with comments and literals blanked, so that places stay.

    >>> without_comments_and_texts("f(`a // b`, 'c') // d".replace("`", chr(34)))
    'f(        ,    )     '
    """
    return LITERAL.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def end_of_block(source, begin):
    """The place behind the brace that closes the one at `begin`."""
    depth = 0
    for at in range(begin, len(source)):
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        if depth == 0:
            return at + 1
    return len(source)


def end_of_item(source, begin):
    """The place behind an item: its semicolon, or its block."""
    at = begin
    while at < len(source) and source[at] not in ";{":
        at += 1
    if source[at : at + 1] == ";" or source[begin:].startswith(("use ", "pub use ", "pub(crate) use ")):
        return source.find(";", begin) + 1
    return end_of_block(source, at)


def without_tests(source):
    """The source without what is for tests, and the names of the files that are.

    >>> without_tests("use a; #[cfg(test)] use b::{c, d}; #[cfg(test)] mod tests { use e; } #[cfg(test)] mod kit;")
    ('use a;   ', {'kit'})
    """
    tests = set()
    for found in reversed(list(TEST_MODULE.finditer(source))):
        if found[2] == ";":
            tests.add(found[1])
            end = found.end()
        else:
            end = end_of_block(source, found.end() - 1)
        source = source[: found.start()] + source[end:]
    while found := TEST_ITEM.search(source):
        source = source[: found.start()] + source[end_of_item(source, found.end()) :]
    return source, tests


def leaves(tree):
    """The paths of a use tree, each with the name that it gets.

    >>> list(leaves("a::{b::{self, x}, c as d}"))
    [(['a', 'b'], 'b'), (['a', 'b', 'x'], 'x'), (['a', 'c'], 'd')]
    """
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        path, _, name = tree.partition(" as ")
        parts = [part.strip() for part in path.split("::")]
        if parts[-1] == "self" and len(parts) > 1:
            parts.pop()
        yield parts, (name.strip() or parts[-1])
        return
    head, inner = tree[:brace], tree[brace + 1 : tree.rfind("}")]
    depth, part, parts = 0, "", []
    for letter in inner + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += letter
    for part in filter(str.strip, parts):
        yield from leaves(head + part)


class Crate:
    """The files of one crate under `src`, and what each imports."""

    def __init__(self, src):
        self.src = pathlib.Path(src)
        self.code, self.children, self.passed_on, self.uses = {}, {}, {}, {}
        sources = {}
        tests = set()
        for path in sorted(self.src.rglob("*.rs")):
            module = self.module_of(path)
            text = without_comments_and_texts(path.read_text())
            code, names = without_tests(text)
            tests |= {(*module, name) for name in names}
            sources[module] = code
        for module, code in sources.items():
            if any(module[: len(test)] == test for test in tests):
                continue
            self.code[module] = code
            self.children[module] = {found[1] for found in MODULE.finditer(code) if found[2] == ";"}
        for module in self.code:
            self.read_uses(module)
        self.imports = {module: self.imports_of(module) for module in self.code}

    def module_of(self, path):
        parts = list(path.relative_to(self.src).with_suffix("").parts)
        if parts[-1] in ("mod", "lib", "main"):
            parts.pop()
        return tuple(parts)

    def file_of(self, module):
        """A module's file, as it is called in messages: `steps/mod.rs`."""
        for name in ["/".join(module) + ".rs", "/".join([*module, "mod.rs"]), "lib.rs", "main.rs"]:
            if (self.src / name).is_file():
                return name
        raise FileNotFoundError(module)

    def scopes(self, module):
        """The blocks of modules that are written in this file, with how deep they are."""
        code = self.code[module]
        found = [m for m in MODULE.finditer(code) if m[2] == "{"]
        return [(m.start(), end_of_block(code, m.end() - 1)) for m in found]

    def absolute(self, module, path, depth):
        """A path from the crate's root; none if it leads out of the crate."""
        head, rest = path[0], path[1:]
        if head == "crate":
            return tuple(rest)
        if head == "self":
            return module + tuple(rest) if depth == 0 else None
        if head == "super":
            base, depth = (module, depth - 1) if depth else (module[:-1], 0)
            return self.absolute(base, ["super", *rest[1:]], depth) if rest[:1] == ["super"] else base + tuple(rest)
        if depth == 0 and head in self.children[module]:
            return module + tuple(path)
        return None

    def read_uses(self, module):
        code, scopes = self.code[module], self.scopes(module)
        self.passed_on[module], self.uses[module] = {}, []
        for found in USE.finditer(code):
            depth = sum(begin < found.start() < end for begin, end in scopes)
            for path, name in leaves(found[2]):
                path = self.absolute(module, path, depth)
                if path is None:
                    continue
                if found[1] and depth == 0:
                    self.passed_on[module][name] = path
                self.uses[module].append((bool(found[1]), name, path))

    def target(self, path, seen=()):
        """The module that defines what a path from the root leads to."""
        for length in range(len(path), -1, -1):
            module = path[:length]
            if module not in self.code:
                continue
            if length == len(path):
                return module
            passed = self.passed_on[module].get(path[length])
            if passed is not None and passed not in seen:
                return self.target(passed + path[length + 1 :], (*seen, passed))
            return module
        return None

    def imports_of(self, module):
        code = self.code[module]
        body = code
        for other in (USE, MODULE_LINE, VISIBILITY):
            body = other.sub(lambda found: " " * len(found[0]), body)
        paths = []
        for public, name, path in self.uses[module]:
            if not public or re.search(rf"\b{re.escape(name)}\b", body):
                paths.append(path)
        scopes = self.scopes(module)
        for found in PATH.finditer(body):
            depth = sum(begin < found.start() < end for begin, end in scopes)
            path = self.absolute(module, found[1].split("::"), depth)
            if path is not None:
                paths.append(path)
        found = {self.target(path) for path in paths}
        return found - {None, module}

    def circles(self):
        """The sets of files that import each other, directly or through others."""
        found = circles(self.imports)
        return [frozenset(self.file_of(module) for module in circle) for circle in found]

    def levels(self):
        """Files and folders by what they import, the lowest first: each is above all that it imports.

        A folder stands for its files, unless it and others import each other. Files that do are in braces."""
        modules = [module for module in self.code if module]
        rooms = [module[0] for module in modules if self.is_in_folder(module)]
        # A folder with most of the crate is not counted as a room.
        hall = next((name for name in set(rooms) if 2 * rooms.count(name) > len(modules)), None)
        within = 1 if hall else 0

        def unit(module, opened):
            base = module[within:] if module[0] == hall else module
            is_room = self.is_in_folder(module) and (module[0] != hall or self.is_in_folder(module, 2))
            if not base:
                return f"{hall}/mod"
            return (
                f"{base[0]}/"
                if is_room and f"{base[0]}/" not in opened
                else self.file_of(module)[:-3].removeprefix(f"{hall}/")
            )

        opened = set()
        while True:
            names = {module: unit(module, opened) for module in modules}
            graph = {name: set() for name in names.values()}
            for module, name in names.items():
                graph[name] |= {names[other] for other in self.imports[module] if other} - {name}
            found = circles(graph)
            more = {name for circle in found for name in circle if name.endswith("/")}
            if not more:
                break
            opened |= more
        joined = {name: "{" + " ".join(sorted(circle)) + "}" for circle in found for name in circle}
        level = {}

        def height(name):
            together = [one for one in graph if joined.get(one, one) == joined.get(name, name)]
            below = {other for one in together for other in graph[one]} - set(together)
            if name not in level:
                level[name] = 1 + max((height(other) for other in below), default=-1)
            return level[name]

        lines = {}
        for name in graph:
            lines.setdefault(height(name), set()).add(joined.get(name, name))
        return [sorted(lines[number]) for number in sorted(lines)]

    def is_in_folder(self, module, depth=1):
        """Whether a module's file is in a folder of `src`, or is the face of one."""
        return len(module) > depth or (self.file_of(module).endswith("/mod.rs") and len(module) == depth)


def circles(graph):
    """The sets of nodes that lead to each other (Tarjan, 1972)."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(frozenset(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found
