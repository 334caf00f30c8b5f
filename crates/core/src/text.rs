//! Text from outside: names, profile attributes and metadata, in types that cannot be wrong.

use crate::error::Problem;
use crate::json::Json;
use crate::limits;
use unicode_normalization::UnicodeNormalization;

/// The name of an account, key or service account: 1 to 100 Unicode scalar values in NFC, not
/// blank, without control or text-direction characters. Joiners inside it are fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Box<str>);

impl Name {
    /// Reads a name and brings it into NFC.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // Normalization may shorten a text but never lengthens it more than threefold (UAX #15),
        // so a far longer one is refused without the work.
        if text.len() > limits::NAME_CHARS_MAX * 4 * 3 {
            return Err(Problem::TooLong(limits::NAME_CHARS_MAX));
        }
        // Most names are plain ASCII, which is in NFC as it stands (UAX #15).
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) && text.bytes().any(|b| b != b' ') {
            return match text.len() {
                ..=limits::NAME_CHARS_MAX => Ok(Self(text.into())),
                _ => Err(Problem::TooLong(limits::NAME_CHARS_MAX)),
            };
        }
        let text: String = text.nfc().collect();
        check(&text, limits::NAME_CHARS_MAX)?;
        if text.chars().all(is_invisible) {
            return Err(Problem::Blank);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A profile attribute or e-mail address: up to 200 Unicode scalar values without control or
/// text-direction characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(Box<str>);

impl Line {
    /// Reads a line of text.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        check(text, limits::PROFILE_CHARS_MAX)?;
        Ok(Self(text.into()))
    }

    /// Reads a text of several lines, as an address is.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse_paragraph(text: &str) -> Result<Self, Problem> {
        let lines: String = text.chars().filter(|c| !matches!(c, '\n' | '\r' | '\t')).collect();
        check(&lines, limits::PROFILE_CHARS_MAX)?;
        if text.chars().count() > limits::PROFILE_CHARS_MAX {
            return Err(Problem::TooLong(limits::PROFILE_CHARS_MAX));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A caller's own JSON object, kept as compact text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata(Box<str>);

impl Metadata {
    /// The empty object.
    #[must_use]
    pub fn empty() -> Self {
        Self("{}".into())
    }

    /// Takes a JSON object.
    ///
    /// # Errors
    /// The rule that it breaks: another type, too many bytes, a NUL inside.
    pub fn from_json(value: &Json) -> Result<Self, Problem> {
        if !matches!(value, Json::Object(_)) {
            return Err(Problem::WrongType("an object"));
        }
        let text = value.to_text();
        if text.len() > limits::METADATA_BYTES_MAX {
            return Err(Problem::TooLarge(limits::METADATA_BYTES_MAX));
        }
        // PostgreSQL's JSON and text types hold no NUL; refuse it on every store alike.
        if text.contains("\\u0000") && value.any_text(&|text| text.contains('\0')) {
            return Err(Problem::ForbiddenCharacter);
        }
        Ok(Self(text.into()))
    }

    /// Takes a stored row's text.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn from_stored(text: &str) -> Result<Self, Problem> {
        if text == "{}" {
            return Ok(Self::empty());
        }
        if text.len() > limits::METADATA_BYTES_MAX {
            return Err(Problem::TooLarge(limits::METADATA_BYTES_MAX));
        }
        // Kept byte for byte: what is printed anew may differ in a number's last digit, and the
        // row's seal covers the text.
        match crate::json::parse_within(text.as_bytes(), usize::MAX) {
            Ok(Json::Object(_)) => Ok(Self(text.into())),
            _ => Err(Problem::Malformed),
        }
    }

    /// Compact JSON of the object.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True where nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        &*self.0 == "{}"
    }
}

fn check(text: &str, chars_max: usize) -> Result<(), Problem> {
    if text.chars().any(is_forbidden) {
        return Err(Problem::ForbiddenCharacter);
    }
    if text.chars().count() > chars_max {
        return Err(Problem::TooLong(chars_max));
    }
    Ok(())
}

/// Control characters, and the embeddings, overrides and isolates that reorder the text around a
/// name (UAX #9 §2).
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// White space, zero-width characters and direction marks: nothing that could be seen.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}'
                | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_1_to_100_scalars_are_accepted() {
        assert!(Name::parse("a").is_ok());
        assert!(Name::parse(&"é".repeat(100)).is_ok());
        assert_eq!(Name::parse(&"é".repeat(101)), Err(Problem::TooLong(100)));
        assert_eq!(Name::parse(&"x".repeat(100_000)), Err(Problem::TooLong(100)));
    }

    #[test]
    fn length_counts_after_normalization() {
        let name = Name::parse(&"e\u{301}".repeat(100)).expect("100 scalars in NFC");
        assert_eq!(name.as_str(), "é".repeat(100));
    }

    #[test]
    fn blank_names_are_refused() {
        for text in ["", " ", "\u{200b}", "\u{200b} \u{feff}", "\u{2800}", "\u{3164}"] {
            assert_eq!(Name::parse(text), Err(Problem::Blank), "{text:?}");
        }
    }

    #[test]
    fn control_and_direction_characters_are_refused() {
        for text in ["a\0", "a\n", "\u{202e}a", "a\u{2066}b", "\u{7f}"] {
            assert_eq!(Name::parse(text), Err(Problem::ForbiddenCharacter), "{text:?}");
        }
    }

    #[test]
    fn joiners_inside_a_name_are_kept() {
        for text in ["👩‍🚀", "می‌خواهم", "क्‍ष"] {
            assert_eq!(Name::parse(text).map(|name| name.to_string()), Ok(text.to_owned()));
        }
    }

    proptest::proptest! {
        #[test]
        fn stored_metadata_reads_back_byte_for_byte(
            floats: Vec<f64>, big in 0_u128.., text in ".{0,40}",
        ) {
            let floats: Vec<f64> = floats.into_iter().filter(|float| float.is_finite()).collect();
            let text = serde_json::json!({ "f": floats, "t": text }).to_string();
            let text = format!("{{\"b\":{big},{}", &text[1..]);
            let value = crate::json::parse_within(text.as_bytes(), usize::MAX).expect("JSON");
            let metadata = Metadata::from_json(&value);
            proptest::prop_assume!(metadata.is_ok());
            let metadata = metadata.expect("just checked");
            proptest::prop_assert_eq!(Metadata::from_stored(metadata.as_str()), Ok(metadata.clone()));
        }
    }

    #[test]
    fn metadata_is_an_object_without_nul() {
        let parse =
            |text: &str| Metadata::from_json(&crate::json::parse(text.as_bytes()).expect("JSON"));
        assert_eq!(
            parse(r#"{"a": [1, "x"]}"#).map(|m| m.0.into()),
            Ok(r#"{"a":[1,"x"]}"#.to_owned())
        );
        assert_eq!(parse("[]"), Err(Problem::WrongType("an object")));
        assert_eq!(parse(r#"{"a":"\u0000"}"#), Err(Problem::ForbiddenCharacter));
        assert!(parse(r#"{"a":"\\u0000"}"#).is_ok());
    }
}
