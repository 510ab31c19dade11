"""The contract of each protocol for machines: its schema and its AsyncAPI description, as tests read them."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

DOCS = Path(__file__).parents[2] / "docs" / "protocol"


class Contract:
    """The files of one protocol, as its package has them. `foreign`: messages of another protocol that it names."""

    def __init__(self, package: str, name: str, foreign: frozenset[str] = frozenset()) -> None:
        self._files = {
            f"{name}.{kind}": (resources.files(package) / f"{name}.{kind}").read_bytes()
            for kind in ("schema.json", "asyncapi.yaml")
        }
        schema, asyncapi = self._files.values()
        self._foreign = foreign
        self.asyncapi = yaml.safe_load(asyncapi)
        self.schema = json.loads(schema)
        definitions = self.schema["$defs"]
        self.from_server = jsonschema.Draft202012Validator(self.schema)
        self.from_client = jsonschema.Draft202012Validator(
            {"$defs": definitions, "$ref": "#/$defs/from_client"}
        )

    def kinds(self, side: str) -> set[str]:
        """The messages `from_server` or `from_client`."""
        return {one["$ref"].rpartition("/")[2] for one in self.schema["$defs"][side]["oneOf"]}

    def require_in_docs(self) -> None:
        """The files beside the pages are those that are served."""
        for name, content in self._files.items():
            assert (DOCS / name).read_bytes() == content

    def require_whole_asyncapi(self) -> None:
        """A generator that reads it finds every message once in its direction, and no reference leads nowhere."""
        asyncapi = self.asyncapi
        messages: dict[str, Any] = asyncapi["components"]["messages"]
        assert set(asyncapi["channels"]["stream"]["messages"]) == set(messages)
        places = {
            name: message["payload"]["$ref"].partition("#/$defs/") for name, message in messages.items()
        }
        for operation, side, more in (
            ("receive", "from_server", self._foreign),
            ("say", "from_client", set()),
        ):
            named = [ref["$ref"].rpartition("/")[2] for ref in asyncapi["operations"][operation]["messages"]]
            assert sorted(places[name][2] for name in named) == sorted(self.kinds(side) | more)
        for name, (file, _, place) in places.items():
            described = json.loads((DOCS / file).read_text())["$defs"][place]
            if self._foreign:  # an extension: the names of its messages have its prefix
                assert described["properties"]["type"]["const"] == messages[name].get("name", name)


STREAM = Contract("mtclar.stream.protocol", "mtclar.v1")
CALIBRATE = Contract("mtclar.calibrate.web.protocol", "calibrate.v1", frozenset({"error"}))
STUDIO = Contract("mtclar.studio.protocol", "studio.v1", frozenset({"error"}))
