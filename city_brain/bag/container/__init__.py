"""MCAP files: their records as bytes (`mcap`), read from front to back (`walking`), written (`segments`) and
held meanwhile (`holding`)."""
