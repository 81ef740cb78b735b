"""The world outside Hearback, for the demo, the replay and the tests of the whole loop.

A shop's backend that publishes orders to Kafka, and customers who read their mail and follow its links. Nothing here
knows Hearback from the inside: only its topics and its HTTP.
"""
