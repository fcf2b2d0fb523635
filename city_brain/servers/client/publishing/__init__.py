"""A client that publishes observations to a running city.

publisher  requests in order, sent again where the link broke
grpc_link  over Publish
http_link  over POST /v1/observations
"""
