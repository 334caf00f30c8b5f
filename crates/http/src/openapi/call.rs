//! How a call is described: a line for what it takes, gives and refuses.

use super::part::Part;
use super::values::{flag, number, text};
use std::collections::BTreeMap;
use tenantry_core::limits;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ContentBuilder, Header, RefOr, Required, Response, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema};

pub(super) const UNREADABLE: &str = "The request or a parameter of it cannot be read";
const INVALID: &str = "A value breaks a rule";

/// One call under description.
pub(super) struct Call<'a> {
    part: &'a mut Part,
    operation: OperationBuilder,
    responses: BTreeMap<u16, Response>,
}

impl<'a> Call<'a> {
    pub(super) const fn new(part: &'a mut Part, operation: OperationBuilder) -> Self {
        Self { part, operation, responses: BTreeMap::new() }
    }

    pub(super) fn build(self) -> Operation {
        let answers = self.responses.into_iter();
        let operation = answers.fold(self.operation, |operation, (status, response)| {
            operation.response(status.to_string(), response)
        });
        operation.build()
    }

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
        let content =
            ContentBuilder::new().schema(Some(self.part.refer_as::<T>(&T::name()))).build();
        let body = RequestBodyBuilder::new().content(media, content).required(Some(required));
        self.operation = self.operation.request_body(Some(body.build()));
        let invalid = self.part.invalid;
        self.refuses(&[
            (invalid, INVALID),
            (400, UNREADABLE),
            (408, "The body did not arrive in time"),
            (413, "The body is too large"),
            (415, "The body has another media type"),
        ])
    }

    /// An answer with a body.
    pub(super) fn gives<T: ToSchema>(self, status: u16, media: &str, what: &str) -> Self {
        self.gives_as::<T>(&T::name(), status, media, what)
    }

    /// An answer with a body, whose schema is called `name`.
    pub(super) fn gives_as<T: ToSchema>(
        self,
        name: &str,
        status: u16,
        media: &str,
        what: &str,
    ) -> Self {
        let schema = self.part.refer_as::<T>(name);
        self.answers(status, media, schema, what)
    }

    /// The same for a generic type: a schema of what it is of is entered, too.
    pub(super) fn gives_of<T: ToSchema, G: ToSchema>(
        self,
        name: &str,
        status: u16,
        media: &str,
        what: &str,
    ) -> Self {
        self.part.refer_as::<T>(&T::name());
        self.gives_as::<G>(name, status, media, what)
    }

    /// An answer without a body.
    pub(super) fn gives_nothing(mut self, status: u16, what: &str) -> Self {
        self.responses.insert(
            status,
            ResponseBuilder::new()
                .description(what)
                .header("x-request-id", Header::new(String::schema()))
                .build(),
        );
        self
    }

    /// An answer whose body is text.
    pub(super) fn gives_text(self, status: u16, media: &str, what: &str) -> Self {
        self.answers(status, media, String::schema(), what)
    }

    /// An answer. One of the same status in another media type stands beside it, and what was said
    /// of the status first stays.
    fn answers(mut self, status: u16, media: &str, schema: RefOr<Schema>, what: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = self.responses.entry(status).or_insert_with(|| {
            let id = Header::new(String::schema());
            ResponseBuilder::new().description(what).header("x-request-id", id).build()
        });
        response.content.entry(media.to_owned()).or_insert(content.into());
        self
    }

    /// A header of an answer that it need not have.
    pub(super) fn with_header(mut self, status: u16, name: &str, what: &str) -> Self {
        if let Some(response) = self.responses.get_mut(&status) {
            let mut header = Header::new(String::schema());
            header.description = Some(what.to_owned());
            response.headers.insert(name.to_owned(), header.into());
        }
        self
    }

    /// A parameter of the query that it need not have.
    pub(super) fn query(self, name: &str, schema: RefOr<Schema>, what: &str) -> Self {
        self.parameter(name, ParameterIn::Query, Required::False, schema, what)
    }

    /// It takes rights away or gives them back: it can be told to answer when that holds.
    pub(super) fn waits(self) -> Self {
        self.query("wait", flag(), "Answer only when the change holds on every node")
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

    /// It lists something in pages of 100 entries at most.
    pub(super) fn paged(self) -> Self {
        let limit = number(1, limits::LIST_PAGE_MAX);
        self.query("limit", limit, "Entries of a page, 100 unless given").continued()
    }

    /// It goes on where another answer ended.
    pub(super) fn continued(self) -> Self {
        let cursor = text(1, limits::CURSOR_BYTES_MAX);
        self.query("cursor", cursor, "`next_cursor` of the page before; of no use in another list")
    }

    /// It changes something.
    pub(super) fn changes(self) -> Self {
        self.refuses(&[
            (409, "Clashes with what is stored, or others changed it all the while"),
            (507, "The store has no room left"),
        ])
    }

    /// It creates something or shows a secret, and takes an `Idempotency-Key`.
    pub(super) fn repeatable(self) -> Self {
        let what = "Sent again with the same key and body, the request has the same reply and \
                    creates nothing more. A reply with a secret is kept for ten minutes.";
        let key = text(limits::IDEMPOTENCY_KEY_BYTES_MIN, limits::IDEMPOTENCY_KEY_BYTES_MAX);
        let invalid = self.part.invalid;
        self.parameter("Idempotency-Key", ParameterIn::Header, Required::False, key, what)
            .refuses(&[(invalid, "A value breaks a rule, or the Idempotency-Key had another body")])
            .changes()
    }

    /// Its refusals, in the family's shape.
    pub(super) fn refuses(mut self, statuses: &[(u16, &str)]) -> Self {
        let shape = self.part.refusal.clone();
        for (status, what) in statuses {
            self = self.answers(*status, shape.media, shape.schema.clone(), what);
        }
        self
    }
}
