"""The house as the tests see it: its files, its modules, and what a rule found where."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = "city_brain/wire/"

STREET = (
    "errors", "types", "numerics", "geo", "table", "snapshot", "canonical", "digest",
    "city", "observations", "ticks", "fusion", "incidents", "feeds", "pipeline", "runner", "distributed", "formats",
)  # fmt: skip
"""Modules and packages of city_brain that do no I/O and read no clock."""


@dataclass(frozen=True)
class Source:
    """A Python file: `name` is its path from the root of the repository."""

    name: str

    @cached_property
    def text(self) -> str:
        """All of the file."""
        return (ROOT / self.name).read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of the file."""
        return ast.parse(self.text, self.name)

    @property
    def in_street(self) -> bool:
        """Whether the file is bound to the laws of the street."""
        parts = Path(self.name).with_suffix("").parts
        return parts[0] == "city_brain" and len(parts) > 1 and parts[1] in STREET

    def at(self, node: ast.AST, what: str) -> str:
        """A finding as `file:line what`."""
        return f"{self.name}:{getattr(node, 'lineno', 1)} {what}"


@cache
def files() -> list[str]:
    """Every file that is or would be in git, by path; files that git ignores are not of the house."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - the git of whoever tests
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(name for name in set(told.stdout.split("\0")) if name and (ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Every file that is UTF-8 text, with its content."""
    for name in files():
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@cache
def sources() -> list[Source]:
    """Every Python file that a person wrote."""
    return [Source(name) for name in files() if name.endswith(".py") and not name.startswith(GENERATED)]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def report(found: list[str]) -> str:
    """What an assertion prints: one finding a line."""
    return "\n" + "\n".join(found)
