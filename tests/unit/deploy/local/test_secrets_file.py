import hashlib
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.secrets_file import load_or_create
from shared.processes import SERVICES


def test_secrets_stay_the_same_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "state" / "secrets.json"
    first = load_or_create(file)
    assert load_or_create(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(first.services) == set(SERVICES)
    assert len(set(first.services.values())) == len(SERVICES)
    assert len(first.signing) >= 32


def test_services_get_the_hash_of_the_api_key_and_never_the_key(tmp_path: Path) -> None:
    secrets = load_or_create(tmp_path / "secrets.json")
    assert secrets.api_key not in secrets.api_keys_setting
    assert secrets.api_keys_setting.split(":")[1] == hashlib.sha256(secrets.api_key.encode()).hexdigest()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"api_key": "x"}'])
def test_a_damaged_file_is_reported_and_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(text)
    with pytest.raises(StackError, match="make clean"):
        load_or_create(file)
    assert file.read_text() == text
