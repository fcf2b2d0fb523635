"""What is generated is what `protos/` says, and `protos/` explains itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import ROOT, report

PROTOS = sorted((ROOT / "protos").rglob("*.proto"))
FIELD = re.compile(r"^\s*(?:(?:repeated|optional)\s+)?[\w.<>, ]+\s+\w+\s*=\s*\d+\s*;")
OPENING = re.compile(r"^\s*(?:message|enum|service|rpc|oneof)\s+\w+")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything generated anew, as `make protos` does it."""
    out = tmp_path_factory.mktemp("generated")
    names = [str(path.relative_to(ROOT)) for path in PROTOS]
    services = [name for name in names if re.search(r"^service ", (ROOT / name).read_text("utf-8"), re.MULTILINE)]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-I", "protos"]
    subprocess.run([*protoc, f"--python_out={out}", f"--pyi_out={out}", *names], cwd=ROOT, check=True)
    subprocess.run([*protoc, f"--grpc_python_out={out}", *services], cwd=ROOT, check=True)
    return out


def test_generated_code_is_up_to_date(generated: Path) -> None:
    """The committed code is byte for byte what the messages generate; `make protos` repairs it."""
    anew = {str(path.relative_to(generated)): path.read_text("utf-8") for path in generated.rglob("*_pb2*.py*")}
    found = [path for path in (ROOT / "city_brain/wire").rglob("*_pb2*.py*") if path.suffix in (".py", ".pyi")]
    committed = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in found}
    differing = sorted(name for name in anew.keys() | committed.keys() if anew.get(name) != committed.get(name))
    assert not differing, report(differing)


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_every_name_of_a_proto_is_documented(path: Path) -> None:
    """A comment stands before every message, enum, service and call, and before every field or its group of fields."""
    found = []
    commented = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        is_comment = line.lstrip().startswith("//")
        opens = OPENING.match(line) is not None
        if (opens or FIELD.match(line)) and not is_comment and not commented and not line.startswith("syntax"):
            found.append(f"{path.name}:{number} {line.strip()}")
        commented = is_comment or (commented and bool(line.strip()) and not opens)
    assert not found, report(found)


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_folder_and_package_agree(path: Path) -> None:
    """protos/city_brain/wire/<part>/v1 holds package citybrain.<part>.v1."""
    part, version = path.relative_to(ROOT / "protos/city_brain/wire").parts[:2]
    assert f"package citybrain.{part}.{version};" in path.read_text("utf-8").splitlines()
