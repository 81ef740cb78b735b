"""The events: what is published on Kafka, on which topic and under which id. Start reading at ``topics.py``."""
