"""The schema of a request for one record or several, made of the record's own."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import create_model, model_validator

from service.contract.table import TableField
from service.tasks.fields import Record, record_model
from service.web.api.schemas import ROWS, OneOrSeveral, Schema, either


class FlatRequest(Record):
    """One record, its fields side by side; or several, as a list."""

    rows_field: ClassVar[str]

    @model_validator(mode="after")
    def _one_of_two(self) -> "FlatRequest":
        many, given = self.rows_field, sorted(map(self._alias, self.model_fields_set))
        if not given or (many in given and len(given) > 1):
            *most, last = [name for name in self.names if name != many]
            raise ValueError(
                f"expected some of {', '.join(most)} and {last}, or {many} alone; "
                f"received {', '.join(given) or 'nothing'}"
            )
        if given == [many] and getattr(self, many) is None:
            raise ValueError(f"{many}: expected a list, received null")
        return self

    @classmethod
    def _alias(cls, name: str) -> str:
        return cls.model_fields[name].alias or name

    def rows(self) -> Sequence[Record]:
        """The records, in order."""
        records: list[Record] | None = getattr(self, self.rows_field)
        return [self] if records is None else records


def records_request(
    fields: Sequence[TableField], dtypes: Sequence[str], one: str | None, many: str
) -> Any:
    """The schema of a request.

    Args:
        fields: Of a record.
        dtypes: See `record_model`.
        one: The field for one record; None = its own fields stand side by side.
        many: The field for several.
    """
    record = record_model(fields, dtypes)
    several: Any = Annotated[list[record], ROWS]  # type: ignore[valid-type]
    members: dict[str, Any] = {many: (several | None, None)}
    if one is None:
        config = {"json_schema_extra": _one_or_several(many)}
        made = record_model(
            fields, dtypes, FlatRequest, __cls_kwargs__=config, **members
        )
    else:
        made = create_model(
            "RecordsRequest",
            __base__=OneOrSeveral,
            __cls_kwargs__={"json_schema_extra": either([one], [many])},
            **{one: (record | None, None)} | members,
        )
        made.one = one
    made.rows_field = many
    return made


def inlined(schema: Schema) -> Schema:
    """Whole: a reference would point out of the OpenAPI document."""
    definitions = schema.pop("$defs", {})

    def replace(node: Any) -> Any:
        if isinstance(node, list):
            return [replace(each) for each in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):  # no property of that name
            name = node["$ref"].rpartition("/")[2]
            return replace(definitions[name])
        return {key: replace(value) for key, value in node.items()}

    whole: Schema = replace(schema)
    return whole


def _one_or_several(many: str) -> Callable[[Schema], None]:
    """The schema of one record, its fields side by side; or of a list of records."""

    def extra(schema: Schema) -> None:
        records = schema["properties"].pop(many)["anyOf"][0]
        one = {"type": "object", "additionalProperties": False}
        fields = {"properties": schema.pop("properties"), "minProperties": 1}
        several = {"properties": {many: records}, "required": [many]}
        schema["oneOf"] = [one | fields, one | several]
        del schema["additionalProperties"], schema["type"]

    return extra
