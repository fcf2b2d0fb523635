"""What is really there: tracks joined across cameras into objects, signals, sensors and queues."""
