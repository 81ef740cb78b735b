"""The collector: takes customers' answers on its pages and by API, and publishes them."""
