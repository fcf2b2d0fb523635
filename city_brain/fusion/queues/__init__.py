"""Queues as objects: who stands where and behind whom, which standing vehicles nothing explains, how full each road is."""

from city_brain.fusion.queues.book import QueueBook

__all__ = ["QueueBook"]
