"""Generates the contract for other languages: a JSON Schema per event type and one AsyncAPI 3.1 document.

``python -m shared.contracts.generate`` writes ``docs/contracts/``; with ``--check`` it only compares, and exits with 1
when a file is stale, missing or no longer generated.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import yaml

from shared.contracts import (
    answers,
    campaigns,
    deliveries,
    followups,
    orders,
    preferences,
    requests,
    scores,
    sends,
    sessions,
    shared_ids,
)
from shared.contracts.topics import CATALOGUE, CONSUMED_BY, Topic, dead_letter_topic
from shared.contracts.types import Contract

TARGET = Path(__file__).parents[2] / "docs" / "contracts"

_PUBLISHED_BY = {
    orders.TOPIC: "the shop's backend",
    campaigns.TOPIC: "the dispatcher",
    sends.TOPIC: "the dispatcher",
    deliveries.TOPIC: "the courier",
    answers.TOPIC: "the collector",
    scores.TOPIC: "the scorer",
    preferences.TOPIC: "the collector",
    shared_ids.TOPIC: "the dispatcher",
    sessions.TOPIC: "the scorer and the alerter",
    requests.TOPIC: "nobody yet; backends may use it to request surveys",
}
_HEADERS = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "description": "The same each time the same event is published."},
        "ce_source": {"type": "string", "description": "The publisher; together with ce_id it identifies the event."},
        "ce_type": {"type": "string"},
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context."},
    },
}
_DEAD_LETTER = "dead-letter"
_CUT = "What could not be kept whole:"
_DEAD_LETTER_HEADERS = {
    "type": "object",
    "required": [
        "hearback-topic",
        "hearback-partition",
        "hearback-offset",
        "hearback-consumer",
        "hearback-reason",
    ],
    "properties": {
        "hearback-topic": {"type": "string", "description": "The topic the record was on, without the prefix."},
        "hearback-partition": {"type": "string", "pattern": "^[0-9]+$"},
        "hearback-offset": {"type": "string", "pattern": "^[0-9]+$"},
        "hearback-consumer": {"type": "string", "description": "The process that set it aside."},
        "hearback-reason": {"type": "string", "description": "The field and the rule, never a value."},
        "hearback-records": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "How many records it stands for, if they could not be told apart.",
        },
        "hearback-value": {"type": "string", "description": f"{_CUT} the value, or `none` if there was none."},
        "hearback-key": {"type": "string", "description": f"{_CUT} the key."},
        "hearback-headers": {"type": "string", "description": f"{_CUT} the record's own headers."},
    },
}


def json_schema(event_type: str, model: type[Contract]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a body. Readers must ignore unknown fields: more may be added later."""
    schema = _open(model.model_json_schema(mode="serialization" if not _is_input(event_type) else "validation"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": event_type}


def _is_input(event_type: str) -> bool:
    return event_type in orders.TYPES


def _open(schema: Any) -> Any:
    """Readers ignore unknown fields, so the published schema must not forbid them."""
    if isinstance(schema, dict):
        return {
            key: _open(value) for key, value in schema.items() if not (key == "additionalProperties" and value is False)
        }
    if isinstance(schema, list):
        return [_open(entry) for entry in schema]
    return schema


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.1 document: every topic, its messages, and who publishes and consumes them."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic in CATALOGUE:
        channels[topic.name] = _channel(topic, topic.bodies)
        publisher = "the alerter" if topic.name.startswith(followups.TOPIC_PREFIX) else _PUBLISHED_BY[topic.name]
        operations[f"publish {topic.name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{_pointer(topic.name)}"},
            "summary": f"Published by {publisher}.",
        }
        readers = [name for name, topics in CONSUMED_BY.items() if topic in topics]
        if readers:
            operations[f"consume {topic.name}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{_pointer(topic.name)}"},
                "summary": f"Consumed by {', '.join(readers)}.",
            }
        for event_type in topic.bodies:
            messages[event_type] = {
                "name": event_type,
                "contentType": "application/json",
                "headers": _HEADERS,
                "payload": {"$ref": f"./{event_type}.schema.json"},
            }
    for service, topics in CONSUMED_BY.items():
        for topic in topics:
            letters = dead_letter_topic(topic.name, service=service)
            channels[letters.name] = _channel(letters, [_DEAD_LETTER])
            operations[f"publish {letters.name}"] = {
                "action": "send",
                "channel": {"$ref": f"#/channels/{_pointer(letters.name)}"},
                "summary": f"Published by the {service}, with what it could not read or handle.",
            }
    messages[_DEAD_LETTER] = {
        "name": _DEAD_LETTER,
        "summary": "A record as it was, with its own key, value and headers, and these headers after them.",
        "headers": _DEAD_LETTER_HEADERS,
        "payload": {"description": "The bytes of the record, which may be anything."},
    }
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Hearback events",
            "version": "1.0.0",
            "description": "Records are CloudEvents in binary mode with a JSON body; structured mode is accepted too.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _channel(topic: Topic, messages: Iterable[str]) -> dict[str, Any]:
    configuration = topic.configuration()
    return {
        "address": topic.name,
        "description": f"{topic.summary} Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{_pointer(name)}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": configuration["cleanup.policy"].split(","),
                    "retention.ms": int(configuration["retention.ms"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def files() -> dict[str, bytes]:
    """The name and content of every generated file."""
    generated: dict[str, bytes] = {}
    for topic in CATALOGUE:
        for event_type, model in topic.bodies.items():
            schema = json_schema(event_type, model)
            generated[f"{event_type}.schema.json"] = orjson.dumps(schema, option=orjson.OPT_INDENT_2) + b"\n"
    document = yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120)
    generated["asyncapi.yaml"] = document.encode()
    return generated


def stale() -> list[str]:
    """Names of files that are missing, stale or no longer generated."""
    wanted = files()
    present = {path.name: path.read_bytes() for path in TARGET.iterdir()} if TARGET.is_dir() else {}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only; exit with 1 if anything is stale")
    only_compare: bool = parser.parse_args().check
    found, wanted = stale(), files()
    if not found:
        print(f"docs/contracts is up to date ({len(wanted)} files)")
        return
    if only_compare:
        print(f"stale: {', '.join(found)}; run python -m shared.contracts.generate", file=sys.stderr)
        raise SystemExit(1)
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in found:
        if name in wanted:
            (TARGET / name).write_bytes(wanted[name])
        else:
            (TARGET / name).unlink()
    print(f"updated docs/contracts: {', '.join(found)}")


if __name__ == "__main__":
    main()
