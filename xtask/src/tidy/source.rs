//! Just enough of Rust's grammar to see code without comments and literals, and the paths that it names.
//!
//! Not a parser: macros are read as they are written, and nothing is expanded.

/// A path such as `crate::native::keys`, groups of a `use` unfolded.
#[derive(Debug, PartialEq)]
pub(crate) struct NamedPath {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// How many inline `mod name { … }` surround it, each of which one `super` leaves.
    pub(crate) inline_modules: usize,
    /// It stands right after `use` or `extern crate`.
    pub(crate) imported: bool,
}

/// The text with each comment, string and character literal made one space; line breaks stay.
pub(crate) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_word = code.chars().next_back().is_some_and(is_word);
        let length = comment_or_literal(rest, in_word);
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(rest[..length].chars().filter(|c| *c == '\n'));
            rest = &rest[length..];
        }
    }
    code
}

/// Every path in code that [`code_only`] returned.
pub(crate) fn named_paths(code: &str) -> Vec<NamedPath> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = |back: usize| at.checked_sub(back).map_or("", |index| tokens[index].text);
        match token.text {
            "{" => braces.push(before(2) == "mod"),
            "}" => drop(braces.pop()),
            word if word.starts_with(is_word) => {
                let imported =
                    before(1) == "use" || (before(2) == "extern" && before(1) == "crate");
                let inline_modules = braces.iter().filter(|module| **module).count();
                let mut found = Vec::new();
                at = unfold(&tokens, at, &[], &mut found);
                paths.extend(found.into_iter().map(|(line, segments)| NamedPath {
                    line,
                    segments,
                    inline_modules,
                    imported,
                }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

struct Token<'a> {
    line: usize,
    text: &'a str,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes of the comment or literal that `rest` starts with, 0 if it starts with neither.
fn comment_or_literal(rest: &str, in_word: bool) -> usize {
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        string(rest)
    } else if rest.starts_with('\'') {
        character(rest)
    } else if !in_word {
        raw_string(rest)
    } else {
        0
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; a lifetime or label (`'a`) is none.
fn character(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    let Some((_, first)) = inside.next() else { return 0 };
    if first == '\\' {
        inside.next();
        return inside.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1);
    }
    inside.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1)
}

fn raw_string(rest: &str) -> usize {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let Some(fence) = body.strip_prefix('r') else { return 0 };
    let hashes = fence.len() - fence.trim_start_matches('#').len();
    let Some(inside) = fence[hashes..].strip_prefix('"') else { return 0 };
    let end = format!("\"{}", "#".repeat(hashes));
    inside.find(&end).map_or(rest.len(), |at| rest.len() - inside.len() + at + end.len())
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { line: index + 1, text: &rest[..length] });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Reads one path from `at` on, each branch of a `{ … }` group as a path of its own; returns where it ends.
fn unfold(
    tokens: &[Token<'_>],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let start = at;
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        if token.text == "{" && at > start {
            return unfold_group(tokens, at + 1, &segments, found);
        }
        if !token.text.starts_with(is_word) {
            break;
        }
        segments.push(token.text.to_owned());
        at += 1;
        if tokens.get(at).is_none_or(|next| next.text != "::") {
            break;
        }
        at += 1;
    }
    if let Some(token) = tokens.get(start) {
        found.push((token.line, segments));
    }
    at
}

fn unfold_group(
    tokens: &[Token<'_>],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "}" => return at + 1,
            "as" => at += 2,
            word if word.starts_with(is_word) => at = unfold(tokens, at, prefix, found),
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(code: &str) -> Vec<String> {
        named_paths(code).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code_and_lines_stay() {
        let text = "a /* x /* y */\n z */ b // c\n\"d\\\"e\n\" r#\"f\"g\"# b'\\'' '\"' 'l: h 'i' br\"j\" k";
        let code = code_only(text);
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words, ["a", "b", "b", "'l:", "h", "k"]);
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn groups_unfold_and_renames_are_dropped() {
        assert_eq!(
            printed("use crate::{native::{self, keys as k}, dialects};\n"),
            ["use", "crate::native::self", "crate::native::keys", "crate::dialects"]
        );
        assert_eq!(printed("a::b::<c::D>(e)"), ["a::b", "c::D", "e"]);
    }

    #[test]
    fn inline_modules_and_imports_are_seen() {
        let paths = named_paths("mod tests {\n    use super::x;\n}\nfn f() { super::y() }\n");
        let x = paths.iter().find(|path| path.segments == ["super", "x"]).expect("x is named");
        let y = paths.iter().find(|path| path.segments == ["super", "y"]).expect("y is named");
        assert_eq!((x.line, x.inline_modules, x.imported), (2, 1, true));
        assert_eq!((y.line, y.inline_modules, y.imported), (4, 0, false));
    }
}
