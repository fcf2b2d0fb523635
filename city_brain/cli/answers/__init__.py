"""What is asked of an answer: `explain` an incident, `score` it against the truth."""
