"""The feed over plain HTTP: server-sent events from the engine of the gRPC watch, and JSON for single questions.

asking    what a query string asks for
caller    who asks, as doors know callers
answers   events, lists and refusals as JSON
service   the calls
handler   one connection, and what of it cannot be read
porch     where connections come in, counted from the first
server    the port, with its limits
"""
