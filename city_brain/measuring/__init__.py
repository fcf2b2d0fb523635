"""What fusion takes: processor time by stage and by tick, and memory; the one place that times the street."""
