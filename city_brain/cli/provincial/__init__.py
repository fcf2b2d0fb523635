"""The commands of a province: run it, look at its cities, tell a city something."""
