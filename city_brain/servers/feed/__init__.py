"""The feed as readers meet it.

live_feed  the door through which ticks come in, from the same loop or from a thread
watches    what a reader is told, in order: the engine under gRPC and HTTP
messages   changes, snapshots and heartbeats, each built once for all readers
service    the calls
"""
