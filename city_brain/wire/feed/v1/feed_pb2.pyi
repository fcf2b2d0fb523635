import datetime

from city_brain.wire.incident.v1 import incident_pb2 as _incident_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IncidentFilter(_message.Message):
    __slots__ = ("types", "states", "minimum_level", "minimum_confidence", "area_codes", "circle", "polygon")
    TYPES_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_LEVEL_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    AREA_CODES_FIELD_NUMBER: _ClassVar[int]
    CIRCLE_FIELD_NUMBER: _ClassVar[int]
    POLYGON_FIELD_NUMBER: _ClassVar[int]
    types: _containers.RepeatedScalarFieldContainer[str]
    states: _containers.RepeatedScalarFieldContainer[_incident_pb2.State]
    minimum_level: _incident_pb2.Level
    minimum_confidence: float
    area_codes: _containers.RepeatedScalarFieldContainer[str]
    circle: Circle
    polygon: _incident_pb2.Polygon
    def __init__(self, types: _Optional[_Iterable[str]] = ..., states: _Optional[_Iterable[_Union[_incident_pb2.State, str]]] = ..., minimum_level: _Optional[_Union[_incident_pb2.Level, str]] = ..., minimum_confidence: _Optional[float] = ..., area_codes: _Optional[_Iterable[str]] = ..., circle: _Optional[_Union[Circle, _Mapping]] = ..., polygon: _Optional[_Union[_incident_pb2.Polygon, _Mapping]] = ...) -> None: ...

class Circle(_message.Message):
    __slots__ = ("centre", "radius_m")
    CENTRE_FIELD_NUMBER: _ClassVar[int]
    RADIUS_M_FIELD_NUMBER: _ClassVar[int]
    centre: _incident_pb2.Point
    radius_m: float
    def __init__(self, centre: _Optional[_Union[_incident_pb2.Point, _Mapping]] = ..., radius_m: _Optional[float] = ...) -> None: ...

class GetIncidentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListIncidentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: IncidentFilter
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[IncidentFilter, _Mapping]] = ...) -> None: ...

class ListIncidentsResponse(_message.Message):
    __slots__ = ("incidents", "next_page_token", "change_number")
    INCIDENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    incidents: _containers.RepeatedCompositeFieldContainer[_incident_pb2.Incident]
    next_page_token: str
    change_number: int
    def __init__(self, incidents: _Optional[_Iterable[_Union[_incident_pb2.Incident, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., change_number: _Optional[int] = ...) -> None: ...

class WatchIncidentsRequest(_message.Message):
    __slots__ = ("filter", "after_change_number", "feed_id", "resume_token", "credit", "subscription", "acknowledge_change_number")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    AFTER_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    filter: IncidentFilter
    after_change_number: int
    feed_id: str
    resume_token: str
    credit: int
    subscription: str
    acknowledge_change_number: int
    def __init__(self, filter: _Optional[_Union[IncidentFilter, _Mapping]] = ..., after_change_number: _Optional[int] = ..., feed_id: _Optional[str] = ..., resume_token: _Optional[str] = ..., credit: _Optional[int] = ..., subscription: _Optional[str] = ..., acknowledge_change_number: _Optional[int] = ...) -> None: ...

class WatchIncidentsResponse(_message.Message):
    __slots__ = ("snapshot", "change", "heartbeat", "resume_token")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    change: IncidentChange
    heartbeat: Heartbeat
    resume_token: str
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., change: _Optional[_Union[IncidentChange, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("incidents", "change_number", "complete", "feed_id")
    INCIDENTS_FIELD_NUMBER: _ClassVar[int]
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    incidents: _containers.RepeatedCompositeFieldContainer[_incident_pb2.Incident]
    change_number: int
    complete: bool
    feed_id: str
    def __init__(self, incidents: _Optional[_Iterable[_Union[_incident_pb2.Incident, _Mapping]]] = ..., change_number: _Optional[int] = ..., complete: _Optional[bool] = ..., feed_id: _Optional[str] = ...) -> None: ...

class IncidentChange(_message.Message):
    __slots__ = ("change_number", "incident", "no_longer_matches")
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    NO_LONGER_MATCHES_FIELD_NUMBER: _ClassVar[int]
    change_number: int
    incident: _incident_pb2.Incident
    no_longer_matches: bool
    def __init__(self, change_number: _Optional[int] = ..., incident: _Optional[_Union[_incident_pb2.Incident, _Mapping]] = ..., no_longer_matches: _Optional[bool] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("change_number", "feed_id", "log_time", "sources_live", "sources_silent", "blind_areas", "blind_areas_total", "first_change_number", "readiness", "readiness_total")
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    LOG_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCES_LIVE_FIELD_NUMBER: _ClassVar[int]
    SOURCES_SILENT_FIELD_NUMBER: _ClassVar[int]
    BLIND_AREAS_FIELD_NUMBER: _ClassVar[int]
    BLIND_AREAS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FIRST_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    READINESS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    change_number: int
    feed_id: str
    log_time: _timestamp_pb2.Timestamp
    sources_live: int
    sources_silent: int
    blind_areas: _containers.RepeatedCompositeFieldContainer[BlindArea]
    blind_areas_total: int
    first_change_number: int
    readiness: _containers.RepeatedCompositeFieldContainer[AreaReadiness]
    readiness_total: int
    def __init__(self, change_number: _Optional[int] = ..., feed_id: _Optional[str] = ..., log_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sources_live: _Optional[int] = ..., sources_silent: _Optional[int] = ..., blind_areas: _Optional[_Iterable[_Union[BlindArea, _Mapping]]] = ..., blind_areas_total: _Optional[int] = ..., first_change_number: _Optional[int] = ..., readiness: _Optional[_Iterable[_Union[AreaReadiness, _Mapping]]] = ..., readiness_total: _Optional[int] = ...) -> None: ...

class AreaReadiness(_message.Message):
    __slots__ = ("area_code", "name", "level", "event", "event_codes", "headline", "sender", "identifier", "from_time", "until_time")
    AREA_CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_CODES_FIELD_NUMBER: _ClassVar[int]
    HEADLINE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    area_code: str
    name: str
    level: _incident_pb2.Level
    event: str
    event_codes: _containers.RepeatedScalarFieldContainer[str]
    headline: str
    sender: str
    identifier: str
    from_time: _timestamp_pb2.Timestamp
    until_time: _timestamp_pb2.Timestamp
    def __init__(self, area_code: _Optional[str] = ..., name: _Optional[str] = ..., level: _Optional[_Union[_incident_pb2.Level, str]] = ..., event: _Optional[str] = ..., event_codes: _Optional[_Iterable[str]] = ..., headline: _Optional[str] = ..., sender: _Optional[str] = ..., identifier: _Optional[str] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BlindArea(_message.Message):
    __slots__ = ("source_id", "name", "position", "radius_m", "silent_since_time")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RADIUS_M_FIELD_NUMBER: _ClassVar[int]
    SILENT_SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    position: _incident_pb2.Point
    radius_m: float
    silent_since_time: _timestamp_pb2.Timestamp
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., position: _Optional[_Union[_incident_pb2.Point, _Mapping]] = ..., radius_m: _Optional[float] = ..., silent_since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Holding(_message.Message):
    __slots__ = ("incident_id", "revision")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    revision: int
    def __init__(self, incident_id: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class GetStatementRequest(_message.Message):
    __slots__ = ("subscription", "holdings", "filter")
    SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    HOLDINGS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    subscription: str
    holdings: _containers.RepeatedCompositeFieldContainer[Holding]
    filter: IncidentFilter
    def __init__(self, subscription: _Optional[str] = ..., holdings: _Optional[_Iterable[_Union[Holding, _Mapping]]] = ..., filter: _Optional[_Union[IncidentFilter, _Mapping]] = ...) -> None: ...

class Statement(_message.Message):
    __slots__ = ("subscription", "sent_change_number", "acknowledged_change_number", "last_change_number", "waiting", "held", "held_digest", "missing", "surplus", "feed_id")
    SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SENT_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    HELD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    SURPLUS_FIELD_NUMBER: _ClassVar[int]
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    subscription: str
    sent_change_number: int
    acknowledged_change_number: int
    last_change_number: int
    waiting: int
    held: int
    held_digest: bytes
    missing: _containers.RepeatedCompositeFieldContainer[Holding]
    surplus: _containers.RepeatedCompositeFieldContainer[Holding]
    feed_id: str
    def __init__(self, subscription: _Optional[str] = ..., sent_change_number: _Optional[int] = ..., acknowledged_change_number: _Optional[int] = ..., last_change_number: _Optional[int] = ..., waiting: _Optional[int] = ..., held: _Optional[int] = ..., held_digest: _Optional[bytes] = ..., missing: _Optional[_Iterable[_Union[Holding, _Mapping]]] = ..., surplus: _Optional[_Iterable[_Union[Holding, _Mapping]]] = ..., feed_id: _Optional[str] = ...) -> None: ...

class DeleteSubscriptionRequest(_message.Message):
    __slots__ = ("subscription",)
    SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    subscription: str
    def __init__(self, subscription: _Optional[str] = ...) -> None: ...

class ProveIncidentRequest(_message.Message):
    __slots__ = ("name", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class ProveIncidentResponse(_message.Message):
    __slots__ = ("change_number", "size", "line", "path", "head", "feed_id")
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    change_number: int
    size: int
    line: bytes
    path: _containers.RepeatedScalarFieldContainer[bytes]
    head: bytes
    feed_id: str
    def __init__(self, change_number: _Optional[int] = ..., size: _Optional[int] = ..., line: _Optional[bytes] = ..., path: _Optional[_Iterable[bytes]] = ..., head: _Optional[bytes] = ..., feed_id: _Optional[str] = ...) -> None: ...

class ExplainIncidentRequest(_message.Message):
    __slots__ = ("name", "language_code")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    name: str
    language_code: str
    def __init__(self, name: _Optional[str] = ..., language_code: _Optional[str] = ...) -> None: ...

class ExplainIncidentResponse(_message.Message):
    __slots__ = ("incident", "headlines", "rule", "evidence_log_odds", "prior_log_odds", "contributions", "revisions", "text", "calibration_log_odds")
    class HeadlinesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    HEADLINES_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    PRIOR_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    incident: _incident_pb2.Incident
    headlines: _containers.ScalarMap[str, str]
    rule: Rule
    evidence_log_odds: float
    prior_log_odds: float
    contributions: _containers.RepeatedCompositeFieldContainer[SourceContribution]
    revisions: _containers.RepeatedCompositeFieldContainer[RevisionSummary]
    text: str
    calibration_log_odds: float
    def __init__(self, incident: _Optional[_Union[_incident_pb2.Incident, _Mapping]] = ..., headlines: _Optional[_Mapping[str, str]] = ..., rule: _Optional[_Union[Rule, _Mapping]] = ..., evidence_log_odds: _Optional[float] = ..., prior_log_odds: _Optional[float] = ..., contributions: _Optional[_Iterable[_Union[SourceContribution, _Mapping]]] = ..., revisions: _Optional[_Iterable[_Union[RevisionSummary, _Mapping]]] = ..., text: _Optional[str] = ..., calibration_log_odds: _Optional[float] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("type", "version", "suspect_log_odds", "open_log_odds", "close_log_odds", "join_radius_m", "close_gap_s")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SUSPECT_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    OPEN_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    JOIN_RADIUS_M_FIELD_NUMBER: _ClassVar[int]
    CLOSE_GAP_S_FIELD_NUMBER: _ClassVar[int]
    type: str
    version: int
    suspect_log_odds: float
    open_log_odds: float
    close_log_odds: float
    join_radius_m: float
    close_gap_s: float
    def __init__(self, type: _Optional[str] = ..., version: _Optional[int] = ..., suspect_log_odds: _Optional[float] = ..., open_log_odds: _Optional[float] = ..., close_log_odds: _Optional[float] = ..., join_radius_m: _Optional[float] = ..., close_gap_s: _Optional[float] = ...) -> None: ...

class SourceContribution(_message.Message):
    __slots__ = ("source_id", "support", "contradiction", "what", "first_time", "last_time", "distance_m")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTION_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_M_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    support: float
    contradiction: float
    what: _containers.RepeatedScalarFieldContainer[str]
    first_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    distance_m: float
    def __init__(self, source_id: _Optional[str] = ..., support: _Optional[float] = ..., contradiction: _Optional[float] = ..., what: _Optional[_Iterable[str]] = ..., first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., distance_m: _Optional[float] = ...) -> None: ...

class RevisionSummary(_message.Message):
    __slots__ = ("change_number", "revision", "update_time", "state", "confidence", "level", "evidence_count", "reason")
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    change_number: int
    revision: int
    update_time: _timestamp_pb2.Timestamp
    state: _incident_pb2.State
    confidence: float
    level: _incident_pb2.Level
    evidence_count: int
    reason: str
    def __init__(self, change_number: _Optional[int] = ..., revision: _Optional[int] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[_incident_pb2.State, str]] = ..., confidence: _Optional[float] = ..., level: _Optional[_Union[_incident_pb2.Level, str]] = ..., evidence_count: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
