"""Sensors: what each has read lately, what it usually reads, the city's weather, and which sources are silent."""

from city_brain.fusion.sensors.book import SensorBook
from city_brain.fusion.sensors.silence import SilentSources
from city_brain.fusion.sensors.weather import Weather

__all__ = ["SensorBook", "SilentSources", "Weather"]
