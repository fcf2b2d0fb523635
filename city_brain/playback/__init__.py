"""Recordings in motion: topics recorded from Kafka, and run again through the street in one process, byte for byte."""
