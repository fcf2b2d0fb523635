"""Commands about what the city sees with: models."""
