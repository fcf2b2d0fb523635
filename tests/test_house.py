"""The house stays in order: sizes, first sentences, determinism of the street, and words that do not belong here.

Each test names every place that breaks its rule, so that a failure reads as a list of what to repair.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.house import GENERATED, ROOT, Source, files, functions, report, sources, texts
from tests.street_laws import offences

LINES_PER_FILE = 400
LINES_PER_FUNCTION = 60
MODULES_PER_PACKAGE = 8
MODULES_AT_THE_ROOT = 12
"""city_brain/ itself holds the small common modules beside the packages, so it may hold more."""

ROOMS = {"city_brain", "streams", "models", "protos", "playback", "tests", "deploy"}
ALLOWED_TO_READ = {
    "city_brain/city/loading.py": "reads the map once, before the first row",
    "city_brain/incidents/incident_type.py": "reads the incident types once, before the first row",
}


def test_the_house_has_seven_rooms() -> None:
    """Everything is in one of the seven rooms or lies at the root; hidden folders hold settings of tools."""
    folders = {Path(name).parts[0] for name in files() if "/" in name}
    assert {folder for folder in folders if not folder.startswith(".")} <= ROOMS


def test_every_room_says_what_it_is() -> None:
    """A room that is not a package of ours opens with a README of at least one sentence."""
    rooms = ROOMS - {"city_brain", "tests"}
    silent = sorted(room for room in rooms if "." not in _text_or_nothing(ROOT / room / "README.md"))
    assert not silent, report(silent)


def _text_or_nothing(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def test_every_module_has_a_first_sentence() -> None:
    """A module opens with a docstring whose first paragraph ends as a sentence does."""
    found = []
    for source in sources():
        said = ast.get_docstring(source.tree)
        if said is None:
            found.append(f"{source.name} has no docstring")
        elif not said.split("\n\n")[0].rstrip().endswith((".", ":", "。")):
            found.append(f"{source.name} opens with something that is not a sentence")
    assert not found, report(found)


def test_every_public_name_is_documented() -> None:
    """Public classes, functions and methods of city_brain have docstrings."""
    found = []
    for source in sources():
        if source.name.startswith("city_brain/"):
            found += [source.at(node, f"{name} has no docstring") for node, name in _undocumented(source.tree)]
    assert not found, report(found)


def _undocumented(within: ast.Module | ast.ClassDef) -> list[tuple[ast.AST, str]]:
    found: list[tuple[ast.AST, str]] = []
    for node in within.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None and not _is_overload(node):
                found.append((node, node.name))
            if isinstance(node, ast.ClassDef):
                found += _undocumented(node)
    return found


def _is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id in ("overload", "override") for mark in node.decorator_list)


def test_files_are_short() -> None:
    """A file that a person wrote in Python has at most 400 lines."""
    lengths = {source.name: source.text.count("\n") for source in sources()}
    found = [f"{name} has {lines} lines" for name, lines in lengths.items() if lines > LINES_PER_FILE]
    assert not found, report(found)


def test_functions_are_short() -> None:
    """A function has at most 60 lines, signature and docstring included."""
    found = []
    for source in sources():
        for node in functions(source.tree):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LINES_PER_FUNCTION:
                found.append(source.at(node, f"{node.name} has {lines} lines"))
    assert not found, report(found)


def test_packages_are_small() -> None:
    """A package has at most eight modules; one that needs more has a package in it that wants a name."""
    modules = Counter(
        str(Path(source.name).parent)
        for source in sources()
        if source.name.startswith("city_brain/") and not source.name.endswith("__.py")
    )
    limits = {"city_brain": MODULES_AT_THE_ROOT}
    found = [
        f"{package} has {n} modules" for package, n in modules.items() if n > limits.get(package, MODULES_PER_PACKAGE)
    ]
    assert not found, report(found)


def test_imports_go_one_way() -> None:
    """The import contracts of pyproject.toml hold: one straight street, no I/O, neither clock nor chance in it."""
    linter = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run([linter, "--no-logo"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def test_the_street_depends_on_nothing_but_its_input() -> None:
    """No hash(), no order of a set, no unstable sort, no BLAS, and no reading or writing, in the street."""
    found = []
    for source in sources():
        if source.in_street:
            may_read = source.name in ALLOWED_TO_READ
            found += [source.at(node, why) for node, why in offences(source.tree) if not (may_read and "no I/O" in why)]
    assert not found, report(found)


@pytest.mark.parametrize(
    "code",
    [
        "x = hash('a')",
        "for x in {1, 2}: pass",
        "for x in set(a): pass",
        "y = [x for x in {k for k in a}]",
        "s = set(a)\nfor x in s: pass",
        "s = {1}\ns |= {2}\nfor x in s: pass",
        "KINDS = frozenset(a)\ndef f(): return [k for k in KINDS]",
        "def f(s: set[int]): return list(s)",
        "y = list(set(a) | b)",
        "y = ','.join({'a', 'b'})",
        "for x in a.keys() - b.keys(): pass",
        "y = enumerate(a.union(b)); z = tuple(frozenset(a))",
        "y = a @ b",
        "a @= b",
        "y = np.dot(a, b)",
        "y = a.dot(b)",
        "y = np.einsum('ij,j', a, b)",
        "y = np.argsort(a)",
        "y = a.argsort(kind='quicksort')",
        "y = np.argpartition(a, 3)",
        "open('a')",
        "print(1)",
        "Path('a').write_text('b')",
    ],
)
def test_an_offence_against_the_street_is_seen(code: str) -> None:
    """The laws of the street see each way to break them."""
    assert list(offences(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "y = sorted(set(a))",
        "y = sorted(a.keys() ^ b.keys())",
        "y = x in {1, 2}",
        "n = len(set(a)); m = max({1, 2})",
        "for x in sorted({1, 2}): pass",
        "for name in a.keys(): pass",
        "y = [x for x in a - b]",
        "y = np.argsort(a, kind='stable')",
        "@decorator\ndef f(): pass",
        "s = set(a)\ns = sorted(s)\nfor x in s: pass",
        "def f():\n    s = set(a)\ndef g(s):\n    return list(s)",
        "def f():\n    s = set(a)\ndef g():\n    n, s = 1, (1, 2)\n    return list(s)",
        "n = 0\nn -= 1\ny = list(range(n))",
    ],
)
def test_what_is_lawful_is_left_alone(code: str) -> None:
    """The laws of the street do not cry wolf."""
    assert not list(offences(ast.parse(code)))


def test_nothing_is_left_to_be_done_later() -> None:
    """No note promises work that is not there, and no body is a stub."""
    promise = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b|Not" + r"ImplementedError")
    found = [f"{name}:{line} {why}" for name, line, why in _lines_with(promise)]
    assert not found, report(found)


def test_nothing_of_ours_is_mocked() -> None:
    """Tests run the real thing: no mocks and no patched names; an environment variable may be set."""
    mocking = re.compile(r"unittest\.mo" + r"ck|\bMagicMo" + r"ck\b|\bmock" + r"er\b|monkeypatch\.setattr" + r"\(")
    found = [f"{name}:{line} {why}" for name, line, why in _lines_with(mocking) if name.endswith(".py")]
    assert not found, report(found)


MACHINE_OR_REGISTRY = re.compile(
    r"(?<![\w.-])/(?:work|root|home)/|/tmp/(?:bash|pytest)"
    r"|\b(?:pypi|pythonhosted|npmjs|crates|golang|debian|maven)\.(?:org|com|io)\b|index-url[= ]+http"
)


def test_no_text_depends_on_one_machine_or_registry() -> None:
    """No tracked text names a folder of somebody's machine or the host of a package registry."""
    found = [f"{name}:{line} {why}" for name, line, why in _lines_with(MACHINE_OR_REGISTRY)]
    assert not found, report(found)


@pytest.mark.parametrize(
    "words", [("", "work", "x"), ("see ", "home", "me"), ("", "tmp", "bash.1"), ("files.python", "org")]
)
def test_a_machine_or_registry_is_seen(words: tuple[str, ...]) -> None:
    """The rule above sees a folder of a machine and the host of a registry."""
    text = "/".join(words) if len(words) > 2 else "hosted.".join(words)
    assert MACHINE_OR_REGISTRY.search(text)


def _lines_with(pattern: re.Pattern[str]) -> list[tuple[str, int, str]]:
    found = []
    for name, text in texts():
        if name != "LICENSE" and not name.startswith(GENERATED) and pattern.search(text):
            lines = enumerate(text.splitlines(), start=1)
            found += [(name, number, line.strip()[:100]) for number, line in lines if pattern.search(line)]
    return found


def test_every_test_asserts() -> None:
    """A test function asserts, expects an error, or calls what checks; else it only proves that code runs."""
    found = [source.at(node, f"{node.name} asserts nothing") for source, node in _tests() if not _asserts(node)]
    assert not found, report(found)


def test_every_test_says_what_must_hold() -> None:
    """A test has a docstring, or a name of at least four words: somebody must know what broke without reading it."""
    found = [
        source.at(node, f"{node.name} does not say what must hold")
        for source, node in _tests()
        if ast.get_docstring(node) is None and node.name.count("_") < 4
    ]
    assert not found, report(found)


def _tests() -> list[tuple[Source, ast.FunctionDef | ast.AsyncFunctionDef]]:
    found = []
    for source in sources():
        if source.name.startswith("tests/") and Path(source.name).name.startswith("test_"):
            found += [(source, node) for node in functions(source.tree) if node.name.startswith("test_")]
    return found


def _asserts(node: ast.AST) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert):
            return True
        if isinstance(inner, ast.Call):
            called = inner.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in ("raises", "fail") or any(word in name for word in ("assert", "check", "verify")):
                return True
    return False


def test_every_public_name_is_used() -> None:
    """A public function, class or constant of city_brain that no other line of the house names is dead."""
    words: Counter[str] = Counter()
    for name, text in texts():
        if name.endswith((".py", ".toml", ".yaml")) and not name.startswith(GENERATED):
            words.update(re.findall(r"\w+", text))
    found = []
    for source in sources():
        if source.name.startswith("city_brain/"):
            public = [(node, name) for node, name in _defined(source.tree) if not name.startswith("_")]
            found += [source.at(node, f"{name} is never used") for node, name in public if words[name] < 2]
    assert not found, report(found)


def _defined(tree: ast.Module) -> list[tuple[ast.AST, str]]:
    found: list[tuple[ast.AST, str]] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found += [(inner, inner.name) for inner in node.body if isinstance(inner, ast.FunctionDef)]
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((node, node.name))
        elif isinstance(node, ast.Assign):
            found += [(node, target.id) for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append((node, node.target.id))
    return found
