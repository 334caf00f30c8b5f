//! JSON whose members keep their order, since the contracts fix it.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A JSON value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads one JSON text, whole.
    pub(crate) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in: {text}"))
    }

    /// The value at a path of member names and indexes with dots between them.
    pub(crate) fn at(&self, path: &str) -> &Self {
        path.split('.').fold(self, |tree, step| {
            let found = match tree {
                Self::Object(members) => {
                    members.iter().find(|(name, _)| name == step).map(|(_, value)| value)
                }
                Self::Array(values) => step.parse().ok().and_then(|at: usize| values.get(at)),
                _ => None,
            };
            found.unwrap_or_else(|| panic!("nothing at {path} of {self:?}"))
        })
    }

    /// The text at a path.
    pub(crate) fn text(&self, path: &str) -> &str {
        match self.at(path) {
            Self::Text(text) => text,
            other => panic!("no text but {other:?} at {path}"),
        }
    }

    /// The whole number at a path.
    pub(crate) fn number(&self, path: &str) -> i64 {
        match self.at(path) {
            Self::Number(number) if number.is_i64() => number.as_i64().unwrap_or_default(),
            other => panic!("no whole number but {other:?} at {path}"),
        }
    }

    /// Names of an object's members, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Object(members) => members.iter().map(|(name, _)| name.as_str()).collect(),
            other => panic!("no object but {other:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        serde_json::Number::from_f64(value)
            .map(Tree::Number)
            .ok_or_else(|| E::custom("not a JSON number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element()? {
            values.push(value);
        }
        Ok(Tree::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}

#[test]
fn members_keep_their_order_and_doubles_are_seen() {
    let tree = Tree::parse(r#"{"b":1,"a":[null,{"x":true}],"b":"2"}"#);
    assert_eq!(tree.names(), ["b", "a", "b"]);
    assert_eq!(tree.at("a.1.x"), &Tree::Bool(true));
    assert_ne!(Tree::parse(r#"{"a":1,"b":2}"#), Tree::parse(r#"{"b":2,"a":1}"#));
}
