"""They call us: the incident feed over gRPC and HTTP, and the client that people watch it with.

settings      where a server listens, and all its limits
files         the system's limit of open files
repeats       warnings that may come without end
doors         who calls, what they may, and TLS that renews itself
codec         incidents, filters, heartbeats and explanations as messages
feed          the feed: the door through which ticks come in, and the calls of its readers
grpc_server   the server: feed, health, reflection
http          the feed as server-sent events and JSON
city_service  a running city: the street in a thread, its feed in the event loop
client        a reader that reconnects and loses nothing, and what `city-brain watch` does with it
"""

import os

# gRPC reads it when it is imported: its core would write a raw line past our log for each handshake that fails.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
