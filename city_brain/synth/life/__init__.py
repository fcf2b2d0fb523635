"""What lives in a synthetic city: vehicles, people and things, weather and air."""
