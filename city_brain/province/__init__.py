"""A province: the incidents of its cities, joined where two cities see one event, and the links that they come over.

joining   how incidents of cities become provincial ones; pure
link      both ends of a link as state machines: messages in, messages out; pure
books     what both ends keep, in a store
serving   both ends over gRPC, and the program of a province
settings  of a province's folder, and of a city that reports
"""
