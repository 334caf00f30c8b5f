//! How a family's calls are described: a line for what each takes, gives and refuses.

use super::{ADMIN_TOKEN, API_KEY};
use std::collections::BTreeMap;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Header, Paths, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// The calls of one family.
pub(super) struct Part {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    pub(super) paths: Paths,
    pub(super) schemas: BTreeMap<String, RefOr<Schema>>,
    refusal: Shape,
}

/// A body: its media type and its schema.
#[derive(Clone)]
struct Shape {
    media: &'static str,
    schema: RefOr<Schema>,
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
}

impl Part {
    /// A family whose refusals are `R` in `media`.
    pub(super) fn new<R: ToSchema>(
        tag: &'static str,
        about: &'static str,
        media: &'static str,
    ) -> Self {
        let mut part = Self {
            tag,
            about,
            paths: Paths::new(),
            schemas: BTreeMap::new(),
            refusal: Shape { media, schema: RefOr::T(Schema::default()) },
        };
        part.refusal.schema = part.refer::<R>();
        part
    }

    /// A schema by its name, which is entered together with those that it needs.
    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let mut needed = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut needed);
        for (name, schema) in needed {
            let entered = self.schemas.entry(name.clone()).or_insert_with(|| schema.clone());
            debug_assert!(*entered == schema, "two schemas are named {name}");
        }
        RefOr::Ref(Ref::from_schema_name(T::name()))
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
        };
        if let Some(scheme) = scheme {
            let nothing: [&str; 0] = [];
            operation = operation.security(SecurityRequirement::new(scheme, nothing));
        }
        let mut statuses = vec![(500, "A defect"), (503, "Overloaded, or the store is away")];
        if caller != Caller::Anybody {
            statuses.extend([
                (400, "The request cannot be read"),
                (401, "Nobody is known by this credential"),
                (403, "Known, but not allowed"),
                (429, "Too many wrong credentials"),
            ]);
        }
        if path.contains('{') {
            statuses.push((404, "Does not exist, or is somebody else's"));
        }
        let call = describe(Call { part: self, operation }).refuses(&statuses);
        let operation: Operation = call.operation.build();
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

/// A text of some length.
fn text(min: usize, max: usize) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    RefOr::T(text.min_length(Some(min)).max_length(Some(max)).into())
}

/// One call under description.
pub(super) struct Call<'a> {
    part: &'a mut Part,
    operation: OperationBuilder,
}

impl Call<'_> {
    /// More about it.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.operation = self.operation.description(Some(text));
        self
    }

    /// Its body.
    pub(super) fn takes<T: ToSchema>(self, media: &str) -> Self {
        self.body::<T>(media, Required::True)
    }

    /// A body that it need not have.
    pub(super) fn may_take<T: ToSchema>(self, media: &str) -> Self {
        self.body::<T>(media, Required::False)
    }

    fn body<T: ToSchema>(mut self, media: &str, required: Required) -> Self {
        let content = ContentBuilder::new().schema(Some(self.part.refer::<T>())).build();
        let body = RequestBodyBuilder::new().content(media, content).required(Some(required));
        self.operation = self.operation.request_body(Some(body.build()));
        self.refuses(&[
            (400, "The request cannot be read"),
            (408, "The body did not arrive in time"),
            (413, "The body is too large"),
            (415, "The body has another media type"),
        ])
    }

    /// A success with a body.
    pub(super) fn gives<T: ToSchema>(mut self, status: u16, media: &str, what: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(self.part.refer::<T>())).build();
        let response = ResponseBuilder::new().description(what).content(media, content);
        self.operation = self.operation.response(status.to_string(), response.build());
        self
    }

    /// A success whose body is text.
    pub(super) fn gives_text(mut self, status: u16, media: &str, what: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(String::schema())).build();
        let response = ResponseBuilder::new().description(what).content(media, content);
        self.operation = self.operation.response(status.to_string(), response.build());
        self
    }

    /// A parameter of the query that it need not have.
    pub(super) fn query<T: PartialSchema>(self, name: &str, what: &str) -> Self {
        self.parameter(name, ParameterIn::Query, Required::False, T::schema(), what)
    }

    /// A header that it must have.
    pub(super) fn header(self, name: &str, schema: RefOr<Schema>, what: &str) -> Self {
        self.parameter(name, ParameterIn::Header, Required::True, schema, what)
    }

    /// A header that it need not have.
    pub(super) fn may_have_header(self, name: &str, what: &str) -> Self {
        self.parameter(name, ParameterIn::Header, Required::False, text(1, 255), what)
    }

    fn parameter(
        mut self,
        name: &str,
        place: ParameterIn,
        required: Required,
        schema: RefOr<Schema>,
        what: &str,
    ) -> Self {
        let parameter: Parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(what))
            .schema(Some(schema))
            .build();
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// It lists something in pages.
    pub(super) fn paged(self) -> Self {
        self.query::<Limit>("limit", "Entries of a page, 100 unless given")
            .query::<String>("cursor", "`next_cursor` of the page before")
            .refuses(&[(422, "The cursor is not one of this list, or the limit is out of range")])
    }

    /// It takes an `Idempotency-Key`.
    pub(super) fn repeatable(self) -> Self {
        let what = "Sent again with the same key and body, the request has the same reply and \
                    creates nothing more. A reply with a secret is kept for ten minutes.";
        self.parameter("Idempotency-Key", ParameterIn::Header, Required::False, text(16, 255), what)
            .refuses(&[(409, "Clashes with what is stored"), (507, "The store has no room left")])
    }

    /// Its refusals, in the family's shape.
    pub(super) fn refuses(mut self, statuses: &[(u16, &str)]) -> Self {
        let shape = self.part.refusal.clone();
        for (status, what) in statuses {
            let content = ContentBuilder::new().schema(Some(shape.schema.clone())).build();
            let id = Header::new(String::schema());
            let response = ResponseBuilder::new()
                .description(*what)
                .content(shape.media, content)
                .header("x-request-id", id);
            self.operation = self.operation.response(status.to_string(), response.build());
        }
        self
    }
}

/// Entries of a page, 1 to 100.
pub(super) struct Limit;

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
        RefOr::T(number.minimum(Some(1)).maximum(Some(100)).into())
    }
}
