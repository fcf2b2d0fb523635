"""Commands around Kafka: `topics`, `send`, `doctor`."""
