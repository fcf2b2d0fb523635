"""The incident desk of a city: findings of all partitions in, one explained incident per real event out.

desk        the steps of a tick, in order
case        what the desk remembers: cases, their ids and numbers
joining     findings joined by key and by place
evidence    how log-odds add up
explaining  one cause per set of facts
publishing  what is worth a revision, and what it says
places      what people call a position
"""

from city_brain.incidents.desk.case import DeskState
from city_brain.incidents.desk.desk import Desk
from city_brain.incidents.desk.publishing import DeskSettings

__all__ = ["Desk", "DeskSettings", "DeskState"]
