"""What subscribers are told: a bounded, numbered log of changes."""
