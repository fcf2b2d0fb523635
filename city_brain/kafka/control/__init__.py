"""Configurations as records of the log `control`: what was ever announced to a city, and how another one is.

log.py         reads the log, and writes into it
difference.py  what another configuration changes, for people
"""

from city_brain.kafka.control.log import Entry, announce, read_control

__all__ = ["Entry", "announce", "read_control"]
