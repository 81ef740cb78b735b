"""Delivery channels: the interface, and a folder for each channel."""
