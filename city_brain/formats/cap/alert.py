"""An alert as values: what a CAP message says, whoever wrote it.

Texts are as they stand in the message; times are RFC 3339 with an offset and without a fraction; places are latitude
and longitude, in this order, as CAP has them.
"""

from typing import Literal, TypeAlias, get_args

import msgspec

Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
MessageType = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
Scope = Literal["Public", "Restricted", "Private"]
Category = Literal[
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"
]  # fmt: skip
Response = Literal[
    "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"
]  # fmt: skip
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]

STATUSES: tuple[str, ...] = get_args(Status)
MESSAGE_TYPES: tuple[str, ...] = get_args(MessageType)
SCOPES: tuple[str, ...] = get_args(Scope)
CATEGORIES: tuple[str, ...] = get_args(Category)
RESPONSES: tuple[str, ...] = get_args(Response)
URGENCIES: tuple[str, ...] = get_args(Urgency)
SEVERITIES: tuple[str, ...] = get_args(Severity)
CERTAINTIES: tuple[str, ...] = get_args(Certainty)

Ring: TypeAlias = tuple[tuple[float, float], ...]
"""A closed border: (latitude, longitude), the last the same as the first."""


class NamedValue(msgspec.Struct, frozen=True):
    """A code or parameter: in which system, and which."""

    name: str
    value: str


class Reference(msgspec.Struct, frozen=True):
    """Which message is meant: its sender, identifier and time."""

    sender: str
    identifier: str
    sent: str


class Circle(msgspec.Struct, frozen=True):
    """A circle on the ground."""

    lat: float
    lon: float
    radius_km: float


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """Where: the union of all its polygons, circles and codes."""

    description: str
    polygons: tuple[Ring, ...] = ()
    circles: tuple[Circle, ...] = ()
    geocodes: tuple[NamedValue, ...] = ()
    altitude: float | None = None
    """Feet above mean sea level; with `ceiling` the lower end of a range."""
    ceiling: float | None = None


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A file that belongs to it; nothing is ever fetched."""

    description: str
    mime_type: str
    size: int | None = None
    uri: str = ""
    deref_uri: str = ""
    digest: str = ""


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What is going on, in one language."""

    language: str = "en-US"
    categories: tuple[Category, ...]
    event: str
    responses: tuple[Response, ...] = ()
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    audience: str = ""
    event_codes: tuple[NamedValue, ...] = ()
    effective: str = ""
    onset: str = ""
    expires: str = ""
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameters: tuple[NamedValue, ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    identifier: str
    sender: str
    sent: str
    status: Status
    message_type: MessageType
    source: str = ""
    scope: Scope
    restriction: str = ""
    addresses: str = ""
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: str = ""
    """Names of the incidents that it is about, parted by spaces."""
    infos: tuple[Info, ...] = ()

    @property
    def reference(self) -> Reference:
        """How others refer to it."""
        return Reference(self.sender, self.identifier, self.sent)
