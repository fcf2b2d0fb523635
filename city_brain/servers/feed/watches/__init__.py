"""What a watch is, whatever it is written as: `telling` has the events in order; gRPC and HTTP write them."""
