"""They call us: the incident feed over gRPC."""
