"""The collector: records customers' answers from its pages and API, and publishes them."""
