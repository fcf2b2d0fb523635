"""What the devices of a synthetic city make of it: cameras with their trackers, sensors, and the way to the gateway."""
