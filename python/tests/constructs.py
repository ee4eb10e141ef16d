"""What a script may define that has to reach workers whole: source of checks, each a function that is true in any process."""

SOURCE = """
import abc, collections, contextvars, ctypes, dataclasses, enum, functools, threading, typing

MISSING = object()
ALIAS = MISSING

def sentinel_is_its_own_default(_, default=MISSING):
    return default is MISSING and MISSING is ALIAS

class State:
    IDLE = object()

CURRENT = State.IDLE

def sentinel_of_a_class(_):
    return CURRENT is State.IDLE

class Plugin:
    known = {}

    def __init_subclass__(cls, /, **options):
        Plugin.known[cls.__name__] = cls

class Upper(Plugin, option=1):
    def run(self, text):
        return text.upper()

def registry_of_subclasses(_):
    return Plugin.known == {"Upper": Upper} and Plugin.known["Upper"]().run("a") == "A"

class Meta(type):
    made = []

    def __new__(meta, name, bases, space):
        Meta.made.append(name)
        return super().__new__(meta, name, bases, space)

    def __iter__(cls):
        return iter(cls.made)

class Made(metaclass=Meta):
    pass

def metaclass_with_a_registry(_):
    return list(Made) == ["Made"] and type(Made) is Meta

@dataclasses.dataclass(slots=True)
class Row:
    a: int
    b: str = "b"

@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: int

ROWS = [Row(1), Frozen(2)]

def dataclass_with_slots(_):
    return ROWS == [Row(1), Frozen(2)] and not hasattr(Row(1), "__dict__") and type(ROWS[0]) is Row

class Private:
    __slots__ = ("__hidden", "shown", "__weakref__")

    def __init__(self):
        self.__hidden, self.shown = 1, 2

    def sum(self):
        return self.__hidden + self.shown

def slots_with_private_names(_):
    return Private().sum() == 3 and not hasattr(Private(), "__dict__")

def is_even(n):
    return n == 0 or is_odd(n - 1)

def is_odd(n):
    return n != 0 and is_even(n - 1)

def mutual_references(_):
    return is_even(4) and is_odd(3)

class Node:
    def __init__(self, name):
        self.name, self.kids, self.parent = name, [], None

ROOT, LEAF = Node("root"), Node("leaf")
ROOT.kids.append(LEAF)
LEAF.parent = ROOT
INDEX = {"root": ROOT, "leaf": LEAF}

def cycles_and_aliases(_):
    return INDEX["leaf"] is LEAF and ROOT.kids[0] is LEAF and LEAF.parent is ROOT

FIRST = [1, 2]
SECOND = FIRST
BOTH = {"first": FIRST}

def two_names_of_a_list(_):
    return FIRST is SECOND and BOTH["first"] is SECOND

class Doc:
    def __init__(self, text):
        self.text = text

    @functools.cached_property
    def size(self):
        return len(self.text)

    @property
    def first(self):
        return self.text[0]

    @staticmethod
    def static(x):
        return x + BASE

    @classmethod
    def make(cls):
        return cls("abc")

BASE = 10

def properties_and_static_methods(_):
    return Doc("abc").size == 3 and Doc.make().first == "a" and Doc.static(1) == 11

@functools.singledispatch
def show(x):
    return "?"

@show.register
def _(x: int):
    return "int"

@show.register
def show_node(x: Node):
    return x.name

def single_dispatch(_):
    return (show(1), show(""), show(LEAF)) == ("int", "?", "leaf")

VARIABLE = contextvars.ContextVar("VARIABLE", default=7)

def context_variable(_):
    return VARIABLE.get() == 7 and VARIABLE.name == "VARIABLE"

LOCAL = threading.local()

def thread_local(_):
    LOCAL.value = 1
    return LOCAL.value == 1

UserId = typing.NewType("UserId", int)
T = typing.TypeVar("T")

class Stack(typing.Generic[T]):
    def __init__(self):
        self.items: list[T] = []

class IntStack(Stack[int]):
    pass

def typing_constructs(_):
    return UserId(5) == 5 and IntStack().items == [] and issubclass(IntStack, Stack) and Stack.__parameters__ == (T,)

class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_int)]

def ctypes_structure(_):
    point = Point(1, 2)
    return point.x + point.y == 3 and ctypes.sizeof(Point) == 8

class Matrix(ctypes.Structure):
    _fields_ = [("cells", ctypes.c_double * 2 * 3), ("name", ctypes.c_char * 8)]

V3 = ctypes.c_double * 3
ROW_OF_POINTS = (Point * 2)((1, 2), (3, 4))

class Triple(ctypes.Array):
    _type_, _length_ = ctypes.c_int, 3

def ctypes_arrays(_):
    matrix = Matrix(name=b"a")
    matrix.cells[2][1] = 5
    return (
        (list(matrix.cells[2]), matrix.name, ctypes.sizeof(Matrix)) == ([0, 5], b"a", 56)
        and V3 is ctypes.c_double * 3 and list(V3(1, 2, 3)) == [1, 2, 3]
        and type(ROW_OF_POINTS) is Point * 2 and ROW_OF_POINTS[1].y == 4
        and list(Triple(1, 2)) == [1, 2, 0] and Triple is not ctypes.c_int * 3
    )

Comparison = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Point), ctypes.POINTER(Point))
Raw = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)

class Degrees(ctypes.c_double):
    def half(self):
        return self.value / 2

def ctypes_functions(_):
    back = Comparison(lambda a, b: a[0].x - b[0].x)
    return (
        Comparison is ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Point), ctypes.POINTER(Point))
        and back(Point(5, 0), Point(3, 0)) == 2 and Raw(lambda x: [x])(1) == [1] and Degrees(3).half() == 1.5
    )

class Link(ctypes.Structure):
    pass

Link._fields_ = [("value", ctypes.c_int), ("next", ctypes.POINTER(Link)), ("kids", ctypes.POINTER(Link) * 2)]
Link.pair = Link * 2

def ctypes_structure_with_pointers_to_itself(_):
    link = Link(7, ctypes.pointer(Link(8)))
    return (
        link.next[0].value == 8 and ctypes.sizeof(Link) == 32 and ctypes.sizeof(Link.pair) == 64
        and Link._fields_[1][1] is ctypes.POINTER(Link)
    )

class Owner(ctypes.Structure):
    pass

Meeting = ctypes.CFUNCTYPE(None, ctypes.POINTER(Owner))

class Owned(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("owner", ctypes.POINTER(Owner)), ("met", Meeting)]

class Pets(ctypes.Structure):
    _fields_ = [("all", Owned * 2)]

Owner._fields_ = [("first", ctypes.POINTER(Owned * 2)), ("pets", ctypes.POINTER(Pets)), ("own", Owned)]

def ctypes_structures_with_pointers_to_each_other(_):
    owner, pets = Owner(), Pets()
    pets.all[1].number, pets.all[1].owner = 5, ctypes.pointer(owner)
    owner.pets, owner.own.number = ctypes.pointer(pets), 6
    sizes = [ctypes.sizeof(kind) for kind in (Owner, Owned, Pets, Owned * 2)]
    return sizes == [40, 24, 48, 48] and owner.pets[0].all[1].owner[0].own.number == 6

class Bits(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint8, 3), ("high", ctypes.c_uint8, 5)]

class Word(ctypes.Union):
    _anonymous_ = ["bits"]
    _fields_ = [("bits", Bits), ("whole", ctypes.c_uint8)]

class Packed(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("a", ctypes.c_uint8), ("b", ctypes.c_uint32)]

class More(Packed):
    _fields_ = [("c", ctypes.c_uint16)]

class Header(ctypes.BigEndianStructure):
    _pack_ = 1
    _fields_ = [("kind", ctypes.c_uint16), ("sizes", ctypes.c_uint16 * 2)]

SWAPPED = ctypes.c_int.__ctype_be__

def ctypes_bits_packs_and_byte_orders(_):
    word, header = Word(whole=0b10101010), Header(1)
    header.sizes[1] = 2
    return (
        (word.low, word.high) == (0b010, 0b10101) and (ctypes.sizeof(Packed), ctypes.sizeof(More)) == (5, 7)
        and bytes(header) == bytes([0, 1, 0, 0, 0, 2]) and More(1, 2, 3).c == 3
        and SWAPPED is ctypes.c_int.__ctype_be__
    )

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Flag(enum.IntFlag):
    A = 1
    B = 2

FAVOURITE = Colour.RED

def enumerations(_):
    return FAVOURITE is Colour.RED and Flag.A | Flag.B == 3 and [c.name for c in Colour] == ["RED", "BLUE"]

Pair = collections.namedtuple("Pair", "a b")

class Typed(typing.NamedTuple):
    a: int
    b: int = 2

def named_tuples(_):
    return Pair(1, 2).b == 2 and Typed(1).b == 2 and isinstance(Typed(1), Typed)

class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

class Square(Shape):
    def area(self):
        return 4

def abstract_classes(_):
    try:
        Shape()
    except TypeError:
        return Square().area() == 4 and isinstance(Square(), Shape)

class Hashed:
    def __init__(self, key):
        self.key = key

    def __hash__(self):
        return hash(self.key) + SALT

    def __eq__(self, other):
        return self.key == other.key and SALT > 0

SALT = 3
SET = {Hashed(1), Hashed(2)}

def objects_whose_hash_needs_a_global(_):
    return Hashed(1) in SET and len(SET) == 2

def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

@logged
def decorated(x):
    return x + BASE

HANDLERS = {"decorated": decorated}

def decorated_functions_in_a_table(_):
    return HANDLERS["decorated"](1) == 11 and HANDLERS["decorated"] is decorated

class Checked:
    @classmethod
    def positive(cls, x):
        return cls.__name__, x > 0

    @classmethod
    @logged
    def rule(cls):
        return "rule of Checked", cls.__name__

    @staticmethod
    def even(x):
        return x % 2 == 0

    @property
    def three(self):
        return 3

class CheckedMore(Checked):
    @classmethod
    @logged
    def rule(cls):
        return "rule of CheckedMore", cls.__name__

class Options(collections.UserDict):
    pass

Checked.checks = [Checked.positive, Checked.even, Checked.three, Checked.rule]
CheckedMore.rules = [CheckedMore.positive, CheckedMore.rule, super(CheckedMore, CheckedMore).rule]
Options.makers = [Options.fromkeys, dict.fromkeys]

def class_methods_that_a_class_refers_to(_):
    positive, even, three, rule = Checked.checks
    return (
        (positive(2), rule()) == (("Checked", True), ("rule of Checked", "Checked"))
        and positive == Checked.positive and even is Checked.even and three is Checked.__dict__["three"]
    )

def class_methods_that_a_class_inherits(_):
    positive, own, inherited = CheckedMore.rules
    return (
        positive(0) == ("CheckedMore", False) and positive == CheckedMore.positive
        and (own(), inherited()) == (("rule of CheckedMore", "CheckedMore"), ("rule of Checked", "CheckedMore"))
        and type(Options.makers[0]("a")) is Options and Options.makers[0] == Options.fromkeys
        and Options.fromkeys.__func__ is collections.UserDict.fromkeys.__func__
    )

class Button:
    def __init__(self):
        self.clicked, self.clicks = self.click, []
        self.count = self.clicks.append

    def click(self):
        self.count(1)
        return self

BUTTON = Button()

def bound_methods_in_a_cycle(_):
    return BUTTON.clicked() is BUTTON and BUTTON.clicks[-1] == 1

class Outer:
    class Inner:
        def get(self):
            return Outer

def nested_classes(_):
    return Outer.Inner().get() is Outer

for _name in ("red", "blue"):
    globals()["make_" + _name] = functools.partial(str.upper, _name)

def dynamic_globals(_):
    return make_red() == "RED"

class Base:
    def hello(self):
        return "hello"

class Derived(Base):
    def hello(self):
        return super().hello() + "!"

def super_calls(_):
    return Derived().hello() == "hello!"

def argument_is_the_sentinel(x):
    return x is MISSING if type(x) is object else True

CHECKS = [
    sentinel_is_its_own_default, sentinel_of_a_class, registry_of_subclasses, metaclass_with_a_registry,
    dataclass_with_slots, slots_with_private_names, mutual_references, cycles_and_aliases, two_names_of_a_list,
    properties_and_static_methods, single_dispatch, context_variable, thread_local, typing_constructs,
    class_methods_that_a_class_refers_to, class_methods_that_a_class_inherits, bound_methods_in_a_cycle, ctypes_structure, ctypes_arrays, ctypes_functions,
    ctypes_structure_with_pointers_to_itself, ctypes_structures_with_pointers_to_each_other,
    ctypes_bits_packs_and_byte_orders, enumerations, named_tuples, abstract_classes, objects_whose_hash_needs_a_global,
    decorated_functions_in_a_table, nested_classes, dynamic_globals, super_calls, argument_is_the_sentinel,
]

def check(pool):
    wrong = []
    for test in CHECKS:
        try:
            if pool.map(test, [0, 0]) != [True, True]:
                wrong.append(test.__name__)
        except BaseException as error:
            wrong.append(f"{test.__name__}: {error!r}")
    # Results find their classes here.
    for back in (Row(5), Frozen(6), LEAF, Colour.RED, Pair(1, 2), Typed(1), Square(), UserId(3)):
        got = pool.apply(same, (back,))
        if type(got) is not type(back):
            wrong.append(f"{back} came back as {got}")
    print("\\n".join(wrong) or "all right", flush=True)

def same(x):
    return x
"""

#: What a program does with them: its arguments are the library and the start method.
MAIN = """
def main():
    import importlib, sys
    library, method = sys.argv[1:3]
    context = importlib.import_module(library).get_context(method)
    with context.Pool(1) as pool:
        check(pool)
"""

GUARDED = SOURCE + MAIN + '\nif __name__ == "__main__":\n    main()\n'
UNGUARDED = SOURCE + MAIN + "\nmain()\n"
