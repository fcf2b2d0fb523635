"""Live input over the doors of a running city: observations as envelopes and lines, over gRPC and HTTP.

settings   what a request and the queue may hold
recent     which rows this door has taken before
judging    a request read: rows that are believed, and what is wrong with the others
intake     the queue into the street, with its marks, and the answers to publishers
over_grpc  Publish, a stream of requests
over_http  POST /v1/observations
"""
