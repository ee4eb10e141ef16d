"""Which scripts workers import: how a guard is found, and what the source says about names."""

import pytest
from manyhands._source import Source

GUARDS = [
    "if __name__ == '__main__':\n    x = 1",
    "if '__main__' == __name__:\n    x = 1",
    "if __name__ != '__main__':\n    y = 1\nelse:\n    x = 1",
    "if not __name__ == '__mp_main__':\n    x = 1",
    "if __name__ == '__main__' and True:\n    x = 1",
    "try:\n    if __name__ == '__main__':\n        x = 1\nfinally:\n    pass",
    "with open(__file__):\n    if __name__ in ('__main__', '__script__'):\n        x = 1",
    "for i in range(3):\n    if __name__ == '__main__':\n        x = 1\n        break",
    "if True:\n    if __name__ == '__main__':\n        x = 1",
]


@pytest.mark.parametrize("text", GUARDS)
def test_a_guard_is_found_wherever_it_is_at_the_top_level(text):
    source = Source(text, None)
    assert source.guarded
    assert "x" in source.rebound and "x" not in source.bound


@pytest.mark.parametrize(
    "text",
    [
        "x = __name__",
        "def f():\n    if __name__ == '__main__':\n        pass",
        "class C:\n    if __name__ == '__main__':\n        pass",
        "# if __name__ == '__main__':",
        "print(__name__ == '__main__')",
    ],
)
def test_code_that_only_looks_like_a_guard_is_not_one(text):
    assert not Source(text, None).guarded


def test_names_that_the_import_binds_are_found_however_they_are_bound():
    source = Source(
        """
import a.b, c as d
from e import f
from star import *
def g(): inner = 1
class H: inner = 2
async def i(): pass
j, (k, *l) = m = n = 1, 2
o: int = 3
p: int
for q in (): pass
with open() as r: pass
try: pass
except OSError as s: pass
t = [u for u in ()]
if (v := 1): pass
w += 1
if __name__ == "__main__":
    import x
    for y in (): z = 1
    del t
""",
        None,
    )
    # Annotations bind names of their own from Python 3.14 on.
    ours = {name for name in source.bound if not name.startswith("__")}
    assert ours == set("a d f g H i j k l m n o q r s t v w".split())
    assert source.rebound == set("x y z".split())


def test_only_a_name_that_is_bound_once_has_a_literal():
    text = "a = 1\nb = [None]\nc = d = 'x'\ne = 1\ne = 2\nf: int = 5\ng = -1\nh = f()\nfor i in (): j = 1\n"
    source = Source(text, None)
    assert source.literals == {"a": 1, "b": [None], "c": "x", "d": "x", "f": 5, "g": -1}


def test_names_that_functions_declare_global_may_have_been_rebound():
    assert Source("a = 1\ndef f():\n    def g():\n        global a, b\n        a = b = 1\n", None).rebound == {"a", "b"}
