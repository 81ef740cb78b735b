"""The world outside Hearback, for the demo, the replay and the end-to-end tests.

A shop's backend that publishes orders to Kafka, and customers who read their mail and follow its links. It uses only
Hearback's topics and HTTP APIs, and none of its code.
"""
