"""The image is small and closed; all five processes run from it, with a read-only root and without root's rights."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local.backends import Backends
from shared.processes import PROCESSES
from tests.kit.eventually import eventually
from tests.kit.http import http_client
from tests.kit.images import MountedImage, mounted_image
from tests.kit.stacks import running_stack
from tools.simulation.mailbox import MailboxReader
from tools.simulation.shop import ShopBackend
from tools.simulation.shop_event import ShopEvent
from tools.simulation.visitor import Visitor

LARGEST_BYTES = 500_000_000
"""With Debian's Python, of which the base is more than half."""
NOT_NEEDED = ("cc", "gcc", "pip", "pytest", "ruff", "java")
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def image() -> Iterator[MountedImage]:
    with mounted_image() as mounted:
        yield mounted


def run(image: MountedImage, *arguments: str, program: bool = False) -> "subprocess.CompletedProcess[str]":
    command = image.program(*arguments) if program else image.command(*arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_says_what_it_can_do(image: MountedImage) -> None:
    told = run(image, "--help")
    assert told.returncode == 0 and "migrate" in told.stdout, told.stderr
    wrong = run(image, "run", "scoror")
    assert wrong.returncode == 2 and "choose from dispatcher" in wrong.stderr
    # As the settings are: without a secret, no process starts.
    refused = run(image, "run", "scorer")
    assert refused.returncode == 2 and "HEARBACK_SECRET" in refused.stderr and "Traceback" not in refused.stderr


def test_it_holds_what_processes_need_and_nothing_else(image: MountedImage) -> None:
    assert image.bytes < LARGEST_BYTES
    for name in NOT_NEEDED:
        found = run(image, "sh", "-c", f"command -v {name}", program=True)
        assert found.stdout == "", f"{name} is in the image"
    app = image.root / "opt/hearback/app"
    assert {each.name for each in app.iterdir()} == {"services", "shared", "tools"}
    assert {each.name for each in (app / "tools").iterdir() if each.is_dir()} == {"__pycache__", "audit", "hearback"}
    assert not list(app.rglob("test_*.py"))


def test_its_user_can_write_nowhere_but_in_one_folder(image: MountedImage) -> None:
    assert image.configuration["User"] == "10001:10001"
    written = run(image, "sh", "-c", "id -u; touch /tmp/here && echo yes; touch /opt/hearback/x", program=True)
    assert written.stdout.split() == ["10001", "yes"]
    assert "Read-only file system" in written.stderr
    # Nor could it with a root that is not read-only.
    owned = [
        path for path in (image.root / "opt/hearback").rglob("*") if not path.is_symlink() and path.stat().st_uid != 0
    ]
    assert owned == []


def test_modules_are_compiled_beforehand(image: MountedImage) -> None:
    """Nothing can be written where it runs, so each start would compile them all."""
    sources = list((image.root / "opt/hearback/app").rglob("*.py"))
    compiled = [source for source in sources if list(source.parent.glob(f"__pycache__/{source.stem}.*.pyc"))]
    assert len(sources) > 300 and len(compiled) == len(sources)


async def test_an_order_becomes_a_case_in_processes_of_the_image(
    image: MountedImage, backends: Backends, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    clock = f"{now.isoformat()}@{now.isoformat()}x3600"  # an hour is a second
    async with (
        running_stack(
            tmp_path, on=backends, clock=clock, command_of=lambda process: image.command("run", process)
        ) as stack,
        http_client() as visitors,
        http_client(key=stack.api_key) as staff,
        ShopBackend(stack.kafka_bootstrap_servers, source="/shop", topic_prefix=stack.topic_prefix) as shop,
    ):
        for name in PROCESSES:
            process = stack.running[name].pid
            assert (Path("/proc") / str(process) / "root").resolve() == image.root
            status = (Path("/proc") / str(process) / "status").read_text()
            assert "Uid:\t10001\t10001\t10001\t10001" in status
        healthy = run(image, "env", f"HEARBACK_HTTP_PORT={stack.http_ports['scorer']}", "python", "-m",
                      "shared.healthcheck", program=True)  # fmt: skip
        assert healthy.returncode == 0, healthy.stderr

        await shop.publish([_order(now)])
        mailbox = MailboxReader(visitors, stack.url("mailbox"))
        mails = await eventually(mailbox.new, "a mail", wanted=bool, within=PATIENCE_SECONDS)
        given = await Visitor(visitors).answer(mails[0].answer_url, 2, comment="The lid was cracked.")

        async def cases() -> list[str]:
            listed = (await staff.get(f"{stack.url('alerter')}/v1/cases")).json()
            return [case["answer"]["answer_id"] for case in listed["cases"] if case.get("answer")]

        await eventually(cases, "a case", wanted=lambda found: given.answer_id in found, within=PATIENCE_SECONDS)
        asked_for = {"segment": "region:of the image"}

        async def counted() -> int:
            score = (await staff.get(f"{stack.url('scorer')}/v1/nps", params=asked_for)).json()
            return int(score["detractors"])

        assert await eventually(counted, "a score", wanted=lambda found: found == 1, within=PATIENCE_SECONDS) == 1


def _order(now: datetime) -> ShopEvent:
    body = {
        "order_id": "order-of-the-image",
        "occurred_at": now.isoformat(),
        "customer": {"id": "image", "email": "image@customers.example", "locale": "en", "region": "of the image"},
    }
    return ShopEvent(id="image-1", type="order.placed", occurred_at=now, customer_id="image", body=body)
