"""The shapes of a sheet's tables as marshmallow checks them, before ``parsing`` makes sense of them."""

from __future__ import annotations

from marshmallow import EXCLUDE, INCLUDE, Schema, fields, validate

from sync_workers.domain.mapping import LEAVE

NAME = validate.Regexp(r"^[a-z][a-z0-9_]*$", error="must be a name in small letters, digits and underscores")
FILLED = validate.Length(min=1, error="must not be empty")
BLANK = validate.OneOf(("", LEAVE), error=f'must be "{LEAVE}" or left out')


class ConditionShape(Schema):
    field = fields.Str(required=True)
    is_ = fields.Raw(data_key="is")
    in_ = fields.List(fields.Raw(), data_key="in", validate=FILLED)


class FieldShape(Schema):
    """The known keys of one field; every other key must be a system."""

    class Meta:
        unknown = INCLUDE

    name = fields.Str(required=True, validate=NAME)
    # A field may lack its owner or reason while a sheet is being written: `mapping check` says so.
    owner = fields.Str(load_default="")
    why = fields.Str(load_default="")
    as_ = fields.Str(data_key="as", load_default="")
    prefer = fields.Str(load_default="")
    from_ = fields.List(fields.Str(), data_key="from", load_default=list)
    by = fields.Str(load_default="")
    required = fields.Bool(load_default=False)
    at_birth = fields.Bool(load_default=False)
    when_blank = fields.Str(load_default="", validate=BLANK)
    locked_when = fields.Dict(keys=fields.Str(), load_default=dict)


class ItemFieldShape(FieldShape):
    owner = fields.Str(load_default=None, allow_none=True)


class ListShape(Schema):
    class Meta:
        unknown = INCLUDE

    name = fields.Str(required=True, validate=NAME)
    owner = fields.Str(load_default="")
    why = fields.Str(load_default="")
    key = fields.Dict(keys=fields.Str(), values=fields.Str(), required=True)
    field = fields.List(fields.Dict(), required=True, validate=FILLED)
    locked_when = fields.Dict(keys=fields.Str(), load_default=dict)


class StepShape(Schema):
    name = fields.Str(required=True, validate=NAME)
    system = fields.Str(required=True)
    why = fields.Str(load_default="")
    when = fields.Dict(keys=fields.Str(), required=True, validate=FILLED)
    needs = fields.Dict(keys=fields.Str(), load_default=dict)
    was = fields.Dict(keys=fields.Str(), load_default=dict)


class CheckShape(Schema):
    """The keys that every check has; the others are its own options."""

    class Meta:
        unknown = INCLUDE

    name = fields.Str(required=True, validate=NAME)
    system = fields.Str(required=True)
    before = fields.List(fields.Str(), required=True, validate=FILLED)
    quoted_by = fields.Str(required=True)
    why = fields.Str(load_default="")


class SheetShape(Schema):
    kind = fields.Str(required=True, validate=NAME)
    version = fields.Int(required=True, strict=True, validate=validate.Range(min=1))
    title = fields.Str(load_default="")
    created_by = fields.List(fields.Str(), required=True)
    created_when = fields.Nested(ConditionShape)
    extends = fields.Str(load_default="")
    worth = fields.Str(load_default="")
    shows_archived = fields.List(fields.Str(), load_default=list)
    object = fields.Dict(keys=fields.Str(), values=fields.Str(), load_default=dict)
    reference = fields.Dict(keys=fields.Str(), values=fields.Str(), load_default=dict)
    natural_keys = fields.List(fields.Str(), load_default=list)
    units = fields.Dict(
        keys=fields.Str(), values=fields.Dict(keys=fields.Str(), values=fields.Str()), load_default=dict
    )
    field = fields.List(fields.Dict(), load_default=list)
    list_ = fields.List(fields.Dict(), data_key="list", load_default=list)
    step = fields.List(fields.Dict(), load_default=list)
    check = fields.List(fields.Dict(), load_default=list)


class PlaceShape(Schema):
    class Meta:
        unknown = EXCLUDE

    path = fields.Str(required=True, validate=FILLED)
    as_ = fields.Str(data_key="as", load_default="")
    read_only = fields.Bool(load_default=False)
    note = fields.Bool(load_default=False)
