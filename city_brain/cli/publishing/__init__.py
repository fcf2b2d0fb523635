"""Live input on the command line: what `run` reads beside standard input, and `send` to a running city.

inputs   standard input, cameras, and what comes over the doors, as one
pacing   a recording as if it happened now
sending  send: to a site on Kafka, or to a city by its address
batches  rows as requests, with the numbers of their lines
telling  what became of the lines
"""
