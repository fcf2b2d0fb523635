"""What the geometry of lanes says about the network: which pieces continue one another, which roads belong together."""
