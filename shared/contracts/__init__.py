"""The events: what goes over Kafka, in which topic, and under which id. Start reading at ``topics.py``."""
