//! The page for people, from the same document.

use askama::Template;
use serde_json::Value;
use utoipa::openapi::OpenApi;

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    title: String,
    version: String,
    about: String,
    families: Vec<Family>,
    schemas: Vec<Schema>,
}

struct Family {
    name: String,
    about: String,
    calls: Vec<Call>,
}

struct Call {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Option<String>,
    caller: &'static str,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    replies: Vec<Reply>,
}

struct Parameter {
    name: String,
    place: String,
    required: bool,
    about: String,
}

struct Body {
    media: String,
    schema: Option<String>,
}

struct Reply {
    status: String,
    about: String,
    bodies: Vec<Body>,
}

struct Schema {
    name: String,
    text: String,
}

/// The page as HTML.
pub(super) fn render(document: &OpenApi) -> Result<String, Box<dyn std::error::Error>> {
    // As JSON, which has one form for whatever the document holds.
    let document = serde_json::to_value(document)?;
    Ok(Page::read(&document)?.render()?)
}

impl Page {
    fn read(document: &Value) -> Result<Self, Box<dyn std::error::Error>> {
        let paths = document["paths"].as_object();
        let families = array(&document["tags"])
            .iter()
            .map(|tag| {
                let name = text(&tag["name"]);
                let of_tag = |operation: &Value| array(&operation["tags"]).contains(&tag["name"]);
                let calls = paths.into_iter().flatten().flat_map(|(path, item)| {
                    let methods = item.as_object().into_iter().flatten();
                    methods
                        .filter(|(_, operation)| of_tag(operation))
                        .map(move |(method, operation)| Call::read(path, method, operation))
                });
                Family { about: text(&tag["description"]), calls: calls.collect(), name }
            })
            .collect();
        let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
        let schemas = schemas.map(|(name, schema)| {
            Ok(Schema { name: name.clone(), text: serde_json::to_string_pretty(schema)? })
        });
        let info = &document["info"];
        Ok(Self {
            title: text(&info["title"]),
            version: text(&info["version"]),
            about: text(&info["description"]),
            families,
            schemas: schemas.collect::<Result<_, serde_json::Error>>()?,
        })
    }
}

impl Call {
    fn read(path: &str, method: &str, operation: &Value) -> Self {
        let scheme = operation["security"][0].as_object().and_then(|scheme| scheme.keys().next());
        let parameters = array(&operation["parameters"]).iter().map(|parameter| Parameter {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            required: parameter["required"] == true,
            about: text(&parameter["description"]),
        });
        let replies = operation["responses"].as_object().into_iter().flatten();
        let replies = replies.map(|(status, reply)| Reply {
            status: status.clone(),
            about: text(&reply["description"]),
            bodies: bodies(&reply["content"]),
        });
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            about: operation["description"].as_str().map(str::to_owned),
            caller: match scheme.map(String::as_str) {
                Some(super::API_KEY) => "the holder of an API key",
                Some(super::ADMIN_TOKEN) => "an administrator, by a JWT",
                _ => "anybody",
            },
            parameters: parameters.collect(),
            body: bodies(&operation["requestBody"]["content"]).into_iter().next(),
            replies: replies.collect(),
        }
    }
}

/// A body for each media type.
fn bodies(content: &Value) -> Vec<Body> {
    let bodies = content.as_object().into_iter().flatten();
    let body =
        |(media, body): (&String, _)| Body { media: media.clone(), schema: schema_name(body) };
    bodies.map(body).collect()
}

fn schema_name(content: &Value) -> Option<String> {
    let reference = content["schema"]["$ref"].as_str()?;
    reference.rsplit('/').next().map(str::to_owned)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
