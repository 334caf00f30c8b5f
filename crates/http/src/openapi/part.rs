//! The calls of a family, and the schemas that they need.

use super::call::{Call, UNREADABLE};
use super::values::text;
use super::{ADMIN_TOKEN, API_KEY, CLIENT};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::schema::{ArrayItems, Schema, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Paths, Ref, RefOr, Required};

/// The calls of one family.
pub(super) struct Part {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    pub(super) paths: Paths,
    pub(super) schemas: BTreeMap<String, RefOr<Schema>>,
    pub(super) refusal: Shape,
    /// Status of a value that breaks a rule.
    pub(super) invalid: u16,
}

/// A body: its media type and its schema.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) media: &'static str,
    pub(super) schema: RefOr<Schema>,
}

/// Who may make a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Anybody.
    Anybody,
    /// The holder of a key.
    Key,
    /// An administrator, by a JWT.
    Administrator,
    /// A client, by one of its secrets or keys.
    Client,
}

impl Part {
    /// A family whose refusals are `R` in `media`, with the status `invalid` for a value that
    /// breaks a rule.
    pub(super) fn new<R: ToSchema>(
        tag: &'static str,
        about: &'static str,
        media: &'static str,
        invalid: u16,
    ) -> Self {
        let mut part = Self {
            tag,
            about,
            paths: Paths::new(),
            schemas: BTreeMap::new(),
            refusal: Shape { media, schema: RefOr::T(Schema::default()) },
            invalid,
        };
        part.refusal.schema = part.refer::<R>();
        part
    }

    /// A schema by its name, which is entered together with those that it needs.
    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.refer_as::<T>(&T::name())
    }

    /// The same under a name of its own: generic types have one name for all that they are of.
    pub(super) fn refer_as<T: ToSchema>(&mut self, name: &str) -> RefOr<Schema> {
        let mut needed = vec![(name.to_owned(), T::schema())];
        T::schemas(&mut needed);
        for (name, schema) in needed {
            let entered = self.schemas.entry(name.clone()).or_insert_with(|| schema.clone());
            debug_assert!(*entered == schema, "two schemas are named {name}");
        }
        RefOr::Ref(Ref::from_schema_name(name))
    }

    /// Says that a text is one of `words`, which the rules know and the schema's type does not.
    pub(super) fn close<'w>(
        &mut self,
        schema: &str,
        property: &str,
        words: impl IntoIterator<Item = &'w str>,
    ) {
        let text = match self.schemas.get_mut(schema) {
            Some(RefOr::T(Schema::Object(object))) => object.properties.get_mut(property),
            _ => None,
        };
        let Some(RefOr::T(Schema::Object(text))) = text else {
            debug_assert!(false, "{schema} has no text {property}");
            return;
        };
        let mut words: Vec<Value> = words.into_iter().map(Value::from).collect();
        if matches!(&text.schema_type, SchemaType::Array(types) if types.contains(&Type::Null)) {
            words.push(Value::Null);
        }
        text.enum_values = Some(words);
    }

    /// Says of which form the entries of every list called `property` are.
    pub(super) fn shape_entries(&mut self, property: &str, form: &RefOr<Schema>) {
        for schema in self.schemas.values_mut() {
            if let RefOr::T(Schema::Object(object)) = schema
                && let Some(RefOr::T(Schema::Array(list))) = object.properties.get_mut(property)
            {
                list.items = ArrayItems::RefOrSchema(Box::new(form.clone()));
            }
        }
    }

    /// One call.
    pub(super) fn call(
        &mut self,
        method: HttpMethod,
        path: &str,
        (caller, summary): (Caller, &str),
        describe: impl FnOnce(Call<'_>) -> Call<'_>,
    ) {
        let mut operation = OperationBuilder::new()
            .tag(self.tag)
            .summary(Some(summary))
            .operation_id(Some(operation_id(&method, path)));
        for name in path.split(['{', '}']).skip(1).step_by(2) {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
            operation = operation
                .parameter(parameter.required(Required::True).schema(Some(text(1, 128))).build());
        }
        let scheme = match caller {
            Caller::Anybody => None,
            Caller::Key => Some(API_KEY),
            Caller::Administrator => Some(ADMIN_TOKEN),
            Caller::Client => Some(CLIENT),
        };
        if let Some(scheme) = scheme {
            let nothing: [&str; 0] = [];
            operation = operation.security(SecurityRequirement::new(scheme, nothing));
        }
        let mut statuses = vec![(500, "A defect"), (503, "Overloaded, or the store is away")];
        if caller != Caller::Anybody {
            statuses.extend([
                (400, UNREADABLE),
                (401, "Nobody is known by this credential"),
                (403, "Known, but not allowed"),
                (429, "Too many wrong credentials"),
            ]);
        }
        if path.contains('{') {
            statuses.push((404, "Does not exist, or is somebody else's"));
        }
        let call = Call::new(self, operation);
        let call = describe(call).refuses(&statuses);
        let operation: Operation = call.build();
        self.paths.add_path_operation(path, vec![method], operation);
    }
}

/// A word for programs: the method and the path's words.
fn operation_id(method: &HttpMethod, path: &str) -> String {
    let verb = match method {
        HttpMethod::Get => "get",
        HttpMethod::Post => "post",
        HttpMethod::Put => "put",
        HttpMethod::Patch => "patch",
        HttpMethod::Delete => "delete",
        HttpMethod::Options | HttpMethod::Head | HttpMethod::Trace => "other",
    };
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(verb.to_owned(), |id, word| format!("{id}_{word}"))
}
