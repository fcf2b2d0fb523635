import datetime

from city_brain.wire.feed.v1 import feed_pb2 as _feed_pb2
from city_brain.wire.incident.v1 import incident_pb2 as _incident_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InstructionProgress(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSTRUCTION_PROGRESS_UNSPECIFIED: _ClassVar[InstructionProgress]
    INSTRUCTION_PROGRESS_WAITING: _ClassVar[InstructionProgress]
    INSTRUCTION_PROGRESS_SENT: _ClassVar[InstructionProgress]
    INSTRUCTION_PROGRESS_RECEIVED: _ClassVar[InstructionProgress]
    INSTRUCTION_PROGRESS_DONE: _ClassVar[InstructionProgress]
    INSTRUCTION_PROGRESS_REFUSED: _ClassVar[InstructionProgress]
    INSTRUCTION_PROGRESS_EXPIRED: _ClassVar[InstructionProgress]
INSTRUCTION_PROGRESS_UNSPECIFIED: InstructionProgress
INSTRUCTION_PROGRESS_WAITING: InstructionProgress
INSTRUCTION_PROGRESS_SENT: InstructionProgress
INSTRUCTION_PROGRESS_RECEIVED: InstructionProgress
INSTRUCTION_PROGRESS_DONE: InstructionProgress
INSTRUCTION_PROGRESS_REFUSED: InstructionProgress
INSTRUCTION_PROGRESS_EXPIRED: InstructionProgress

class CityMessage(_message.Message):
    __slots__ = ("hello", "changes", "status", "answer")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    changes: Changes
    status: CityStatus
    answer: Answer
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., changes: _Optional[_Union[Changes, _Mapping]] = ..., status: _Optional[_Union[CityStatus, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("city_code", "name", "feed_id", "first_change_number", "last_change_number")
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    city_code: str
    name: str
    feed_id: str
    first_change_number: int
    last_change_number: int
    def __init__(self, city_code: _Optional[str] = ..., name: _Optional[str] = ..., feed_id: _Optional[str] = ..., first_change_number: _Optional[int] = ..., last_change_number: _Optional[int] = ...) -> None: ...

class Changes(_message.Message):
    __slots__ = ("first_change_number", "lines", "log_times")
    FIRST_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    LOG_TIMES_FIELD_NUMBER: _ClassVar[int]
    first_change_number: int
    lines: _containers.RepeatedScalarFieldContainer[bytes]
    log_times: _containers.RepeatedCompositeFieldContainer[_timestamp_pb2.Timestamp]
    def __init__(self, first_change_number: _Optional[int] = ..., lines: _Optional[_Iterable[bytes]] = ..., log_times: _Optional[_Iterable[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]]] = ...) -> None: ...

class CityStatus(_message.Message):
    __slots__ = ("log_time", "last_change_number", "compared_change_number", "digest")
    LOG_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    COMPARED_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    log_time: _timestamp_pb2.Timestamp
    last_change_number: int
    compared_change_number: int
    digest: bytes
    def __init__(self, log_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_change_number: _Optional[int] = ..., compared_change_number: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("instruction_id", "progress", "text", "time", "count", "lines")
    INSTRUCTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    instruction_id: str
    progress: InstructionProgress
    text: str
    time: _timestamp_pb2.Timestamp
    count: int
    lines: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, instruction_id: _Optional[str] = ..., progress: _Optional[_Union[InstructionProgress, str]] = ..., text: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., count: _Optional[int] = ..., lines: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ProvinceMessage(_message.Message):
    __slots__ = ("welcome", "acknowledgement", "instruction")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    acknowledgement: Acknowledgement
    instruction: Instruction
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ..., instruction: _Optional[_Union[Instruction, _Mapping]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("acknowledged_change_number", "digest", "window_changes", "window_bytes")
    ACKNOWLEDGED_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    WINDOW_CHANGES_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    acknowledged_change_number: int
    digest: bytes
    window_changes: int
    window_bytes: int
    def __init__(self, acknowledged_change_number: _Optional[int] = ..., digest: _Optional[bytes] = ..., window_changes: _Optional[int] = ..., window_bytes: _Optional[int] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("change_number", "digest")
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    change_number: int
    digest: bytes
    def __init__(self, change_number: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class Instruction(_message.Message):
    __slots__ = ("instruction_id", "follow_up", "query", "readiness", "issuer", "issue_time")
    INSTRUCTION_ID_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_UP_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    ISSUE_TIME_FIELD_NUMBER: _ClassVar[int]
    instruction_id: str
    follow_up: FollowUp
    query: Query
    readiness: Readiness
    issuer: str
    issue_time: _timestamp_pb2.Timestamp
    def __init__(self, instruction_id: _Optional[str] = ..., follow_up: _Optional[_Union[FollowUp, _Mapping]] = ..., query: _Optional[_Union[Query, _Mapping]] = ..., readiness: _Optional[_Union[Readiness, _Mapping]] = ..., issuer: _Optional[str] = ..., issue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FollowUp(_message.Message):
    __slots__ = ("incident_id", "text", "due_time")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    text: str
    due_time: _timestamp_pb2.Timestamp
    def __init__(self, incident_id: _Optional[str] = ..., text: _Optional[str] = ..., due_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: _feed_pb2.IncidentFilter
    def __init__(self, filter: _Optional[_Union[_feed_pb2.IncidentFilter, _Mapping]] = ...) -> None: ...

class Readiness(_message.Message):
    __slots__ = ("level", "area_codes", "until_time", "text")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    AREA_CODES_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    level: _incident_pb2.Level
    area_codes: _containers.RepeatedScalarFieldContainer[str]
    until_time: _timestamp_pb2.Timestamp
    text: str
    def __init__(self, level: _Optional[_Union[_incident_pb2.Level, str]] = ..., area_codes: _Optional[_Iterable[str]] = ..., until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class ListCitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCitiesResponse(_message.Message):
    __slots__ = ("cities",)
    CITIES_FIELD_NUMBER: _ClassVar[int]
    cities: _containers.RepeatedCompositeFieldContainer[City]
    def __init__(self, cities: _Optional[_Iterable[_Union[City, _Mapping]]] = ...) -> None: ...

class City(_message.Message):
    __slots__ = ("city_code", "name", "linked", "link_change_time", "link_reason", "feed_id", "change_number", "city_change_number", "last_change_time", "log_time", "digest", "compared_change_number", "city_digest", "agrees", "replaced_by_other_feed")
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LINKED_FIELD_NUMBER: _ClassVar[int]
    LINK_CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    LINK_REASON_FIELD_NUMBER: _ClassVar[int]
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CITY_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOG_TIME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    COMPARED_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CITY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    AGREES_FIELD_NUMBER: _ClassVar[int]
    REPLACED_BY_OTHER_FEED_FIELD_NUMBER: _ClassVar[int]
    city_code: str
    name: str
    linked: bool
    link_change_time: _timestamp_pb2.Timestamp
    link_reason: str
    feed_id: str
    change_number: int
    city_change_number: int
    last_change_time: _timestamp_pb2.Timestamp
    log_time: _timestamp_pb2.Timestamp
    digest: bytes
    compared_change_number: int
    city_digest: bytes
    agrees: bool
    replaced_by_other_feed: int
    def __init__(self, city_code: _Optional[str] = ..., name: _Optional[str] = ..., linked: _Optional[bool] = ..., link_change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., link_reason: _Optional[str] = ..., feed_id: _Optional[str] = ..., change_number: _Optional[int] = ..., city_change_number: _Optional[int] = ..., last_change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., log_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., digest: _Optional[bytes] = ..., compared_change_number: _Optional[int] = ..., city_digest: _Optional[bytes] = ..., agrees: _Optional[bool] = ..., replaced_by_other_feed: _Optional[int] = ...) -> None: ...

class SendInstructionRequest(_message.Message):
    __slots__ = ("city_code", "instruction")
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    city_code: str
    instruction: Instruction
    def __init__(self, city_code: _Optional[str] = ..., instruction: _Optional[_Union[Instruction, _Mapping]] = ...) -> None: ...

class InstructionState(_message.Message):
    __slots__ = ("city_code", "instruction", "progress", "progress_time", "answers")
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_TIME_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    city_code: str
    instruction: Instruction
    progress: InstructionProgress
    progress_time: _timestamp_pb2.Timestamp
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    def __init__(self, city_code: _Optional[str] = ..., instruction: _Optional[_Union[Instruction, _Mapping]] = ..., progress: _Optional[_Union[InstructionProgress, str]] = ..., progress_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ...) -> None: ...

class GetInstructionRequest(_message.Message):
    __slots__ = ("instruction_id",)
    INSTRUCTION_ID_FIELD_NUMBER: _ClassVar[int]
    instruction_id: str
    def __init__(self, instruction_id: _Optional[str] = ...) -> None: ...

class ListInstructionsRequest(_message.Message):
    __slots__ = ("city_code",)
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    city_code: str
    def __init__(self, city_code: _Optional[str] = ...) -> None: ...

class ListInstructionsResponse(_message.Message):
    __slots__ = ("instructions",)
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    instructions: _containers.RepeatedCompositeFieldContainer[InstructionState]
    def __init__(self, instructions: _Optional[_Iterable[_Union[InstructionState, _Mapping]]] = ...) -> None: ...
