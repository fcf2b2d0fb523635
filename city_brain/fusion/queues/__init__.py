"""Queues as objects: who stands where behind whom, what nothing explains, how full each road is."""

from city_brain.fusion.queues.book import QueueBook

__all__ = ["QueueBook"]
