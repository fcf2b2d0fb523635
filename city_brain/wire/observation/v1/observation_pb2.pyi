from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Envelope(_message.Message):
    __slots__ = ("schema_version", "count", "event_time_ms_min", "event_time_ms_max", "checksum", "batch")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_MIN_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_MAX_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    schema_version: int
    count: int
    event_time_ms_min: int
    event_time_ms_max: int
    checksum: int
    batch: bytes
    def __init__(self, schema_version: _Optional[int] = ..., count: _Optional[int] = ..., event_time_ms_min: _Optional[int] = ..., event_time_ms_max: _Optional[int] = ..., checksum: _Optional[int] = ..., batch: _Optional[bytes] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("text", "text_length", "common", "detections", "signals", "sensors", "reports")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    COMMON_FIELD_NUMBER: _ClassVar[int]
    DETECTIONS_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    SENSORS_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    text: bytes
    text_length: bytes
    common: Common
    detections: Detections
    signals: Signals
    sensors: Sensors
    reports: Reports
    def __init__(self, text: _Optional[bytes] = ..., text_length: _Optional[bytes] = ..., common: _Optional[_Union[Common, _Mapping]] = ..., detections: _Optional[_Union[Detections, _Mapping]] = ..., signals: _Optional[_Union[Signals, _Mapping]] = ..., sensors: _Optional[_Union[Sensors, _Mapping]] = ..., reports: _Optional[_Union[Reports, _Mapping]] = ...) -> None: ...

class Common(_message.Message):
    __slots__ = ("kind", "source", "source_kind", "status", "datum", "seq", "event_ms", "arrival_ms", "lon", "lat", "position_error_m")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DATUM_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EVENT_MS_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_MS_FIELD_NUMBER: _ClassVar[int]
    LON_FIELD_NUMBER: _ClassVar[int]
    LAT_FIELD_NUMBER: _ClassVar[int]
    POSITION_ERROR_M_FIELD_NUMBER: _ClassVar[int]
    kind: bytes
    source: bytes
    source_kind: bytes
    status: bytes
    datum: bytes
    seq: bytes
    event_ms: bytes
    arrival_ms: bytes
    lon: bytes
    lat: bytes
    position_error_m: bytes
    def __init__(self, kind: _Optional[bytes] = ..., source: _Optional[bytes] = ..., source_kind: _Optional[bytes] = ..., status: _Optional[bytes] = ..., datum: _Optional[bytes] = ..., seq: _Optional[bytes] = ..., event_ms: _Optional[bytes] = ..., arrival_ms: _Optional[bytes] = ..., lon: _Optional[bytes] = ..., lat: _Optional[bytes] = ..., position_error_m: _Optional[bytes] = ...) -> None: ...

class Detections(_message.Message):
    __slots__ = ("track", "track_text", "class_name", "confidence", "speed_mps", "heading_deg", "bbox")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    TRACK_TEXT_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SPEED_MPS_FIELD_NUMBER: _ClassVar[int]
    HEADING_DEG_FIELD_NUMBER: _ClassVar[int]
    BBOX_FIELD_NUMBER: _ClassVar[int]
    track: bytes
    track_text: bytes
    class_name: bytes
    confidence: bytes
    speed_mps: bytes
    heading_deg: bytes
    bbox: bytes
    def __init__(self, track: _Optional[bytes] = ..., track_text: _Optional[bytes] = ..., class_name: _Optional[bytes] = ..., confidence: _Optional[bytes] = ..., speed_mps: _Optional[bytes] = ..., heading_deg: _Optional[bytes] = ..., bbox: _Optional[bytes] = ...) -> None: ...

class Signals(_message.Message):
    __slots__ = ("intersection", "mode", "lamps")
    INTERSECTION_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    LAMPS_FIELD_NUMBER: _ClassVar[int]
    intersection: bytes
    mode: bytes
    lamps: bytes
    def __init__(self, intersection: _Optional[bytes] = ..., mode: _Optional[bytes] = ..., lamps: _Optional[bytes] = ...) -> None: ...

class Sensors(_message.Message):
    __slots__ = ("quantity", "value", "unit")
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    quantity: bytes
    value: bytes
    unit: bytes
    def __init__(self, quantity: _Optional[bytes] = ..., value: _Optional[bytes] = ..., unit: _Optional[bytes] = ...) -> None: ...

class Reports(_message.Message):
    __slots__ = ("text", "category", "channel")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    text: bytes
    category: bytes
    channel: bytes
    def __init__(self, text: _Optional[bytes] = ..., category: _Optional[bytes] = ..., channel: _Optional[bytes] = ...) -> None: ...
