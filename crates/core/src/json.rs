//! JSON from outside, read strictly: no duplicate member names, no depth or size that surprises.
//!
//! The text itself is read by `serde_json`, which refuses invalid UTF-8, lone surrogates and
//! anything after the value. What it would let pass, a name that occurs twice (of which a map
//! keeps only the last), is refused here at every level.

use crate::limits;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;

/// A JSON value with its members in the order in which they were sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number; integers that fit 64 bits are exact.
    Number(serde_json::Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object. No two members have the same name.
    Object(Vec<(String, Json)>),
}

/// Why a text is not taken as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON (RFC 8259), or not UTF-8.
    #[error("the body is not valid JSON")]
    Syntax,
    /// A member name occurs twice in one object.
    #[error("the body has a member name twice")]
    Duplicate,
    /// Nested deeper than [`limits::JSON_DEPTH_MAX`].
    #[error("the body is nested too deeply")]
    Depth,
    /// More values than [`limits::JSON_NODES_MAX`].
    #[error("the body has too many values")]
    Nodes,
}

impl JsonError {
    /// The sentence for a caller.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Syntax => "the body is not valid JSON",
            Self::Duplicate => "the body has a member name twice",
            Self::Depth => "the body is nested too deeply",
            Self::Nodes => "the body has too many values",
        }
    }
}

/// Reads one JSON value that fills `bytes`, with at most [`limits::JSON_NODES_MAX`] values in it.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    parse_within(bytes, limits::JSON_NODES_MAX)
}

/// Reads one JSON value with at most `nodes_max` values in it.
///
/// # Errors
/// What is wrong with it.
pub fn parse_within(bytes: &[u8], nodes_max: usize) -> Result<Json, JsonError> {
    let state = State { nodes_left: Cell::new(nodes_max), problem: Cell::new(JsonError::Syntax) };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed { state: &state, depth: 0 };
    let value = seed.deserialize(&mut deserializer).map_err(|_| state.problem.get())?;
    deserializer.end().map_err(|_| JsonError::Syntax)?;
    Ok(value)
}

impl Json {
    /// The member of an object by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// True where some string or member name in the value, at any level, passes `test`.
    pub fn any_text(&self, test: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => false,
            Self::String(string) => test(string),
            Self::Array(values) => values.iter().any(|value| value.any_text(test)),
            Self::Object(members) => {
                members.iter().any(|(name, value)| test(name) || value.any_text(test))
            }
        }
    }

    /// Compact JSON text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::String(text) => write_string(text, out),
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string is always JSON"));
}

struct State {
    nodes_left: Cell<usize>,
    problem: Cell<JsonError>,
}

impl State {
    fn fail<E: serde::de::Error>(&self, problem: JsonError) -> E {
        self.problem.set(problem);
        E::custom(problem)
    }
}

struct Seed<'a> {
    state: &'a State,
    depth: usize,
}

impl Seed<'_> {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= limits::JSON_DEPTH_MAX {
            return Err(self.state.fail(JsonError::Depth));
        }
        Ok(Seed { state: self.state, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        match self.state.nodes_left.get().checked_sub(1) {
            Some(left) => self.state.nodes_left.set(left),
            None => return Err(self.state.fail(JsonError::Nodes)),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        serde_json::Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        loop {
            match seq.next_element_seed(self.inner()?)? {
                Some(value) => values.push(value),
                None => return Ok(Json::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(self.state.fail(JsonError::Duplicate));
            }
            members.push((name, map.next_value_seed(self.inner()?)?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_are_refused_at_every_level() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"[{"a":1,"b":2,"a":3}]"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Err(JsonError::Duplicate), "{text}");
        }
        assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let texts: [&[u8]; 12] = [
            b"",
            b"{",
            b"{}x",
            b"{'a':1}",
            b"NaN",
            b"[1,]",
            b"// c\n{}",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            br#""\ud800""#,
            br#""\udc00x""#,
            b"1e400",
        ];
        for text in texts {
            assert_eq!(parse(text), Err(JsonError::Syntax), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn depth_is_limited_at_16() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(16).as_bytes()).is_ok());
        assert_eq!(parse(nested(17).as_bytes()), Err(JsonError::Depth));
        assert_eq!(parse(nested(100_000).as_bytes()), Err(JsonError::Depth));
    }

    #[test]
    fn values_are_limited_at_256() {
        let array = |values: usize| format!("[{}]", vec!["0"; values].join(","));
        assert!(parse(array(255).as_bytes()).is_ok());
        assert_eq!(parse(array(256).as_bytes()), Err(JsonError::Nodes));
    }

    #[test]
    fn text_reads_back() {
        let text = r#"{"a":[1,-2,1.5,true,null,"x\n\"é"],"b":{}}"#;
        assert_eq!(parse(text.as_bytes()).expect("JSON").to_text(), text);
    }
}
