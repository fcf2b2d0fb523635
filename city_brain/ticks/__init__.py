"""When it happened: marks, log time, clock skew, duplicates, and ticks of event time."""
