"""What the street may not do, found in syntax trees: what makes a result depend on machine, process or world.

The linter and the import contracts ban names; here is what they cannot see: `hash`, orders of sets, unstable sorts,
matrix products, and reading or writing.
"""

import ast
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
    sets = _names_of_sets(tree)
    for node in ast.walk(tree):
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


def _names_of_sets(tree: ast.AST) -> set[str]:
    """Names that are only ever given sets; a name that is also given something else has the benefit of the doubt."""
    given: dict[str, list[bool]] = {}
    for node in ast.walk(tree):
        for target in _targets(node):
            if isinstance(target, ast.Name):
                value = getattr(node, "value", None)
                given.setdefault(target.id, []).append(value is not None and _is_set(value, set()))
    return {name for name, were_sets in given.items() if all(were_sets)}


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.For | ast.comprehension) else []
