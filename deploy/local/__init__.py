"""The whole product on one machine, with a real Kafka and PostgreSQL from packages.

Start reading at `stack.py`; `python -m deploy.local --help` shows the commands.
"""
