"""What many readers look at is looked at once: `sieve` says which of the newest changes could concern a filter."""
