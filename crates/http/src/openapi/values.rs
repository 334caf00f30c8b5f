//! Schemas of parameters.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType, Type,
};

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
    one_of_formats([KnownFormat::DateTime, KnownFormat::Date], None)
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

/// `resource:action`. Of Tenantry's own resources there are only some.
pub(super) fn permission() -> RefOr<Schema> {
    let form = r"^(\*|tenantry\.\*|[a-z0-9_.-]{1,64}):(\*|[a-z0-9_.-]{1,64})$";
    RefOr::T(of(Type::String).pattern(Some(form)).into())
}

/// An address.
pub(super) fn address() -> RefOr<Schema> {
    one_of_formats([KnownFormat::Ipv4, KnownFormat::Ipv6], None)
}

/// An address, or a network in CIDR notation.
pub(super) fn network() -> RefOr<Schema> {
    let form = "^[0-9a-fA-F:.]{2,45}/[0-9]{1,3}$";
    one_of_formats([KnownFormat::Ipv4, KnownFormat::Ipv6], Some(form))
}

fn one_of_formats(formats: [KnownFormat; 2], pattern: Option<&str>) -> RefOr<Schema> {
    let formats =
        formats.map(|format| of(Type::String).format(Some(SchemaFormat::KnownFormat(format))));
    let pattern = pattern.map(|pattern| of(Type::String).pattern(Some(pattern)));
    let kinds = formats.into_iter().chain(pattern);
    RefOr::T(kinds.fold(OneOfBuilder::new(), OneOfBuilder::item).into())
}
