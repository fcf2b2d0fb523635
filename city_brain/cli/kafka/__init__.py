"""Commands around Kafka: `topics`, `control`, `send`, `redrive`, `doctor`."""
