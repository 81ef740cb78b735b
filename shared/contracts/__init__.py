"""The events published on Kafka, with their topics and ids. Start reading at ``topics.py``."""
