"""Commands around Kafka: `topics`, `send`, `redrive`, `doctor`."""
