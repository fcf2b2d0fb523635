"""Both ends of a link over gRPC, and the program of a province.

links      which cities are linked, and what ends a link
service    the calls of a province: links of cities, their table, instructions
program    a province that runs: its store, its feed, its server
forwarder  the end of a city: calls, reports, and calls again
reporting  that end beside the feed of a city
client     what people ask of a province
"""

import city_brain.servers  # noqa: F401 - it quietens gRPC, which must be done before that is imported
