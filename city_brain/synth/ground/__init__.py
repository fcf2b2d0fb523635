"""The ground of a synthetic city: streets, lanes, junctions, signals, and where the cameras and sensors stand."""
