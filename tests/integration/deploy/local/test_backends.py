"""Which backends are the stack's own."""

from deploy.local.backends import External
from deploy.local.ports import HOST, StackPorts


def test_a_shell_that_sourced_our_env_file_does_not_make_our_servers_external() -> None:
    ports = StackPorts.from_base(8000)
    own = External(
        kafka_bootstrap_servers=f"{HOST}:{ports.kafka}",
        database_url=f"postgresql://hearback:x@{HOST}:{ports.postgresql}/hearback",
    )
    assert own.other_than(ports) == External(kafka_bootstrap_servers=None, database_url=None)
    elsewhere = External(
        kafka_bootstrap_servers="kafka.example:9092", database_url="postgresql://shop:x@db.example/shop"
    )
    assert elsewhere.other_than(ports) == elsewhere
    assert own.other_than(StackPorts.from_base(18000)) == own
