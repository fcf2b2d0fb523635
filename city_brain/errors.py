"""The errors of city-brain, named for who must act.

CityBrainError
├── MapError           the city map is wrong: whoever keeps the map
├── ObservationError   bytes that a source or gateway sent are wrong: whoever runs the source
├── RuleError          an incident type file is wrong: whoever wrote the rule
├── SettingsError      a setting is wrong: whoever runs the site
│   └── AddressError   a camera's address must not be dialled: whoever runs the site
├── RecordingError     a file of observations, incidents or records cannot be read or written: whoever made the file
│   └── RecordingFullError   there is no room to go on recording: whoever runs the recorder
├── CalibrationError   points or pose do not make a camera's picture of the ground: whoever calibrates it
├── CapError           a warning in CAP is malformed, or an attack: whoever sent it
├── ModelError         a model card or its weights cannot be used, or must not be: whoever gave them
├── CameraError        a camera is not reached, or what it sends is no stream: whoever looks after the camera
├── StateError         a snapshot does not fit this code: whoever upgrades
├── BrokerError        Kafka does not answer, or refuses: whoever runs the cluster
├── StoreError         a database cannot be used: whoever runs it
│   └── DamagedError   what it holds is not what was written: whoever can restore it or set it aside
└── ServiceError       a service was asked for something it does not do: the caller

Every message says the place, what was wanted and what was found.
"""


class CityBrainError(Exception):
    """The root; a message reads `place: wanted …, got …`."""


class MapError(CityBrainError):
    """A feature of the city map is missing, malformed or out of range."""


class ObservationError(CityBrainError):
    """An envelope or a line cannot be read as observations."""


class RuleError(CityBrainError):
    """An incident type file is malformed, or names what does not exist."""


class SettingsError(CityBrainError):
    """A setting is unknown, of the wrong kind, or out of range."""


class AddressError(SettingsError):
    """An address of a camera is malformed, or leads where none may be dialled."""


class RecordingError(CityBrainError):
    """A file cannot be read as a recording, or a recording not written."""


class RecordingFullError(RecordingError):
    """The disk or the budget of a recording is used up; what was taken before is in its file."""


class CalibrationError(CityBrainError):
    """Points, a pose or a lens cannot be, or do not settle where on the ground a picture lies."""


class CapError(CityBrainError):
    """A message is no alert of the Common Alerting Protocol, or one that must not be read."""


class ModelError(CityBrainError):
    """A model card is malformed, or the weights are not what it says, or such as must not be run."""


class CameraError(CityBrainError):
    """A camera does not answer, refuses us, or sends what is no stream."""


class StateError(CityBrainError):
    """A snapshot is damaged, or was taken by other code."""


class BrokerError(CityBrainError):
    """No broker answers, or what was asked of the cluster is refused."""


class StoreError(CityBrainError):
    """A database cannot be opened, read or written; `temporary` where the same may succeed later, as on a full disk."""

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


class DamagedError(StoreError):
    """A database holds other bytes than were written to it."""


class ServiceError(CityBrainError):
    """A request asks for an unknown name or an impossible range."""
