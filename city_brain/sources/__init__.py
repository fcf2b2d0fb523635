"""We read: recordings and field formats as sources of observations."""
