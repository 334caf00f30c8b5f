//! No surface calls another: a dialect sees neither its siblings nor the native API, which sees no dialect.

use std::collections::BTreeSet;

use super::source::{NamedPath, named_paths};
use super::{File, Problem};

const SOURCES: &str = "crates/http/src/";
const DIALECTS: &str = "crates/http/src/dialects/";

/// The dialects there are: each a folder.
pub(crate) fn names(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let inside = paths.iter().filter_map(|path| path.strip_prefix(DIALECTS));
    inside.filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect()
}

/// Paths from one surface into another, `super` followed.
pub(crate) fn imports(file: &File, dialects: &BTreeSet<String>) -> Vec<Problem> {
    let (Some(code), Some(module)) = (&file.code, module_of(&file.path)) else { return Vec::new() };
    let own = match module.as_slice() {
        ["dialects", own, ..] if dialects.contains(*own) => Some(*own),
        ["native", ..] => None,
        _ => return Vec::new(),
    };
    let mut problems = Vec::new();
    for path in named_paths(code) {
        let target = from_root(&module, &path);
        let message = match (own, target.as_slice()) {
            (None, ["dialects", ..]) => "the native API sees no dialect".to_owned(),
            (Some(own), ["native", ..]) => format!("dialect {own} does not see the native API"),
            (Some(own), ["dialects", other, ..]) if own != *other && dialects.contains(*other) => {
                format!("dialect {own} does not see dialect {other}")
            }
            _ => continue,
        };
        problems
            .push(file.problem(path.line, format!("`{}`: {message}", path.segments.join("::"))));
    }
    problems
}

fn module_of(path: &str) -> Option<Vec<&str>> {
    let inside = path.strip_prefix(SOURCES)?.strip_suffix(".rs")?;
    Some(inside.strip_suffix("/mod").unwrap_or(inside).split('/').collect())
}

/// The path from the crate's root on; empty if it is neither relative nor starts at a surface.
fn from_root<'a>(module: &[&'a str], path: &'a NamedPath) -> Vec<&'a str> {
    let mut segments = path.segments.iter().map(String::as_str).peekable();
    match segments.peek().copied() {
        Some("crate") => segments.skip(1).collect(),
        Some("self" | "super") => {
            let mut target = module.to_vec();
            target.extend(vec!["inline module"; path.inline_modules]);
            while let Some(step) = segments.next_if(|step| ["self", "super"].contains(step)) {
                if step == "super" {
                    target.pop();
                }
            }
            target.extend(segments);
            target
        }
        Some("dialects" | "native") if path.segments.len() > 1 => segments.collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offences(path: &str, code: &str) -> Vec<usize> {
        let dialects = ["accounts".to_owned(), "service_accounts".to_owned()].into();
        imports(&File::new(path, code), &dialects).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn dialects_are_the_folders() {
        let paths = ["mod.rs", "media.rs", "accounts/mod.rs", "accounts/keys.rs"]
            .map(|path| format!("{DIALECTS}{path}"));
        assert_eq!(names(&paths.into()), ["accounts".to_owned()].into());
    }

    #[test]
    fn each_way_from_a_dialect_to_another_surface_is_found() {
        let code = "use crate::dialects::service_accounts::encode;
            use crate::{caller::Caller, native::keys};
            use super::super::service_accounts;
            fn f() { crate::native::keys::g() }
            mod tests { use super::super::super::service_accounts::h; }
            use crate::native;
            dialects::service_accounts::i();
        ";
        assert_eq!(
            offences("crates/http/src/dialects/accounts/create.rs", code),
            [1, 2, 3, 4, 5, 6, 7]
        );
        assert_eq!(
            offences("crates/http/src/dialects/accounts/mod.rs", "use super::service_accounts::a;"),
            [1]
        );
    }

    #[test]
    fn the_native_api_sees_no_dialect() {
        let code = "use crate::dialects;\nuse super::super::dialects::accounts::a;\n";
        assert_eq!(offences("crates/http/src/native/keys.rs", code), [1, 2]);
    }

    #[test]
    fn a_dialect_sees_itself_what_all_share_and_the_router_sees_everything() {
        let code = "use crate::dialects::accounts::encode;
            use crate::dialects::media::Type;
            use super::decode;
            use tenantry_core::service_accounts::NewServiceAccount;
            // crate::native
            mod tests { use super::*; use super::super::encode; }
        ";
        assert_eq!(offences("crates/http/src/dialects/accounts/create.rs", code), []);
        assert_eq!(
            offences("crates/http/src/router.rs", "use crate::{native, dialects::accounts};"),
            []
        );
    }
}
