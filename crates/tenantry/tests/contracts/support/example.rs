//! Comparing a reply with a contract's example, field by field and in its order.

use super::forms::Form;
use super::json::Tree;

/// Holds `reply` against `example`: the same members in the same order and the same values. At the
/// paths of `forms` the value differs from reply to reply and has the named form instead.
pub(crate) fn assert_as_example(reply: &Tree, example: &Tree, forms: &[(&str, Form)]) {
    let mut unused: Vec<&str> = forms.iter().map(|(path, _)| *path).collect();
    compare(reply, example, "", &mut |path, reply| {
        let (name, form) = forms.iter().find(|(name, _)| *name == path)?;
        unused.retain(|unused| unused != name);
        let Tree::Text(text) = reply else {
            panic!("{path} is not a text: {reply:?}");
        };
        Some(form(text))
    });
    assert!(unused.is_empty(), "not in the example: {unused:?}");
}

fn compare(
    reply: &Tree,
    example: &Tree,
    path: &str,
    has_form: &mut impl FnMut(&str, &Tree) -> Option<bool>,
) {
    let below =
        |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    match (reply, example) {
        (Tree::Object(found), Tree::Object(wanted)) => {
            assert_eq!(reply.names(), example.names(), "members at `{path}`");
            for ((name, found), (_, wanted)) in found.iter().zip(wanted) {
                compare(found, wanted, &below(name), has_form);
            }
        }
        (Tree::Array(found), Tree::Array(wanted)) => {
            assert_eq!(found.len(), wanted.len(), "elements at `{path}`");
            for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                compare(found, wanted, &below(&index.to_string()), has_form);
            }
        }
        _ => match has_form(path, reply) {
            Some(fits) => assert!(fits, "`{path}` has another form: {reply:?}"),
            None => assert_eq!(reply, example, "value at `{path}`"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::forms;

    const EXAMPLE: &str = r#"{"id":"acc_G5aNFLDZd6es1brCrj7QFi","list":[1,null]}"#;

    fn differs(reply: &str) -> bool {
        let compared = std::panic::catch_unwind(|| {
            let forms: [(&str, Form); 1] = [("id", forms::account_id)];
            assert_as_example(&Tree::parse(reply), &Tree::parse(EXAMPLE), &forms);
        });
        compared.is_err()
    }

    #[test]
    fn order_names_values_types_and_forms_count() {
        assert!(!differs(EXAMPLE));
        assert!(!differs(r#"{"id":"acc_1111111111111111111111","list":[1,null]}"#));
        for reply in [
            r#"{"list":[1,null],"id":"acc_1111111111111111111111"}"#,
            r#"{"id":"acc_1111111111111111111111","list":[1]}"#,
            r#"{"id":"acc_1111111111111111111111","list":[1,""]}"#,
            r#"{"id":"acc_1111111111111111111111","list":["1",null]}"#,
            r#"{"id":"acc_1111111111111111111111","list":[1,null],"more":null}"#,
            r#"{"id":"acc_1","list":[1,null]}"#,
            r#"{"id":null,"list":[1,null]}"#,
        ] {
            assert!(differs(reply), "{reply}");
        }
    }
}
