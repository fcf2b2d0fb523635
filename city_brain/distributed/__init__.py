"""The street cut into programs that talk through logs: ingest, fuse and desk, each a pure function of the log it reads.

`Ingest` turns raw records into parcels of admitted rows for the partitions of fusion; a `FusePartition` turns parcels
into the tick records of its partition; a `CityDesk` turns those into the city's. What they say is what `Runner` says
over the same raw records, byte for byte, however they are restarted. Programs on Kafka bring the I/O.
"""

from city_brain.distributed.city_desk import CityDesk
from city_brain.distributed.fuse_partition import FusePartition
from city_brain.distributed.ingest import DeadRecord, Ingest, IngestBatch
from city_brain.distributed.parcel import Parcel
from city_brain.distributed.raw_log import MARK_HEADER, MARK_KEY, RAW_TOPICS, RawPartitions, RawRecord
from city_brain.distributed.tick_sequence import TickSequence

__all__ = [
    "MARK_HEADER",
    "MARK_KEY",
    "RAW_TOPICS",
    "CityDesk",
    "DeadRecord",
    "FusePartition",
    "Ingest",
    "IngestBatch",
    "Parcel",
    "RawPartitions",
    "RawRecord",
    "TickSequence",
]
