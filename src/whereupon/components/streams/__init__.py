"""Where events come from: Kafka, a durable local stream, memory; no stream knows another component."""
