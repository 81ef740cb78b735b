"""Where words are found in a database: in any column of any table, whatever its type."""

from collections.abc import Collection

import asyncpg


async def words_in_tables(owner_url: str, words: Collection[str]) -> dict[str, set[str]]:
    """Which of these words are where, by ``schema.table.column``; in bytes, too. Upper and lower case are one."""
    found: dict[str, set[str]] = {}
    connection = await asyncpg.connect(owner_url)
    try:
        columns = await connection.fetch(
            """
            SELECT table_schema AS schema, table_name AS name, array_agg(column_name::text) AS columns
            FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
            WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'
            GROUP BY 1, 2
            """
        )
        for schema, table, names in columns:
            texts = ", ".join(f"""('{name}', lower(scanned."{name}"::text))""" for name in names)
            rows = await connection.fetch(
                f"""
                SELECT DISTINCT field.name, word
                FROM "{schema}"."{table}" AS scanned
                CROSS JOIN LATERAL (VALUES {texts}) AS field (name, said)
                JOIN unnest($1::text[]) AS word
                  ON strpos(said, lower(word)) > 0 OR strpos(said, encode(convert_to(word, 'UTF8'), 'hex')) > 0
                """,
                list(words),
            )
            for name, word in rows:
                found.setdefault(f"{schema}.{table}.{name}", set()).add(word)
    finally:
        await connection.close()
    return found
