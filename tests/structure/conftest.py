"""Fixtures of the structure tests: the source files, and the imports in them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tfrec", "examples", "benchmarks")  # models, configs and serving are linked into tfrec


@dataclass(frozen=True)
class Import:
    """One imported module: who imports it, where in the file, and inside which function, if any."""

    module: str
    target: str
    line: int
    function: str | None

    def __str__(self) -> str:
        """What a failing test shows."""
        where = f" in {self.function}()" if self.function else ""
        return f"{self.module}, line {self.line}{where}: imports {self.target}"


class _Finder(ast.NodeVisitor):
    """Collects the imports that run, with the outermost function they are in; those for type checkers don't run."""

    def __init__(self, module: str, package: str, modules: set[str]) -> None:
        self.module, self.package, self.modules = module, package, modules
        self.function: str | None = None
        self.found: list[Import] = []

    def _add(self, target: str, node: ast.stmt) -> None:
        self.found.append(Import(self.module, target, node.lineno, self.function))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        source = node.module or ""
        if node.level:
            parents = self.package.split(".")
            source = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])])
        for alias in node.names:
            submodule = f"{source}.{alias.name}"
            self._add(submodule if submodule in self.modules else source, node)

    def visit_If(self, node: ast.If) -> None:
        for child in node.orelse if "TYPE_CHECKING" in ast.unparse(node.test) else [*node.body, *node.orelse]:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer, self.function = self.function, self.function or node.name
        self.generic_visit(node)
        self.function = outer

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 (ast looks methods up by the names of its nodes)


def find_imports(sources: dict[str, str], packages: set[str]) -> list[Import]:
    """The imports in ``{module: source}``; ``packages`` are those of the modules that are an ``__init__.py``."""
    found = []
    for module, source in sources.items():
        package = module if module in packages else module.rpartition(".")[0]
        finder = _Finder(module, package, set(sources))
        finder.visit(ast.parse(source))
        found += finder.found
    return found


def _source_files() -> Iterator[Path]:
    """Python files below FOLDERS, through the links; names relative to the root."""
    for folder in FOLDERS:
        waiting = [ROOT / folder] if (ROOT / folder).is_dir() else []
        while waiting:
            for path in sorted(waiting.pop().iterdir()):
                if path.is_dir():
                    waiting.append(path)
                elif path.suffix == ".py":
                    yield path.relative_to(ROOT)


@pytest.fixture(scope="session")
def files() -> dict[Path, str]:
    """The text of every source file of the library, the examples and the benchmarks."""
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in _source_files()}


@pytest.fixture(scope="session")
def imports(files: dict[Path, str]) -> list[Import]:
    """Every import in those files."""
    modules = {path: ".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}
    packages = {module for path, module in modules.items() if path.name == "__init__.py"}
    return find_imports({modules[path]: text for path, text in files.items()}, packages)


@pytest.fixture(scope="session")
def imports_of():
    """The function that finds imports, for a test of its own."""
    return find_imports
