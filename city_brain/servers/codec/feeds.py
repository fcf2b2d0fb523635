"""Filters, heartbeats and explanations as messages."""

import msgspec

from city_brain.feeds.change_log import Change
from city_brain.feeds.explanation import Account, Contribution
from city_brain.feeds.filters import Area, Circle, Polygon, Wanted
from city_brain.feeds.heartbeat import AreaReadiness, BlindArea, Heartbeat
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.codec.incidents import LEVELS, STATES, optional_ms, to_ms, to_timestamp
from city_brain.wire.feed.v1 import feed_pb2
from city_brain.wire.incident.v1 import incident_pb2

MAX_BLIND_AREAS = 100
"""Blind areas that a heartbeat lists; it counts them all."""


def wanted_to_proto(wanted: Wanted) -> feed_pb2.IncidentFilter:
    """The message of a filter whose states and level exist."""
    message = feed_pb2.IncidentFilter(
        types=wanted.types,
        states=[STATES.number(state) for state in wanted.states],
        minimum_level=LEVELS.number(wanted.minimum_level) if wanted.minimum_level else None,
        minimum_confidence=wanted.minimum_confidence,
        area_codes=wanted.area_codes,
    )
    match wanted.area:
        case Circle(lon, lat, radius_m):
            message.circle.CopyFrom(feed_pb2.Circle(centre=incident_pb2.Point(lon=lon, lat=lat), radius_m=radius_m))
        case Polygon(border):
            points = [incident_pb2.Point(lon=lon, lat=lat) for lon, lat in border]
            message.polygon.CopyFrom(incident_pb2.Polygon(points=points))
    return message


def wanted_from_proto(message: feed_pb2.IncidentFilter) -> Wanted:
    """The filter in a message, unchecked: a value that is no state or level becomes its number, which no name is.

    Raises RefusedError for a circle without a centre, which would else lie around 0°, 0°.
    """
    return Wanted(
        types=tuple(message.types),
        states=tuple(STATES.word_or_number(state) for state in message.states),
        minimum_level=LEVELS.word_or_number(message.minimum_level) if message.minimum_level else "",
        minimum_confidence=message.minimum_confidence,
        area_codes=tuple(message.area_codes),
        area=_area_from_proto(message),
    )


def heartbeat_to_proto(number: int, feed_id: str, heartbeat: Heartbeat | None) -> feed_pb2.Heartbeat:
    """The message for a reader that has been told everything up to `number`; no heartbeat before the first tick."""
    if heartbeat is None:
        return feed_pb2.Heartbeat(change_number=number, feed_id=feed_id)
    return feed_pb2.Heartbeat(
        change_number=number,
        feed_id=feed_id,
        log_time=to_timestamp(heartbeat.log_time_ms),
        sources_live=heartbeat.sources_live,
        sources_silent=heartbeat.sources_silent,
        blind_areas=[_blind_to_proto(area) for area in heartbeat.blind_areas[:MAX_BLIND_AREAS]],
        blind_areas_total=len(heartbeat.blind_areas),
        readiness=[_ready_to_proto(item) for item in heartbeat.readiness],
        readiness_total=heartbeat.readiness_total,
    )


def heartbeat_from_proto(message: feed_pb2.Heartbeat) -> tuple[int, str, Heartbeat | None]:
    """Number, feed and state of the watch; the blind areas are those listed."""
    if not message.HasField("log_time"):
        return message.change_number, message.feed_id, None
    heartbeat = Heartbeat(
        log_time_ms=to_ms(message.log_time),
        sources_live=message.sources_live,
        sources_silent=message.sources_silent,
        blind_areas=tuple(_blind_from_proto(area) for area in message.blind_areas),
        readiness=tuple(_ready_from_proto(item) for item in message.readiness),
        readiness_total=message.readiness_total,
    )
    return message.change_number, message.feed_id, heartbeat


def account_to_proto(account: Account, incident: incident_pb2.Incident, text: str) -> feed_pb2.ExplainIncidentResponse:
    """The message of an explanation, with `incident` as the message of its incident and `text` for people."""
    judgement = account.judgement
    return feed_pb2.ExplainIncidentResponse(
        incident=incident,
        headlines={"zh": judgement.headline.zh, "en": judgement.headline.en},
        rule=feed_pb2.Rule(**msgspec.structs.asdict(judgement.rule)),
        evidence_log_odds=judgement.evidence_log_odds,
        prior_log_odds=judgement.prior_log_odds,
        calibration_log_odds=judgement.calibration_log_odds,
        contributions=[_contribution_to_proto(share) for share in account.contributions],
        revisions=[_revision_to_proto(change) for change in account.revisions],
        text=text,
    )


def _area_from_proto(message: feed_pb2.IncidentFilter) -> Area | None:
    match message.WhichOneof("shape"):
        case "circle":
            circle = message.circle
            if not circle.HasField("centre"):
                field = "filter.circle.centre"
                raise RefusedError(Reason.BAD_REQUEST, f"{field}: wanted a point, got none", field)
            return Circle(circle.centre.lon, circle.centre.lat, circle.radius_m)
        case "polygon":
            return Polygon(tuple((point.lon, point.lat) for point in message.polygon.points))
    return None


def _blind_to_proto(area: BlindArea) -> feed_pb2.BlindArea:
    return feed_pb2.BlindArea(
        source_id=area.source_id,
        name=area.name,
        position=incident_pb2.Point(lon=area.lon, lat=area.lat),
        radius_m=area.radius_m,
        silent_since_time=to_timestamp(area.silent_since_ms),
    )


def _blind_from_proto(message: feed_pb2.BlindArea) -> BlindArea:
    return BlindArea(
        source_id=message.source_id,
        name=message.name,
        lon=message.position.lon,
        lat=message.position.lat,
        radius_m=message.radius_m,
        silent_since_ms=optional_ms(message, "silent_since_time"),
    )


def _ready_to_proto(item: AreaReadiness) -> feed_pb2.AreaReadiness:
    return feed_pb2.AreaReadiness(
        area_code=item.area_code,
        name=item.name,
        level=LEVELS.number(item.level) if item.level else None,
        event=item.event,
        event_codes=item.event_codes,
        headline=item.headline,
        sender=item.sender,
        identifier=item.identifier,
        from_time=to_timestamp(item.from_ms),
        until_time=to_timestamp(item.until_ms),
    )


def _ready_from_proto(message: feed_pb2.AreaReadiness) -> AreaReadiness:
    return AreaReadiness(
        area_code=message.area_code,
        name=message.name,
        level=LEVELS.word(message.level) if message.level else None,
        event=message.event,
        event_codes=tuple(message.event_codes),
        headline=message.headline,
        sender=message.sender,
        identifier=message.identifier,
        from_ms=to_ms(message.from_time),
        until_ms=to_ms(message.until_time),
    )


def _contribution_to_proto(share: Contribution) -> feed_pb2.SourceContribution:
    return feed_pb2.SourceContribution(
        source_id=share.source_id,
        support=share.support,
        contradiction=share.contradiction,
        what=share.what,
        first_time=to_timestamp(share.first_ms),
        last_time=to_timestamp(share.last_ms),
        distance_m=share.distance_m,
    )


def _revision_to_proto(change: Change) -> feed_pb2.RevisionSummary:
    incident = change.incident
    return feed_pb2.RevisionSummary(
        change_number=change.number,
        revision=incident.revision,
        update_time=to_timestamp(incident.updated_ms),
        state=STATES.number(incident.state),
        confidence=incident.confidence,
        level=LEVELS.number(incident.level) if incident.level else incident_pb2.LEVEL_UNSPECIFIED,
        evidence_count=len(incident.evidence),
        reason=incident.reason,
    )
