"""A seeded synthetic city: map, observations, truth, hard negatives and faults, streamed."""
