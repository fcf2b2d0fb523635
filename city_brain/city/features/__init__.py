"""GeoJSON features read field by field, so that an error can name the feature, the field, the wanted and the got."""
