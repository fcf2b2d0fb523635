"""Admission: what is plausible goes on in the city's frame and canonical units; what is not is refused with one reason.

Stateless, clockless and in columns: the same batch gives the same rows whoever admits it. A mapped source other than a
camera stands where the map says. What a camera sees must lie near it; what the map does not know, near the map.
"""

from city_brain.observations.admission.checks import Refused, admit
from city_brain.observations.admission.table import AdmissionTable

__all__ = ["AdmissionTable", "Refused", "admit"]
