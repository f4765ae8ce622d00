"""The shape of everything that crosses a boundary: camelCase in JSON, snake_case in Python, immutable."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Built strictly, read tolerantly: unknown fields of a newer sender are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore", ser_json_bytes="base64"
    )
