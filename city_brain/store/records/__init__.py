"""What a store keeps beside its feeds, by name: small values that others read whole."""
