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
    /// Concurrent calls that were asked for, where they are more than there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<u32>,
    /// Those that can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<u32>,
    /// The limit that refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_limit: Option<u32>,
    /// Calls in progress, or given to other sub-accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<u32>,
}

/// A field and what is wrong with it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) into the request's body.
    pub pointer: String,
    /// A sentence for people.
    pub detail: String,
}
