"""The protos are what is generated from them, and say of every name what it means and in which unit."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import Message

from tests.house import GENERATED, ROOT, files, report

PROTOS = [name.removeprefix("protos/") for name in files() if name.startswith("protos/") and name.endswith(".proto")]
UNITS = ("no unit", "metre", "degree", "second", "byte", "0 to 1", "log-odds", "number", "count", "crc-32", "figure")
"""Words of which the comment of a quantity holds one; a checksum has none, and the unit of a figure is in its name."""
SPOKEN_UNITS = {"_ms": "millisecond", "_s": "second", "_m": "metre", "_mps": "metres per second", "_deg": "degrees"}
"""Words that the comment of a name with this ending holds, also where its numbers travel as bytes."""
COUNTED = re.compile(
    r"^(?:\w+ )?(?:pieces of |matching )?(?:changes|incidents|revisions|rows|sources|areas)\b", re.IGNORECASE
)
"""A comment that opens with what is counted says its unit by that."""
NUMERIC = {
    kind
    for name, kind in FieldDescriptorProto.Type.items()
    if name.removeprefix("TYPE_") not in ("BOOL", "STRING", "BYTES", "GROUP", "MESSAGE", "ENUM")
}


@dataclass(frozen=True)
class Named:
    """A name in a proto: its place, its comment in one line, and the field where it is one."""

    at: str
    comment: str
    field: FieldDescriptorProto | None = None


def _protoc(*words: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "protos", *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[Named]:
    """Every name in every proto, in the order of the files."""
    image = tmp_path_factory.mktemp("protos") / "protos.binpb"
    _protoc("--include_source_info", f"--descriptor_set_out={image}", *PROTOS)
    found = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    return [named for file in found.file for named in _names(file)]


def _names(file: descriptor_pb2.FileDescriptorProto) -> Iterator[Named]:
    said = {tuple(place.path): " ".join(place.leading_comments.split()) for place in file.source_code_info.location}
    for path, at, field in _placed(file, (), file.package):
        yield Named(at, said.get(path, ""), field)


def _placed(
    within: Message, path: tuple[int, ...], at: str
) -> Iterator[tuple[tuple[int, ...], str, FieldDescriptorProto | None]]:
    """Everything that has a name inside a file, message, enum or service, with its path in the source info."""
    if isinstance(within, descriptor_pb2.DescriptorProto) and within.options.map_entry:
        return
    if path:
        yield path, at, within if isinstance(within, FieldDescriptorProto) else None
    for kind in ("message_type", "enum_type", "service", "nested_type", "field", "oneof_decl", "value", "method"):
        descriptor = within.DESCRIPTOR.fields_by_name.get(kind)
        if descriptor is None or descriptor.message_type is None or isinstance(within, FieldDescriptorProto):
            continue
        for index, inner in enumerate(getattr(within, kind)):
            if not inner.name.startswith("_"):  # that of an optional field
                yield from _placed(inner, (*path, descriptor.number, index), f"{at}.{inner.name}")


def test_the_python_is_what_the_protos_generate(tmp_path: Path) -> None:
    """The files under city_brain/wire are byte for byte what `make protos` writes, and there is none besides."""
    _protoc(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", *PROTOS)
    with_calls = [name for name in PROTOS if re.search("^service ", (ROOT / "protos" / name).read_text("utf-8"), re.M)]
    _protoc(f"--grpc_python_out={tmp_path}", *with_calls)
    made = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.py*")}
    kept = {name for name in files() if name.startswith(GENERATED) and not name.endswith("__init__.py")}
    found = [f"{name} is generated from no proto" for name in sorted(kept - set(made))]
    found += [f"{name} is not what `make protos` writes" for name, text in sorted(made.items()) if _kept(name) != text]
    assert not found, report(found)


def _kept(name: str) -> bytes:
    path = ROOT / name
    return path.read_bytes() if path.is_file() else b""


def test_every_name_of_the_protos_has_a_comment(names: list[Named]) -> None:
    """Messages, fields, enums, their values, services and calls: each says in a sentence what it is."""
    found = [f"{one.at} says nothing" for one in names if not one.comment.endswith((".", "…", ")"))]
    assert not found, report(found)


def test_every_quantity_of_the_protos_says_its_unit(names: list[Named]) -> None:
    """A field with numbers says what they count or measure, or that they have no unit."""
    fields = [(one, one.field) for one in names if one.field is not None]
    found = [f"{one.at} says no unit: {one.comment}" for one, field in fields if not _says_unit(one.comment, field)]
    assert not found, report(found)


def _says_unit(comment: str, field: FieldDescriptorProto) -> bool:
    said = comment.lower()
    spoken = [unit for ending, unit in SPOKEN_UNITS.items() if field.name.endswith(ending)]
    if not all(unit in said for unit in spoken):
        return False
    return field.type not in NUMERIC or any(unit in said for unit in UNITS) or bool(COUNTED.match(comment))


@pytest.mark.parametrize(
    ("name", "comment", "says"),
    [
        ("radius", "How far it reaches.", False),
        ("radius", "How far it reaches, metres.", True),
        ("radius_m", "How far it reaches. No unit.", False),
        ("waiting", "Changes that match and are not acknowledged.", True),
        ("size", "How large it is.", False),
    ],
)
def test_a_quantity_without_its_unit_is_seen(name: str, comment: str, says: bool) -> None:
    """The rule above sees a number that nobody can read."""
    assert _says_unit(comment, FieldDescriptorProto(name=name, type=FieldDescriptorProto.TYPE_DOUBLE)) is says
