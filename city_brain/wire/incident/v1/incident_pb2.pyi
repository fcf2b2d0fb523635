import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_ACTUAL: _ClassVar[Status]
    STATUS_EXERCISE: _ClassVar[Status]
    STATUS_TEST: _ClassVar[Status]
    STATUS_REPLAY: _ClassVar[Status]

class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_UNSPECIFIED: _ClassVar[State]
    STATE_SUSPECTED: _ClassVar[State]
    STATE_ACTIVE: _ClassVar[State]
    STATE_ENDED: _ClassVar[State]
    STATE_WITHDRAWN: _ClassVar[State]

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEVEL_UNSPECIFIED: _ClassVar[Level]
    LEVEL_I: _ClassVar[Level]
    LEVEL_II: _ClassVar[Level]
    LEVEL_III: _ClassVar[Level]
    LEVEL_IV: _ClassVar[Level]
STATUS_UNSPECIFIED: Status
STATUS_ACTUAL: Status
STATUS_EXERCISE: Status
STATUS_TEST: Status
STATUS_REPLAY: Status
STATE_UNSPECIFIED: State
STATE_SUSPECTED: State
STATE_ACTIVE: State
STATE_ENDED: State
STATE_WITHDRAWN: State
LEVEL_UNSPECIFIED: Level
LEVEL_I: Level
LEVEL_II: Level
LEVEL_III: Level
LEVEL_IV: Level

class Incident(_message.Message):
    __slots__ = ("name", "incident_id", "revision", "number", "type", "status", "state", "confidence", "level", "position", "position_error_m", "radius_m", "geometry", "first_seen_time", "detect_time", "update_time", "end_time", "sources", "place", "evidence", "reason", "trimmed", "members")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    POSITION_ERROR_M_FIELD_NUMBER: _ClassVar[int]
    RADIUS_M_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    DETECT_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TRIMMED_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    incident_id: str
    revision: int
    number: str
    type: str
    status: Status
    state: State
    confidence: float
    level: Level
    position: Point
    position_error_m: float
    radius_m: float
    geometry: Geometry
    first_seen_time: _timestamp_pb2.Timestamp
    detect_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    sources: _containers.RepeatedScalarFieldContainer[str]
    place: Place
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    reason: str
    trimmed: bool
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, name: _Optional[str] = ..., incident_id: _Optional[str] = ..., revision: _Optional[int] = ..., number: _Optional[str] = ..., type: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., state: _Optional[_Union[State, str]] = ..., confidence: _Optional[float] = ..., level: _Optional[_Union[Level, str]] = ..., position: _Optional[_Union[Point, _Mapping]] = ..., position_error_m: _Optional[float] = ..., radius_m: _Optional[float] = ..., geometry: _Optional[_Union[Geometry, _Mapping]] = ..., first_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., detect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sources: _Optional[_Iterable[str]] = ..., place: _Optional[_Union[Place, _Mapping]] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ..., reason: _Optional[str] = ..., trimmed: _Optional[bool] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("city_code", "incident_id", "change_number", "revision")
    CITY_CODE_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    city_code: str
    incident_id: str
    change_number: int
    revision: int
    def __init__(self, city_code: _Optional[str] = ..., incident_id: _Optional[str] = ..., change_number: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("lon", "lat")
    LON_FIELD_NUMBER: _ClassVar[int]
    LAT_FIELD_NUMBER: _ClassVar[int]
    lon: float
    lat: float
    def __init__(self, lon: _Optional[float] = ..., lat: _Optional[float] = ...) -> None: ...

class Geometry(_message.Message):
    __slots__ = ("multi_line_string",)
    MULTI_LINE_STRING_FIELD_NUMBER: _ClassVar[int]
    multi_line_string: MultiLineString
    def __init__(self, multi_line_string: _Optional[_Union[MultiLineString, _Mapping]] = ...) -> None: ...

class MultiLineString(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[LineString]
    def __init__(self, lines: _Optional[_Iterable[_Union[LineString, _Mapping]]] = ...) -> None: ...

class LineString(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class Polygon(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("intersection", "road", "area_codes", "names")
    class NamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INTERSECTION_FIELD_NUMBER: _ClassVar[int]
    ROAD_FIELD_NUMBER: _ClassVar[int]
    AREA_CODES_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    intersection: str
    road: str
    area_codes: _containers.RepeatedScalarFieldContainer[str]
    names: _containers.ScalarMap[str, str]
    def __init__(self, intersection: _Optional[str] = ..., road: _Optional[str] = ..., area_codes: _Optional[_Iterable[str]] = ..., names: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("what", "sources", "weight", "first_time", "last_time", "distance_m", "rows", "rule", "version", "note")
    class NoteEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Fact
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Fact, _Mapping]] = ...) -> None: ...
    WHAT_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_M_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    what: str
    sources: _containers.RepeatedScalarFieldContainer[str]
    weight: float
    first_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    distance_m: float
    rows: _containers.RepeatedCompositeFieldContainer[RowPosition]
    rule: str
    version: int
    note: _containers.MessageMap[str, Fact]
    def __init__(self, what: _Optional[str] = ..., sources: _Optional[_Iterable[str]] = ..., weight: _Optional[float] = ..., first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., distance_m: _Optional[float] = ..., rows: _Optional[_Iterable[_Union[RowPosition, _Mapping]]] = ..., rule: _Optional[str] = ..., version: _Optional[int] = ..., note: _Optional[_Mapping[str, Fact]] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("text", "whole", "figure", "flag")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    FIGURE_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    text: str
    whole: int
    figure: float
    flag: bool
    def __init__(self, text: _Optional[str] = ..., whole: _Optional[int] = ..., figure: _Optional[float] = ..., flag: _Optional[bool] = ...) -> None: ...

class RowPosition(_message.Message):
    __slots__ = ("raw_partition", "offset", "row")
    RAW_PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    raw_partition: int
    offset: int
    row: int
    def __init__(self, raw_partition: _Optional[int] = ..., offset: _Optional[int] = ..., row: _Optional[int] = ...) -> None: ...
