"""The incident types that come with city-brain, one YAML file each, and the strict reader of such files."""
