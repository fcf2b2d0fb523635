"""Thresholds and weights of the crash detector, read from its incident type."""

import msgspec

from city_brain.incidents.detectors.crash.bang import BangParameters


class CrashParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `Crash`."""

    brake_min_mps2: float
    """Drivers brake with up to 4.5 m/s²; tyres hold 7 to 8 on a dry road."""
    brake_weight: float
    brake_weight_per_mps2: float
    brake_weight_max: float
    braked_within_s: float
    stays_s: float
    candidate_age_max_s: float
    """A stop older than this and not suspect is no candidate any more."""
    hopeless_log_odds: float
    """Below it, once noise has settled, people and skew cannot make a crash of it."""
    offset_max_m: float
    skew_weight_per_sine: float
    skew_weight_max: float
    skew_margin: float
    skew_margin_one: float
    """A sine of heading to lane that says nothing: `skew_margin` + `skew_margin_one` / √n for n headings."""
    company_m: float
    company_s: float
    company_weight: float
    company_braked_weight: float
    people_m: float
    people_within_s: float
    people_weight_each: float
    people_weight_max: float
    crosswalk_m: float
    cluster_m: float
    prior_log_odds: float
    believed_s: float
    bang: BangParameters
