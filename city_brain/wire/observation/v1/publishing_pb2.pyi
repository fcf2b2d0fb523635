from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublishRequest(_message.Message):
    __slots__ = ("number", "envelope", "lines")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    number: int
    envelope: bytes
    lines: bytes
    def __init__(self, number: _Optional[int] = ..., envelope: _Optional[bytes] = ..., lines: _Optional[bytes] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("number", "accepted", "duplicate", "refused", "refusals")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    number: int
    accepted: int
    duplicate: int
    refused: int
    refusals: _containers.RepeatedCompositeFieldContainer[Refusal]
    def __init__(self, number: _Optional[int] = ..., accepted: _Optional[int] = ..., duplicate: _Optional[int] = ..., refused: _Optional[int] = ..., refusals: _Optional[_Iterable[_Union[Refusal, _Mapping]]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("row", "field", "wanted", "got")
    ROW_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    GOT_FIELD_NUMBER: _ClassVar[int]
    row: int
    field: str
    wanted: str
    got: str
    def __init__(self, row: _Optional[int] = ..., field: _Optional[str] = ..., wanted: _Optional[str] = ..., got: _Optional[str] = ...) -> None: ...
