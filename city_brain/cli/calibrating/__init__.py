"""`city-brain calibrate`: from points in a picture and on the ground to what the map should say of a camera."""
