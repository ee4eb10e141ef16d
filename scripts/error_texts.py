"""Finds what would make errors text again: a library that names a flag, and code that edits an error's text."""

import re

from rust_imports import LITERAL, without_tests

#: A flag or a subcommand. A library's message has a `Hint`, whose settings each face writes in its own words.
FLAG = re.compile(r"(?<![\w-])--[a-z]|\bmanyhands (?:clean|bench|functions)\b")
#: Files where a literal may have one.
FLAGS = {"crates/pool/src/launch.rs": "the argument that tells a worker that it is one"}

ERROR = r"(?:\w*(?:error|problem|failure)|err|why|wrong)"
EDIT = r"\.(?:replacen?|(?:r?strip_|trim_)\w+|r?split\w*|starts_with|ends_with|contains|r?find|insert\w*|push\w*)\("
#: `error.to_string().replace(…)`, also over a name: `let text = error.to_string(); … text.replace(…)`.
EDITED = re.compile(rf"\b{ERROR}(?:\.(?:message|to_string|text|text_in_file)\b(?:\(\))?)+\s*{EDIT}")
NAMED = re.compile(rf"\blet (?:mut )?(\w+) = &?{ERROR}(?:\.(?:message|to_string|text|text_in_file)\b(?:\(\))?)+;")
GROWN = re.compile(r"\b(?:\w*error|\w*problem)\.message \+=")
PYTHON = re.compile(
    rf"\bstr\({ERROR}\)\s*\.(?:replace|r?split|r?partition|strip|remove\w+|startswith|endswith)\("
    rf"|\bre\.\w+\([^\n]*\b(?:message|str\({ERROR}\))|\bin str\({ERROR}\)"
)
#: Errors of others have no data for what is wanted. Their texts are read where they come in, once.
FOREIGN = {
    "crates/cli/src/lib.rs": "clap writes `error: ` itself, in its own colour",
    "crates/csv/src/expr/functions/regex.rs": "the regex crate's text has several lines",
    "crates/csv/src/frame.rs": "the regex crate's text has several lines",
    "crates/csv/src/steps/replace.rs": "the regex crate's text has several lines",
    "python/manyhands/_main.py": "CPython says by words alone that a dictionary has changed",
    "python/manyhands/engines/spark.py": "Spark has the class of an exception in its text only",
}


def texts(source):
    """The literals of Rust code, without those of comments.

    >>> list(texts("f(`a --b`) // `--c`".replace("`", chr(34))))
    ['a --b']
    >>> list(texts("b'`' `a --b`".replace("`", chr(34))))
    ['a --b']
    """
    for found in LITERAL.finditer(source):
        text = found[2] if found[2] is not None else found[3]
        if text is not None:
            yield text


def plain(found):
    """A literal without the braces that would be read as blocks; of a comment nothing is left.

    >>> print(LITERAL.sub(plain, "f(`{a}`, b'{') /* } */;".replace("`", chr(34))))
    f(" a ", b' ')        ;
    """
    return re.sub(r"[^\n]" if found[0].startswith(("//", "/*")) else r"[{};]", " ", found[0])


def edits(path, source):
    """The places of code that edits or searches an error's text.

    >>> list(edits("a.rs", "error.to_string().replace(1)"))
    ['error.to_string().replace(']
    >>> list(edits("a.rs", "let text = why.to_string(); g(); text.strip_prefix(1); other.find(2)"))
    ['text.strip_prefix(']
    >>> list(edits("a.py", "re.sub(1, 2, message)"))
    ['re.sub(1, 2, message']
    """
    if path.endswith(".py"):
        return (found[0] for found in PYTHON.finditer(source))
    found = [found[0] for pattern in (EDITED, GROWN) for found in pattern.finditer(source)]
    for name in NAMED.finditer(source):
        end = source.find("\nfn ", name.end())
        rest = source[name.end() : end if end > 0 else None]
        found += (edit[0] for edit in re.finditer(rf"\b{name[1]}{EDIT}", rest))
    return iter(found)


def wrong_texts(path, source, is_library):
    """Faults in the texts of a file's errors."""
    if path.endswith(".rs"):
        source, _ = without_tests(LITERAL.sub(plain, source))
    if is_library and path not in FLAGS:
        for text in texts(source):
            if found := FLAG.search(text):
                yield f"{path}: a library's text names `{found[0]}`; name the setting in a Hint: {text[:60]!r}"
    if path not in FOREIGN:
        for found in edits(path, source):
            yield f"{path}: an error's text is edited or searched: `{found}`; give the error what is missing as data"
