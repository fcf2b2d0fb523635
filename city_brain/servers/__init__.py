"""They call us: the incident feed over gRPC, and the client that people watch it with.

From the door to the screen:

    settings      where a server listens, and all its limits
    doors         who calls, what they may, and TLS that renews itself
    live_feed     the door through which ticks come in, from the same loop or from a thread
    codec         incidents, filters, heartbeats and explanations as messages
    messages      changes, snapshots and heartbeats, each built once for all readers
    feed_service  the four calls of the feed
    grpc_server   the server: feed, health, reflection
    feed_reader   the client: a reader that reconnects and loses nothing
    watch         what `city-brain watch` does with it: print
"""
