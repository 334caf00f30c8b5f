//! Strict JSON beside `serde_json`: what one takes and the other refuses is listed here.

use crate::fuzz;
use tenantry_core::json::{JsonError, parse};

#[test]
fn json() {
    fuzz("json", 1, |input| {
        let lenient = serde_json::from_slice::<serde_json::Value>(input);
        match parse(input) {
            // serde_json's own `Value` takes these member names for marks of its own.
            Ok(value) if value.any_text(&|text| text.starts_with("$serde_json::private")) => {}
            Ok(value) => {
                let lenient = lenient.expect("stricter, never laxer");
                let text = value.to_text();
                let again: serde_json::Value = serde_json::from_str(&text).expect("it prints JSON");
                assert_eq!(again, lenient, "{text}");
            }
            // The three rules that serde_json does not have.
            Err(JsonError::Duplicate | JsonError::Depth | JsonError::Nodes) => {}
            Err(JsonError::Syntax) => {
                assert!(lenient.is_err(), "{:?}", String::from_utf8_lossy(input));
            }
        }
    });
}
