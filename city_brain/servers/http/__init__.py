"""The feed over plain HTTP: server-sent events from the engine of the gRPC watch, and JSON for single questions.

asking    what a query string asks for
caller    who asks, as doors know callers
answers   events, lists and refusals as JSON
service   the calls of the feed
showing   the page that shows it, and the city that the page draws
handler   one connection, and what of it cannot be read
porch     where connections come in, counted from the first
server    the port, with its limits
"""
