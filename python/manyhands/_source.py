"""Analysis of the source of `__main__`: whether it has a guard, and which names its import binds."""

from __future__ import annotations

import ast
import dis
import importlib.util
import sys

from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Source:
    """The names that the source of `__main__` binds."""

    def __init__(self, text: str, package: Any) -> None:
        tree = ast.parse(text)
        declared: set[Any] = set()
        if "global" in text:
            declared.update(*(node.names for node in ast.walk(tree) if isinstance(node, ast.Global)))
        guard = _Guard()
        unguarded = guard.visit(tree)
        self.guarded = guard.found
        outside = compile(ast.fix_missing_locations(unguarded), "<script>", "exec", dont_inherit=True)
        # In a loop, since the statements may contain a `break`.
        loop = ast.Module([ast.While(ast.Constant(True), guard.statements or [ast.Pass()], [])], [])
        inside = compile(ast.fix_missing_locations(loop), "<guarded>", "exec", dont_inherit=True)
        stores = list(_stores(outside))
        #: Names that importing the script binds.
        self.bound = set(stores)
        #: Names that the guarded block binds.
        self.rebound_by_main = set(_stores(inside))
        #: Names that the guarded block or a function may have rebound since.
        self.rebound = self.rebound_by_main | declared
        #: The literal values of names that the import binds once.
        self.literals = {name: value for name, value in _literals(unguarded) if stores.count(name) == 1}
        self._stars = [
            "." * node.level + (node.module or "")
            for node in ast.walk(unguarded)
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        ]
        self._package = package

    def is_starred(self, name: str, value: Any) -> bool:
        """Whether the import gets the name from another module, by `from … import *`."""
        for star in self._stars:
            try:
                module = sys.modules[importlib.util.resolve_name(star, self._package)]
            except (KeyError, ImportError):
                continue
            if getattr(module, name, module) is value:
                return True
        return False


class _Guard(ast.NodeTransformer):
    """Takes guarded statements out of a module's top level."""

    def __init__(self) -> None:
        self.found = False
        self.statements: list[Any] = []

    def visit_If(self, node: Any) -> Any:
        if not any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)):
            return self.generic_visit(node)
        self.found = True
        guarded, others = node.body, node.orelse
        if isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.NotEq):
            guarded, others = others, guarded
        self.statements += guarded
        return self.generic_visit(ast.If(ast.Constant(True), others or [ast.Pass()], []))

    def _empty(self, node: Any) -> Any:
        # An `if` inside a function is not a guard of the module, and a function's names are its own.
        node.body = [ast.Pass()]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _empty


def _stores(code: Any) -> Iterator[Any]:
    """The names of the module that this code itself binds."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "STORE_NAME":
            yield instruction.argval


def _literals(tree: Any) -> Iterator[Any]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        try:
            given: Any = node.value
            value = ast.literal_eval(given)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
            if of_signal(error):
                raise
            continue
        yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
