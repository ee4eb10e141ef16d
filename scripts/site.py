"""Makes the documentation site in target/docs: `scripts/build-docs` installs what this needs and runs it.

The pages are those of docs/, some other Markdown files of the repository (`PAGES`), and the reference of the Python
package, which is made from its docstrings. Links between them are written as GitHub shows them; here they become links
of the site. A link to any other file of the repository leads to a copy of that file.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from html_page import Page, style_loads
from reference import GROUPS, reference

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "target/docs"
STAGED = BUILD / "pages"
SITE = BUILD / "site"

#: Pages of the site that are not in docs/, by their places in the repository.
PAGES = {
    "README.md": "index.md",
    "bench/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security.md",
    "crates/pool/README.md": "pool-design.md",
    "crates/shm/SAFETY.md": "safety.md",
}
#: Pages with tables that programs write or that are indexes, whose rows are as long as they are.
LONG_TABLES = ("ARCHITECTURE.md", "bench/README.md", "docs/functions.md", "docs/recipe.md")
IMAGES = (".svg", ".png", ".js")
#: In docs/rust.md. With --rust there is a link in its place.
MAKES_RUST = "`scripts/build-docs --rust` makes it a part"
#: Introduction of llms.txt.
LLMS = """# manyhands

> Process pools that a dying worker cannot hang or break, arrays in shared memory, and exact cleaning of CSV files on all
> cores; a Python package, a command and a Rust crate, for Linux.

- Python: `from manyhands import Pool, ProcessPoolExecutor, Queue` has the names and semantics of `multiprocessing` and
  `concurrent.futures`. Change imports, and nothing else.
- `deadline=` (seconds) kills a task that runs longer; `timeout=` of `get` and `result` only stops waiting.
- A worker's death is `WorkerDied` of one task. Do not make a new pool.
- Arrays from `shared`, `zeros` and `empty` are worked on in place by all processes, and need no cleaning up.
- CSV: `manyhands.clean(inputs, output, Recipe().drop_empty_rows().filter("value <= 500"))`, or the command
  `manyhands clean data/ -o cleaned/ --filter "value <= 500"`. Steps run in the order written. Expressions are SQL.
"""
LINK = re.compile(r"(\]\()([^)\s]+)(\))")


def main(arguments):
    rust = "--rust" in arguments
    shutil.rmtree(BUILD, ignore_errors=True)
    problems = [*long_lines(), *stage(rust)]
    config = tomllib.loads((ROOT / "docs/zensical.toml").read_text())["project"]
    listed = set(re.findall(r"'([^']*\.md)'", repr(config["nav"])))
    pages = {str(path.relative_to(STAGED)) for path in STAGED.rglob("*.md")}
    problems += [f"docs/zensical.toml: {page} is not in the navigation" for page in sorted(pages - listed)]
    problems += [f"docs/zensical.toml: there is no page {page}" for page in sorted(listed - pages)]
    for place, page in ((ROOT / "llms.txt", repository_page), (STAGED / "llms.txt", site_page)):
        text = llms(config, page)
        if place.is_relative_to(STAGED) or "--llms" in arguments:
            place.write_text(text)
        elif place.read_text() != text:
            problems.append("llms.txt is old: run scripts/build-docs --llms")
    shutil.copy(ROOT / "docs/zensical.toml", BUILD)
    zensical = Path(sys.executable).parent / "zensical"
    built = subprocess.run([zensical, "build", "--clean"], cwd=BUILD, capture_output=True, text=True)
    if built.returncode:
        sys.exit(built.stdout + built.stderr)
    if rust:
        shutil.copytree(ROOT / "target/doc", SITE / "rust")
    problems += check(SITE)
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(pages)} pages: {SITE.relative_to(ROOT)}/index.html")


def stage(rust):
    """Puts all pages, and the files that they refer to, where the generator finds them; gives the dead links."""
    problems = []
    sources = [str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")]
    for source in sorted([*sources, *PAGES]):
        text = (ROOT / source).read_text()
        text = text.replace("```rust,ignore", "```rust")  # a word for rustdoc alone
        if source == "docs/rust.md":
            if MAKES_RUST not in text:
                problems.append(f"{source}: does not say {MAKES_RUST!r}, which --rust replaces by a link")
            if rust:
                text = text.replace(MAKES_RUST, "[here it is](rust/manyhands/index.html), a part")
        target = STAGED / staged(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(outside_code(text, lambda part, source=source: linked(part, source, problems)))
    shutil.copytree(ROOT / "docs/assets", STAGED / "assets")
    pages, incomplete = reference(ROOT)
    (STAGED / "reference").mkdir()
    for page, text in pages.items():
        (STAGED / page).write_text(text)
    problems += incomplete
    return problems


def staged(path):
    """Where a file of the repository is in the site's sources."""
    if path in PAGES:
        return PAGES[path]
    if path == "llms.txt":
        return path
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"files/{path}" + ("" if path.endswith(IMAGES) else ".txt")


def linked(text, source, problems):
    """The text of a page with its links as the site needs them."""

    def replace(match):
        address, _, fragment = match[2].partition("#")
        if urlsplit(address).scheme or not address:
            return match[0]
        path = os.path.normpath(os.path.join(os.path.dirname(source), unquote(address)))
        if not (ROOT / path).is_file():
            # A page that is only in the site, such as the Rust documentation.
            if path.startswith("docs/rust/"):
                return match[0]
            problems.append(f"{source}: there is no file {path}")
            return match[0]
        place = staged(path)
        if place.startswith("files/"):
            (STAGED / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, STAGED / place)
        relative = os.path.relpath(place, os.path.dirname(staged(source)) or ".")
        return match[1] + relative + ("#" + fragment if fragment else "") + match[3]

    return LINK.sub(replace, text)


def llms(config, page):
    """The index of the documentation for language models: the pages and what is on them; https://llmstxt.org."""

    def entries(nav):
        for entry in nav:
            for title, under in entry.items():
                if isinstance(under, list):
                    yield f"\n## {title}\n"
                    yield from entries(under)
                elif under.startswith("reference/"):
                    names = GROUPS[Path(under).stem][1].split()
                    yield f"- {linked_title(title, page(under))}: " + ", ".join(f"`{name}`" for name in names)
                elif under != "index.md":
                    yield f"- {linked_title(title, page(under))}" + headings(under)

    return LLMS + "\n".join(entries(config["nav"])) + "\n"


def linked_title(title, link):
    return f"[{title}]({link})" if link else title


def headings(page):
    """The headings of a page of docs/; other pages change too often."""
    if page in PAGES.values():
        return ""
    found = re.findall(r"^## (.*)$", (STAGED / page).read_text(), re.MULTILINE)
    return ": " + "; ".join(found) if found else ""


def site_page(page):
    return page.removesuffix(".md") + ".html"


def repository_page(page):
    """Where a page of the site is in the repository; None for what is made when the site is built."""
    for source, staged_as in PAGES.items():
        if staged_as == page:
            return source
    return f"docs/{page}" if (ROOT / "docs" / page).exists() else None


def long_lines():
    """Lines of the pages that are too long. Rows of `LONG_TABLES` cannot be broken."""
    for path in [*(ROOT / page for page in PAGES), *sorted((ROOT / "docs").rglob("*.md"))]:
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > 120 and not (name in LONG_TABLES and line.startswith("|")):
                yield f"{name}:{number}: more than 120 characters"


def outside_code(text, change):
    """Applies `change` to the parts of a page between its blocks of code."""
    parts = re.split(r"(^ *```.*?^ *```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def check(site):
    """Dead links of the site, and what its pages and styles load from the network."""
    problems = []
    pages = {path.resolve(): Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}
    for path in site.rglob("*.css"):
        for link in style_loads(path.read_text()):
            parts = urlsplit(link)
            if parts.scheme != "data" and (parts.scheme or parts.netloc):
                problems.append(f"{path.relative_to(site)}: loads {link} from the network")
    for path, page in pages.items():
        if path.is_relative_to(site / "rust"):
            continue
        name = path.relative_to(site)
        if page.raw:
            problems.append(f"{name}: a snippet is shown as text")
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    problems.append(f"{name}: loads {link} from the network")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                problems.append(f"{name}: dead link {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                problems.append(f"{name}: dead link {link}: no such heading")
    return problems


if __name__ == "__main__":
    main(sys.argv[1:])
