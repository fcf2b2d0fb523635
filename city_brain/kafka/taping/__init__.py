"""Topics are recorded from Kafka, and recordings are played to Kafka, record for record."""
