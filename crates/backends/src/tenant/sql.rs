//! Names and texts inside statements that take no parameters.

use std::fmt;

/// A name, quoted: the only way in which one gets into a statement.
pub(super) struct Ident<'a>(pub(super) &'a str);

impl fmt::Display for Ident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A text, quoted as with `standard_conforming_strings`.
pub(super) struct Literal<'a>(pub(super) &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_70_names_and_texts_stay_within_their_quotes() {
        assert_eq!(Ident("alpha-007_db").to_string(), "\"alpha-007_db\"");
        assert_eq!(
            Ident("x\"; DROP DATABASE postgres; --").to_string(),
            "\"x\"\"; DROP DATABASE postgres; --\""
        );
        assert_eq!(Literal("it's").to_string(), "'it''s'");
    }
}
