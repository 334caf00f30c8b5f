//! Errors of the native API (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An `application/problem+json` document.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:tenantry:error:<code>`
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people. Never holds a rejected value.
    pub detail: String,
    /// Fields that break a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// A field and what is wrong with it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) into the request's body.
    pub pointer: String,
    /// A sentence for people.
    pub detail: String,
}
