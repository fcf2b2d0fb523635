"""Policies of the gate: what of a change of rules stops it."""

import tomllib
from pathlib import Path

import msgspec

from city_brain.errors import SettingsError


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over all recordings together; what is left out does not bound."""

    lost: int | None = None
    """At most so many incidents that are announced no longer."""
    gained: int | None = None
    """At most so many that were not announced before."""
    moved: int | None = None
    """At most so many whose place, time or level changes."""
    later_s: float | None = None
    """No incident is announced later by more."""
    alarms_per_hour: float | None = None
    """At most so many alarms in an hour of the operator."""
    recall: float | None = None
    """At least this share of what really happened is announced, where truths are known."""
    false_alarms: int | None = None
    """At most so many announced incidents that were none, where truths are known."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not (0 <= value <= 1 if name == "recall" else value >= 0):
                wanted = "0 to 1" if name == "recall" else "0 or more"
                raise SettingsError(f"policy, {name}: wanted {wanted}, got {value}")

    @property
    def asks_for_truth(self) -> bool:
        """Whether it bounds what can be told only where the truth is known."""
        return self.recall is not None or self.false_alarms is not None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`whole` bounds all types together, `types` single ones besides. Without a file nothing may be lost."""

    whole: Bounds = Bounds(lost=0)
    types: dict[str, Bounds] = {}

    @property
    def asks_for_truth(self) -> bool:
        """Whether it bounds what can be told only where the truth is known."""
        return any(bounds.asks_for_truth for bounds in (self.whole, *self.types.values()))


def read_policy(path: Path) -> Policy:
    """Reads a policy (TOML: `[whole]`, `[types.crash]`); raises SettingsError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Policy)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise SettingsError(f"{path}: wanted a policy of the gate, got: {wrong}") from wrong
