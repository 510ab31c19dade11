"""Writes the TypeScript types of the messages from the JSON Schema: python -m tools.client_types."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "stream" / "protocol" / "mtclar.v1.schema.json"
TYPES = ROOT / "stream" / "web" / "client" / "messages.d.ts"
HEAD = """\
// The messages of mtclar.v1, written by `python -m tools.client_types` from its JSON Schema. Meaning: docs/protocol.
"""

Json = dict[str, Any]


def written(schema: Json) -> str:
    """The text of messages.d.ts: one exported type for each definition of the schema."""
    return "\n".join([HEAD, *(_definition(name, one) for name, one in schema["$defs"].items())])


def _definition(name: str, schema: Json) -> str:
    kind = _name(name)
    comment = _comment(schema, "")
    if "properties" in schema:
        return f"{comment}export interface {kind} {type_text(schema, '')}\n"
    return f"{comment}export type {kind} = {type_text(schema, '')};\n"


def type_text(schema: Json, indent: str) -> str:
    """A schema as a type; what has members runs over several lines."""
    if "$ref" in schema:
        return _name(schema["$ref"].split("/")[-1])
    if alternatives := schema.get("oneOf", schema.get("anyOf")):
        return " | ".join(type_text(one, indent) for one in alternatives)
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "array":
            return _array(schema, indent)
        case "object" if "properties" in schema:
            return _object(schema, indent)
        case "object":
            return f"Record<string, {type_text(schema['additionalProperties'], indent)}>"
        case "integer":
            return "number"
        case "number" | "string" | "boolean" | "null" as name:
            return str(name)
    raise ValueError(f"no type is known for {schema}")


def _array(schema: Json, indent: str) -> str:
    item = type_text(schema["items"], indent)
    length = schema.get("minItems")
    if length and length == schema.get("maxItems"):
        return f"[{', '.join([item] * length)}]"
    return f"Array<{item}>"


def _object(schema: Json, indent: str) -> str:
    inner = indent + "  "
    lines = []
    for name, one in schema["properties"].items():
        optional = "" if name in schema.get("required", []) else "?"
        lines.append(f"{_comment(one, inner)}{inner}{name}{optional}: {type_text(one, inner)};")
    return "\n".join(["{", *lines, indent + "}"])


def _comment(schema: Json, indent: str) -> str:
    """The description, also where `null` is the alternative to what it describes."""
    described = [one["description"] for one in (schema, *schema.get("oneOf", [])) if "description" in one]
    return f"{indent}/** {described[0]} */\n" if described else ""


def _name(definition: str) -> str:
    if definition == "error":
        return "ServerError"  # Error is a class of the language
    return "".join(part.capitalize() for part in definition.split("_"))


if __name__ == "__main__":
    TYPES.write_text(written(json.loads(SCHEMA.read_text())))
    print(f"written: {TYPES.relative_to(ROOT)}")
