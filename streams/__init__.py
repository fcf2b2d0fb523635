"""The street on Kafka: one thin program per stage, around the step functions of `city_brain.distributed`.

clock     writes marks into the raw topics: the only program that time comes from
detect    cameras → raw topics
ingest    raw topics → observations
fuse      observations → fusion.ticks
desk      fusion.ticks → incidents
serve     incidents → gRPC
"""
