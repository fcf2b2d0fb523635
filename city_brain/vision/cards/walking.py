"""The static walk: what an ONNX file is made of, looked through before any runtime sees it.

Refused are tensors that lie in other files (by whatever path: no path is ever followed), operators of foreign domains
or unknown to the opset, functions and training graphs, which may hide both, more nodes, subgraphs or rounds of a loop
than a detector needs, and tensors whose dims are not those of their bytes.
"""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import msgspec

from city_brain.errors import ModelError
from city_brain.wording.nearest import nearest

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

Message = TypeVar("Message")

DOMAINS: Final = ("", "ai.onnx")
OPSETS: Final = (7, 23)
"""From the first that ONNX Runtime still promises to run, to the newest that detectors are exported in."""
MOST_NODES: Final = 20_000
"""Of all graphs together; large detectors have some 2,000."""
MOST_DEPTH: Final = 4
"""Of graphs in graphs."""
MOST_ROUNDS: Final = 10_000
"""Of nested loops, multiplied."""
MOST_RANK: Final = 8
MOST_ELEMENTS: Final = 2**28
"""Of one tensor, a sparse one written out: 1 GiB of float32, which is what the trial run may take in all."""

_ITEM_BITS: Final = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4,
}  # fmt: skip
"""Bits of an element in `raw_data`, by number of its type; strings have none, and no detector has strings."""
_FIELDS: Final = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """What the walk counted."""

    opset: int
    nodes: int
    tensors: int
    tensor_bytes: int


def parse(data: bytes, place: str) -> "ModelProto":
    """The protocol buffer, of which nothing is believed yet; raises ModelError where it is none."""
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError, ValueError) as wrong:
        raise ModelError(f"{place}: wanted a model in ONNX, got bytes that are none: {wrong}") from wrong
    return model


def walk(model: "ModelProto", place: str) -> Walked:
    """Looks through a whole model; raises ModelError at the first thing that must not be there."""
    if not model.HasField("graph") or not model.graph.node:
        raise ModelError(f"{place}: wanted a graph with nodes, got none")
    if model.functions:
        names = f"{model.functions[0].domain}.{model.functions[0].name}"
        raise ModelError(f"{place}: functions: wanted operators of ONNX only, got the function {_shown(names)}")
    if model.training_info:
        raise ModelError(f"{place}: training_info: wanted a network that only answers, got graphs that train it")
    walker = _Walker(place, _opset(model, place))
    walker.graph(model.graph, (), 1, {})
    return Walked(opset=walker.opset, nodes=walker.nodes, tensors=walker.tensors, tensor_bytes=walker.tensor_bytes)


def _opset(model: "ModelProto", place: str) -> int:
    versions = []
    for said in model.opset_import:
        if said.domain not in DOMAINS:
            raise ModelError(f"{place}: opset_import: wanted the domain ai.onnx only, got {_shown(said.domain)}")
        versions.append(said.version)
    first, last = OPSETS
    if len(versions) != 1 or not first <= versions[0] <= last:
        raise ModelError(f"{place}: opset_import: wanted one opset of {first} to {last}, got {versions[:8]}")
    return versions[0]


class _Walker:
    """Counts on its way through graphs in graphs, and refuses."""

    def __init__(self, place: str, opset: int) -> None:
        self.place, self.opset = place, opset
        self.nodes = self.tensors = self.tensor_bytes = 0

    def graph(self, graph: "GraphProto", trail: tuple[str, ...], rounds: int, known: dict[str, int]) -> None:
        """One graph and all in it; `known` are the counts of loops that constants of outer graphs give."""
        if len(trail) > MOST_DEPTH:
            self._refuse(trail, f"at most {MOST_DEPTH} graphs in one another", f"{len(trail)}")
        self.nodes += len(graph.node)
        if self.nodes > MOST_NODES:
            self._refuse(trail, f"at most {MOST_NODES} nodes", f"{self.nodes}")
        for tensor in graph.initializer:
            self._tensor(tensor, (*trail, f"initializer {_shown(tensor.name)}"))
        for sparse in graph.sparse_initializer:
            self._sparse(sparse, (*trail, f"sparse initializer {_shown(sparse.values.name)}"))
        known = known | dict(_counts(graph))
        for node in graph.node:
            at = (*trail, f"node {_shown(node.name or node.op_type)}")
            self._operator(node, at)
            within = rounds * self._rounds(node, at, known) if node.op_type == "Loop" else rounds
            if within > MOST_ROUNDS:
                self._refuse(at, f"at most {MOST_ROUNDS} rounds of nested loops", f"{within}")
            for attribute in node.attribute:
                self._attribute(attribute, at, within, known)

    def _operator(self, node: "NodeProto", at: tuple[str, ...]) -> None:
        from onnx import defs

        if node.domain not in DOMAINS:
            self._refuse(at, "an operator of the domain ai.onnx", f"{_shown(node.op_type)} of {_shown(node.domain)}")
        if not isinstance(node.op_type, str):  # a protocol buffer gives what is not UTF-8 as bytes
            self._refuse(at, "the name of an operator", _shown(node.op_type))
        if node.overload:
            self._refuse(at, "an operator without an overload", _shown(node.overload))
        if not defs.has(node.op_type, max_inclusive_version=self.opset, domain=""):
            known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
            hint = nearest(node.op_type[:50], known)
            self._refuse(at, f"an operator of opset {self.opset}", f"{_shown(node.op_type)}{hint}")

    def _rounds(self, node: "NodeProto", at: tuple[str, ...], known: dict[str, int]) -> int:
        """How often a Loop goes round: a constant must say so, since a condition alone may never be false."""
        name = node.input[0] if node.input else ""
        if name not in known:
            self._refuse(at, "a count of rounds that is a constant of the graph", f"{_shown(name)}, which is none")
        if not 0 <= known[name] <= MOST_ROUNDS:
            self._refuse(at, f"at most {MOST_ROUNDS} rounds", f"{known[name]}")
        return max(known[name], 1)

    def _attribute(
        self, attribute: "AttributeProto", trail: tuple[str, ...], rounds: int, known: dict[str, int]
    ) -> None:
        at = (*trail, f"attribute {_shown(attribute.name)}")
        if attribute.ref_attr_name:
            self._refuse(at, "a value", "a reference to an attribute of a function")
        for tensor in _said(attribute, "t", attribute.tensors):
            self._tensor(tensor, at)
        for sparse in _said(attribute, "sparse_tensor", attribute.sparse_tensors):
            self._sparse(sparse, at)
        for graph in _said(attribute, "g", attribute.graphs):
            self.graph(graph, at, rounds, known)

    def _tensor(self, tensor: "TensorProto", at: tuple[str, ...]) -> None:
        if tensor.external_data or tensor.data_location != 0:
            told = {entry.key: entry.value for entry in tensor.external_data}
            self._refuse(at, "data in this file", f"data in another one: {_shown(told.get('location', 'not named'))}")
        elements = self._elements(tensor.dims, at)
        if tensor.data_type not in _ITEM_BITS:
            self._refuse(at, "numbers", f"elements of type {tensor.data_type}")
        if tensor.HasField("segment"):
            self._refuse(at, "a whole tensor", "a segment of one")
        bits = _ITEM_BITS[tensor.data_type]
        wanted = -(-elements * bits // 8)
        fields = [len(getattr(tensor, field)) for field in _FIELDS]
        if tensor.HasField("raw_data"):
            if len(tensor.raw_data) != wanted or any(fields):
                got = f"{len(tensor.raw_data)} bytes and {sum(fields)} numbers"
                self._refuse(at, f"{wanted} bytes for dims {list(tensor.dims)}", got)
        else:
            each = 2 if tensor.data_type in (14, 15) else 1  # complex numbers: two entries
            entries = -(-elements * bits // 8) if bits < 8 else elements * each
            if sum(fields) != entries or max(fields) != entries:
                self._refuse(at, f"{entries} numbers for dims {list(tensor.dims)}", f"{sum(fields)}")
        if tensor.string_data:
            self._refuse(at, "numbers", "texts")
        self.tensors += 1
        self.tensor_bytes += wanted

    def _sparse(self, sparse: "SparseTensorProto", at: tuple[str, ...]) -> None:
        self._tensor(sparse.values, (*at, "values"))
        self._tensor(sparse.indices, (*at, "indices"))
        self._elements(sparse.dims, at)

    def _elements(self, dims: Iterable[int], at: tuple[str, ...]) -> int:
        sizes = list(dims)
        if len(sizes) > MOST_RANK:
            self._refuse(at, f"at most {MOST_RANK} dims", f"{len(sizes)}")
        if any(size < 0 for size in sizes) or math.prod(sizes) > MOST_ELEMENTS:
            self._refuse(at, f"dims of at most {MOST_ELEMENTS} elements", f"{sizes}")
        return math.prod(sizes)

    def _refuse(self, at: tuple[str, ...], wanted: str, got: str) -> NoReturn:
        raise ModelError(f"{': '.join((self.place, *at))}: wanted {wanted}, got {got}")


def _said(attribute: "AttributeProto", field: str, several: Iterable[Message]) -> Iterator[Message]:
    """What an attribute holds in `field`, whatever type it claims to be of, and what it holds of the same in a list."""
    if attribute.HasField(field):
        yield getattr(attribute, field)
    yield from several


def _counts(graph: "GraphProto") -> Iterator[tuple[str, int]]:
    """Names of single int64 that are constants of a graph, as counts of loops are."""
    fed = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor.name not in fed and (count := _count(tensor)) is not None:
            yield tensor.name, count
    for node in graph.node:
        if node.op_type == "Constant" and node.output and len(node.attribute) == 1:
            attribute = node.attribute[0]
            if attribute.name == "value_int":
                yield node.output[0], attribute.i
            elif attribute.name == "value" and (count := _count(attribute.t)) is not None:
                yield node.output[0], count


def _count(tensor: "TensorProto") -> int | None:
    if tensor.data_type != 7 or math.prod(tensor.dims) != 1:
        return None
    if len(tensor.raw_data) == 8:
        return int.from_bytes(tensor.raw_data, "little", signed=True)
    return tensor.int64_data[0] if len(tensor.int64_data) == 1 else None


def _shown(text: str | bytes) -> str:
    """A name from the file, cut to what a message can bear."""
    return repr(text) if len(text) <= 80 else f"{text[:77]!r}..."
