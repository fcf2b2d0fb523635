"""Recordings are played: what a city would have said of them, under other rules and under faults."""
