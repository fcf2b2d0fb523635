"""We read again: a recording run through the street in every permitted way, and the answers compared."""
