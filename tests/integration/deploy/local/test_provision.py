import asyncpg
import pytest
from sqlalchemy.engine import make_url

from deploy.local.provision import Database, provision, temporary_database
from shared.processes import SERVICES


async def test_a_service_works_in_its_own_schema_without_naming_it(empty_database: Database) -> None:
    for service in SERVICES:
        connection = await asyncpg.connect(empty_database.service_urls[service])
        await connection.execute("CREATE TABLE ledger (id int); CREATE TEMPORARY TABLE batch (id int)")
        schema = await connection.fetchval(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'ledger' AND tableowner = current_user"
        )
        await connection.close()
        assert schema == service


@pytest.mark.parametrize("reader", SERVICES)
async def test_no_service_reads_or_writes_another_ones_tables(empty_database: Database, reader: str) -> None:
    for owner in SERVICES:
        if owner == reader:
            continue
        connection = await asyncpg.connect(empty_database.service_urls[owner])
        await connection.execute("CREATE TABLE IF NOT EXISTS secret (id int)")
        await connection.close()
        connection = await asyncpg.connect(empty_database.service_urls[reader])
        for statement in (f"SELECT * FROM {owner}.secret", f"CREATE TABLE {owner}.mine (id int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()


async def test_provisioning_again_keeps_the_tables_and_takes_the_new_passwords(empty_database: Database) -> None:
    connection = await asyncpg.connect(empty_database.service_urls["scorer"])
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
    await connection.close()
    changed = await provision(empty_database.owner_url, dict.fromkeys(SERVICES, "another password: @/?"))
    connection = await asyncpg.connect(changed.service_urls["scorer"])
    assert await connection.fetchval("SELECT id FROM kept") == 1
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(empty_database.service_urls["scorer"])


async def test_an_owner_who_is_no_superuser_can_provision_and_read_everything(postgresql: str) -> None:
    """As on a managed server: the owner has only CREATEROLE and a database."""
    async with temporary_database(postgresql) as outer:
        owner = f"{outer.name}_owner"
        admin = await asyncpg.connect(outer.owner_url)
        await admin.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'p'")
        await admin.execute(f"CREATE DATABASE {outer.name}_managed OWNER {owner}")
        url = (
            make_url(outer.owner_url)
            .set(username=owner, password="p", database=f"{outer.name}_managed")
            .render_as_string(hide_password=False)
        )
        try:
            managed = await provision(url, dict.fromkeys(SERVICES, "p"))
            await provision(url, dict.fromkeys(SERVICES, "p"))
            scorer = await asyncpg.connect(managed.service_urls["scorer"])
            await scorer.execute("CREATE TABLE answers AS SELECT 9 AS score")
            await scorer.close()
            auditor = await asyncpg.connect(managed.owner_url)
            assert await auditor.fetchval("SELECT score FROM scorer.answers") == 9
            await auditor.close()
        finally:
            await admin.execute(f"DROP DATABASE {outer.name}_managed WITH (FORCE)")
            for service in SERVICES:
                await admin.execute(f"DROP ROLE IF EXISTS {outer.name}_managed_{service}")
            await admin.execute(f"DROP ROLE {owner}")
            await admin.close()
