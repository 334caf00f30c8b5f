//! Schemas of parameters.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType, Type,
};

/// `resource:action`. Of Tenantry's own resources there are only some.
pub(super) const PERMISSION: &str = r"^(\*|tenantry\.\*|[a-z0-9_.-]{1,64}):(\*|[a-z0-9_.-]{1,64})$";

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

/// A whole number of a range.
pub(super) fn number(min: u32, max: u32) -> RefOr<Schema> {
    RefOr::T(of(Type::Integer).minimum(Some(min)).maximum(Some(max)).into())
}

/// True or false.
pub(super) fn flag() -> RefOr<Schema> {
    RefOr::T(of(Type::Boolean).into())
}

/// One of some words.
pub(super) fn word<const N: usize>(words: [&str; N]) -> RefOr<Schema> {
    RefOr::T(of(Type::String).enum_values(Some(words)).into())
}

/// A time, RFC 3339.
pub(super) fn time() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    RefOr::T(of(Type::String).format(Some(format)).into())
}

/// A time, RFC 3339, or a day.
pub(super) fn time_or_day() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Date);
    let day = of(Type::String).format(Some(format));
    RefOr::T(OneOfBuilder::new().item(time()).item(day).into())
}

/// A UUID.
pub(super) fn uuid() -> RefOr<Schema> {
    let format = SchemaFormat::Custom("uuid".to_owned());
    RefOr::T(of(Type::String).format(Some(format)).into())
}

/// A text of some length.
pub(super) fn text(min: usize, max: usize) -> RefOr<Schema> {
    RefOr::T(of(Type::String).min_length(Some(min)).max_length(Some(max)).into())
}
