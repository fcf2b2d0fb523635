"""Between what the system knows and what services carry: incidents, filters, heartbeats, explanations as messages."""
