"""Which backends are the stack's own."""

from deploy.local.backends import External
from deploy.local.ports import HOST, StackPorts


def test_a_shell_that_sourced_our_env_file_does_not_make_our_servers_external() -> None:
    ports = StackPorts.from_base(8000)
    own = External(f"{HOST}:{ports.kafka}", f"postgresql://hearback:x@{HOST}:{ports.postgresql}/hearback")
    assert own.other_than(ports) == External(None, None)
    elsewhere = External("kafka.example:9092", "postgresql://shop:x@db.example/shop")
    assert elsewhere.other_than(ports) == elsewhere
    assert own.other_than(StackPorts.from_base(18000)) == own
