"""We remember: records as they lay in Kafka, in files that every reader of MCAP opens.

`playback/FORMAT.md` is the specification. `writing` and `reading` are the ways in and out; `recovering` saves what is
whole of a damaged file. Nothing here knows a Kafka client or reads a clock: times come with the records.
"""
