"""The examples in the docstrings of public names do what they say. `scripts/build-docs` looks for what is missing."""

import ast
import doctest
import importlib.util
import inspect
from pathlib import Path

import manyhands
import pytest

STUBS = Path(manyhands.__file__).parent / "_native.pyi"
PARSER = doctest.DocTestParser()


def docstrings():
    """Docstrings of the package's own public names and their members, by name."""
    for name in manyhands.__all__:
        thing = getattr(manyhands, name)
        if not str(getattr(thing, "__module__", "")).startswith("manyhands"):
            continue
        if inspect.isclass(thing):
            yield from ((f"{name}.{one}", inspect.getdoc(getattr(thing, one))) for one in vars(thing) if one[0] != "_")
        yield name, inspect.getdoc(thing)
    # The documentation of names written in Rust is in the stubs.
    for node in ast.parse(STUBS.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in manyhands.__all__:
            yield f"{node.name} (stub)", ast.get_docstring(node)
            for one in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(one, ast.FunctionDef):
                    yield f"{node.name}.{one.name} (stub)", ast.get_docstring(one)


EXAMPLES = {name: text for name, text in docstrings() if text and ">>>" in text}


def test_there_are_examples_of_all_kinds():
    assert len(EXAMPLES) > 50
    assert {"Pool", "Pool.map", "clean", "Recipe (stub)", "WorkerDied", "shared"} <= EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_prints_its_documented_output(name, tmp_path, monkeypatch, run_script):
    for module in ("numpy", "joblib"):
        if importlib.util.find_spec(module) is None and (module in EXAMPLES[name] or name in ("zeros", "empty")):
            pytest.skip(f"{module} is not installed")
    if "joblib" in name:
        # Its workers stay until the interpreter ends.
        examples = PARSER.get_examples(EXAMPLES[name])
        script = run_script("from manyhands import *\n" + "".join(one.source for one in examples))
        assert script.out == "".join(one.want for one in examples)
        return
    monkeypatch.chdir(tmp_path)
    names = {one: getattr(manyhands, one) for one in manyhands.__all__}
    test = PARSER.get_doctest(EXAMPLES[name], names, name, None, None)
    said = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.attempted and not result.failed, "".join(said)
