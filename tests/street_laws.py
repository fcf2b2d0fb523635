"""What the street may not do, found in syntax trees: what makes a result depend on machine, process or world.

The linter and the import contracts ban names; here is what they cannot see: `hash`, orders of sets, unstable sorts,
matrix products, and reading or writing.
"""

import ast
from collections import Counter
from collections.abc import Iterator

_SET_MAKERS = {"set", "frozenset"}
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub)
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
_ORDER_TAKERS = {"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "reversed", "next", "dict"}
_BLAS = {"dot", "vdot", "inner", "matmul", "einsum", "tensordot"}
_DOORS = {"open", "print", "input"}
_FILE_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "open"}


def offences(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Each place that breaks a law of the street, with the reason."""
    yield from _in_scope(tree, set())


def _in_scope(scope: ast.AST, outer: set[str]) -> Iterator[tuple[ast.AST, str]]:
    nodes, inner = _split(scope)
    sets = _names_of_sets(nodes, outer)
    for function in inner:
        yield from _in_scope(function, sets)
    for node in nodes:
        if isinstance(node, ast.Call):
            yield from _in_call(node, sets)
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield node, "`@`: BLAS adds in an order of its own; write the sum out"
        elif isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter, sets):
            yield node.iter, "iterates over a set: its order changes from process to process; sort it"


def _in_call(call: ast.Call, sets: set[str]) -> Iterator[tuple[ast.AST, str]]:
    function = call.func
    if isinstance(function, ast.Name):
        if function.id == "hash":
            yield call, "hash(): differs from process to process; use numerics.hash63"
        if function.id in _DOORS:
            yield call, f"{function.id}(): the street does no I/O"
        if function.id in _ORDER_TAKERS and any(_is_set(argument, sets) for argument in call.args):
            yield call, f"{function.id}() of a set: its order changes from process to process; sort it"
    if isinstance(function, ast.Attribute):
        if function.attr in _BLAS:
            yield call, f".{function.attr}(): BLAS adds in an order of its own; write the sum out"
        if function.attr in _FILE_METHODS:
            yield call, f".{function.attr}(): the street does no I/O"
        if function.attr == "argpartition":
            yield call, ".argpartition(): breaks ties by processor; use a stable argsort"
        if function.attr == "argsort" and not _is_stable(call):
            yield call, '.argsort(): breaks ties by processor; say kind="stable"'
        if function.attr == "join" and any(_is_set(argument, sets) for argument in call.args):
            yield call, ".join() of a set: its order changes from process to process; sort it"


def _is_stable(call: ast.Call) -> bool:
    return any(
        word.arg == "kind" and isinstance(word.value, ast.Constant) and word.value.value in ("stable", "mergesort")
        for word in call.keywords
    )


def _is_set(node: ast.AST, sets: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in sets
    if isinstance(node, ast.BinOp) and isinstance(node.op, _SET_OPERATORS):
        return any(_is_set(side, sets) or _is_keys(side) for side in (node.left, node.right))
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Name):
            return function.id in _SET_MAKERS
        return isinstance(function, ast.Attribute) and function.attr in _SET_METHODS
    return False


def _is_keys(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def _split(scope: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """The nodes of a scope without those of the functions in it, and these functions."""
    nodes: list[ast.AST] = []
    functions: list[ast.AST] = []
    ahead = list(ast.iter_child_nodes(scope))
    while ahead:
        node = ahead.pop()
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        (functions if is_function else nodes).append(node)
        ahead += [] if is_function else ast.iter_child_nodes(node)
    return nodes, functions


def _names_of_sets(nodes: list[ast.AST], outer: set[str]) -> set[str]:
    """Names that are only ever given sets; a name that is also given something else has the benefit of the doubt."""
    given: Counter[str] = Counter()
    given_sets: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given[node.id] += 1
        elif isinstance(node, ast.arg):
            given[node.arg] += 1
            given_sets[node.arg] += _says_set(node.annotation)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    given_sets[target.id] += _is_set(node.value, outer)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            given_sets[node.target.id] += isinstance(node.op, _SET_OPERATORS)
    here = {name for name, times in given.items() if given_sets[name] == times}
    return here | {name for name in outer if name not in given}


def _says_set(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation).split("[")[0] in ("set", "frozenset", "AbstractSet")
