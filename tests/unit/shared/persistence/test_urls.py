"""The URL a managed PostgreSQL hands out works as it is; a mistake in it is named, and its password is not."""

from pathlib import Path

import pytest

from shared.persistence.urls import driver_url


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgres://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql://u:p@h/d?sslmode=require&channel_binding=require", "postgresql://u:p@h/d?sslmode=require"),
        ("postgresql://u:p%40@h/d?connect_timeout=10&pgbouncer=true", "postgresql://u:p%40@h/d"),
        ("postgresql://u@/d?host=/run/postgresql", "postgresql://u@/d?host=/run/postgresql"),
        (" postgresql://u:p@h/d\n", "postgresql://u:p@h/d"),
    ],
)
def test_what_libpq_understands_is_understood(given: str, read: str) -> None:
    assert driver_url(given) == read


def test_a_root_certificate_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    with pytest.raises(ValueError, match=r"sslrootcert=.*is not a file"):
        driver_url(f"postgresql://u:p@h/d?sslmode=verify-full&sslrootcert={file}")
    file.touch()
    assert str(file) in driver_url(f"postgresql://u:p@h/d?sslmode=verify-full&sslrootcert={file}")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("mysql://u:hunter2@h/d", "must start with postgresql://"),
        ("postgresql://u:hunter2@h:port/d", "its port is not a number"),
        ("postgresql://u:hunter2@h", "names no database"),
        ("postgresql://u:hunter2@h/d?sslmode=on", "choose from disable, allow"),
    ],
)
def test_a_mistake_is_named_without_the_password(given: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as raised:
        driver_url(given)
    assert "hunter2" not in str(raised.value)
