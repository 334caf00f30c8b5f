//! Every mount point on one screen. This table feeds the router; tests walk it so that no route is
//! without its cases.

use crate::app::AppState;
use crate::dialects::{accounts, service_accounts, sub_accounts};
use crate::{admin, health, native, oauth2, openapi};
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::response::Response;
use futures_util::future::BoxFuture;
use std::collections::HashMap;

/// A family of paths with one error shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `/v1/…` and whatever belongs to no other family: RFC 9457.
    Native,
    /// `/sub-accounts/…` and `/user/me`.
    SubAccounts,
    /// `/api/v1/accounts…`: JSON:API.
    Accounts,
    /// `/api/v1/admin/service-account…`
    ServiceAccounts,
    /// `/oauth2/…` and its metadata: RFC 6749.
    OAuth,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 5] =
        [Self::Native, Self::SubAccounts, Self::Accounts, Self::ServiceAccounts, Self::OAuth];

    /// The family of a path, known or not.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let under = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if under("/sub-accounts") || under("/user") {
            Self::SubAccounts
        } else if under("/api/v1/admin/service-account") {
            Self::ServiceAccounts
        } else if under("/api/v1") {
            Self::Accounts
        } else if under("/oauth2")
            || under("/.well-known/oauth-authorization-server")
            || under("/.well-known/oauth-protected-resource")
        {
            Self::OAuth
        } else {
            Self::Native
        }
    }
}

/// Who may call a route at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// The holder of a key; the operation decides what the key may do.
    Key,
    /// A member, by an admin JWT.
    Member,
    /// A client, by one of its secrets or keys.
    Client,
    /// The operator, over the socket in the data directory. Not on the network.
    Operator,
}

/// What a route does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads only.
    Reads,
    /// Changes something. Runs in a task of its own, so that a client that hangs up leaves no
    /// change half made.
    Writes,
    /// Creates something, or shows a secret: as `Writes`, and with an `Idempotency-Key` a request
    /// that is sent again has the same reply.
    Creates,
    /// Changes something elsewhere, for as long as that takes, in parts that are each made or not: where
    /// nobody waits any more it stops between two of them, and is to be asked for again.
    Lasts,
}

type Endpoint = fn(AppState, Request) -> BoxFuture<'static, Response>;

/// One method of one path.
#[derive(Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{names}` for its variable segments.
    pub path: &'static str,
    /// Its family.
    pub family: Family,
    /// Who may call it.
    pub access: Access,
    /// What it does.
    pub effect: Effect,
    endpoint: Endpoint,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Route {
    pub(crate) fn call(&self, state: AppState, request: Request) -> BoxFuture<'static, Response> {
        (self.endpoint)(state, request)
    }
}

macro_rules! endpoint {
    (plain $handler:path) => {
        |state, request| Box::pin($handler(state, request))
    };
    ($handler:path) => {
        |state, request| Box::pin(Handler::call($handler, request, state))
    };
}

macro_rules! routes {
    ($($method:ident $path:literal $family:ident $access:ident $effect:ident $($handler:path)? $(=> $plain:path)?;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            family: Family::$family,
            access: Access::$access,
            effect: Effect::$effect,
            endpoint: $(endpoint!($handler))? $(endpoint!(plain $plain))?,
        }),*]
    };
}

/// Every route.
pub const ROUTES: &[Route] = routes! {
    POST "/v1/accounts"                             Native Key Creates native::accounts::create;
    POST "/v1/accounts/bulk"                        Native Key Creates native::bulk::create;
    GET  "/v1/accounts"                             Native Key Reads  native::accounts::list;
    GET  "/v1/accounts/{id}"                        Native Key Reads  native::accounts::find;
    PATCH "/v1/accounts/{id}"                       Native Key Writes native::account_changes::update;
    POST "/v1/accounts/{id}/suspend"                Native Key Writes native::account_changes::suspend;
    POST "/v1/accounts/{id}/resume"                 Native Key Writes native::account_changes::resume;
    POST "/v1/accounts/{id}/close"                  Native Key Writes native::account_changes::close;
    GET  "/v1/accounts/{id}/limits"                 Native Key Reads  native::limits::find;
    PUT  "/v1/accounts/{id}/limits"                 Native Key Writes native::limits::set;
    GET  "/v1/accounts/{id}/database"               Native Key Reads  native::databases::find;
    POST "/v1/accounts/{id}/database/credentials"   Native Key Creates native::databases::connect;
    POST "/v1/accounts/{id}/database/rotate"        Native Key Creates native::databases::rotate;
    POST "/v1/leases"                               Native Key Writes native::leases::acquire;
    POST "/v1/leases/{id}/renew"                    Native Key Writes native::leases::renew;
    POST "/v1/leases/{id}/release"                  Native Key Writes native::leases::release;
    POST "/v1/keys/verify"                          Native Key Reads => native::verify::verify;
    POST "/v1/keys/import"                          Native Key Creates native::import::import;
    POST "/v1/keys/{id}/revoke"                     Native Key Writes native::keys::revoke;
    POST "/v1/accounts/{id}/keys"                   Native Key Creates native::keys::create;
    GET  "/v1/accounts/{id}/keys"                   Native Key Reads  native::keys::list;
    GET  "/v1/keys/{id}"                            Native Key Reads  native::keys::find;
    PATCH "/v1/keys/{id}"                           Native Key Writes native::keys::update;
    DELETE "/v1/keys/{id}"                          Native Key Writes native::keys::revoke;
    POST "/v1/keys/{id}/disable"                    Native Key Writes native::keys::disable;
    POST "/v1/keys/{id}/enable"                     Native Key Writes native::keys::enable;
    POST "/v1/keys/{id}/rotate"                     Native Key Creates native::keys::rotate;
    POST "/v1/accounts/{id}/service-accounts"       Native Key Creates native::service_accounts::create;
    GET  "/v1/accounts/{id}/service-accounts"       Native Key Reads  native::service_accounts::list;
    GET  "/v1/service-accounts/{id}"                Native Key Reads  native::service_accounts::find;
    PATCH "/v1/service-accounts/{id}"               Native Key Writes native::service_accounts::update;
    DELETE "/v1/service-accounts/{id}"              Native Key Writes native::service_accounts::delete;
    POST "/v1/service-accounts/{id}/disable"        Native Key Writes native::service_accounts::disable;
    POST "/v1/service-accounts/{id}/enable"         Native Key Writes native::service_accounts::enable;
    POST "/v1/service-accounts/{id}/secrets"        Native Key Creates native::service_accounts::create_secret;
    DELETE "/v1/service-accounts/{id}/secrets/{secret}" Native Key Writes native::service_accounts::revoke_secret;
    GET  "/v1/service-accounts/{id}/jwks"           Native Key Reads  native::client_keys::find;
    PUT  "/v1/service-accounts/{id}/jwks"           Native Key Writes native::client_keys::replace;
    POST "/v1/service-accounts/{id}/revoke-tokens"  Native Key Writes native::client_keys::revoke_tokens;
    POST "/v1/realms"                               Native Key Creates native::realms::create;
    GET  "/v1/realms"                               Native Key Reads  native::realms::list;
    DELETE "/v1/realms/{id}"                        Native Key Writes native::realms::delete;
    GET  "/v1/usage"                                Native Key Reads  native::usage::list;
    GET  "/v1/whoami"                               Native Key Reads  native::whoami::whoami;
    GET  "/v1/audit-events"                         Native Key Reads  native::audit::list;
    GET  "/v1/audit-events/verify"                  Native Key Reads  native::audit::verify;

    POST "/sub-accounts/create"                     SubAccounts Key Creates sub_accounts::create::create;
    POST "/api/v1/accounts"                         Accounts Key Creates accounts::create::create;
    POST "/api/v1/admin/service-account/create"     ServiceAccounts Member Creates service_accounts::create::create;
    GET  "/sub-accounts/all"                        SubAccounts Key Reads  sub_accounts::list::list;
    GET  "/sub-accounts/all/usage"                  SubAccounts Key Reads  sub_accounts::usage::list;
    GET  "/sub-accounts/{id}"                       SubAccounts Key Reads  sub_accounts::account::find;
    PATCH "/sub-accounts/{id}"                      SubAccounts Key Writes sub_accounts::account::update;
    DELETE "/sub-accounts/{id}"                     SubAccounts Key Writes sub_accounts::account::delete;
    GET  "/sub-accounts/{id}/usage"                 SubAccounts Key Reads  sub_accounts::usage::find;
    GET  "/user/me"                                 SubAccounts Key Reads  sub_accounts::me::me;
    GET  "/api/v1/api_keys/{id}"                    Accounts Key Reads accounts::api_keys::find;
    GET  "/api/v1/admin/service-account"            ServiceAccounts Member Reads  service_accounts::list::list;
    GET  "/api/v1/admin/service-account/{id}"       ServiceAccounts Member Reads  service_accounts::find::find;
    PATCH "/api/v1/admin/service-account/{id}"      ServiceAccounts Member Writes service_accounts::change::update;
    DELETE "/api/v1/admin/service-account/{id}"     ServiceAccounts Member Writes service_accounts::change::delete;
    POST "/api/v1/admin/service-account/{id}/enable"  ServiceAccounts Member Writes service_accounts::change::enable;
    POST "/api/v1/admin/service-account/{id}/disable" ServiceAccounts Member Writes service_accounts::change::disable;
    POST "/api/v1/admin/service-account/{id}/rotate"  ServiceAccounts Member Creates service_accounts::rotate::rotate;

    POST "/oauth2/token"                            OAuth Client Reads  => oauth2::token::issue;
    POST "/oauth2/introspect"                       OAuth Client Reads  => oauth2::introspect::introspect;
    POST "/oauth2/revoke"                           OAuth Client Writes oauth2::revoke::revoke;
    GET  "/oauth2/jwks.json"                        OAuth Open Reads  oauth2::metadata::jwks;
    GET  "/.well-known/oauth-authorization-server"  OAuth Open Reads  oauth2::metadata::server;
    GET  "/.well-known/oauth-protected-resource"    OAuth Open Reads  oauth2::metadata::resource;

    GET  "/livez"                                   Native Open Reads health::live;
    GET  "/readyz"                                  Native Open Reads health::ready;
    GET  "/readyz/writes"                           Native Open Reads health::ready_for_writes;

    GET  "/openapi.json"                            Native Open Reads openapi::json;
    GET  "/docs"                                    Native Open Reads openapi::html;

    POST "/operator/initialize"                     Native Operator Creates admin::organizations::initialize;
    POST "/operator/organizations"                  Native Operator Creates admin::organizations::create;
    GET  "/operator/organizations"                  Native Operator Reads  admin::organizations::list;
    POST "/operator/organizations/{id}/suspended"   Native Operator Writes admin::organizations::set_suspended;
    POST "/operator/organizations/{id}/entitlement" Native Operator Writes admin::organizations::set_entitlement;
    GET  "/operator/nodes"                          Native Operator Reads  admin::nodes::list;
    POST "/operator/tokens"                         Native Operator Writes admin::tokens::create;
    GET  "/operator/signing-keys"                   Native Operator Reads  admin::signing_keys::list;
    POST "/operator/signing-keys"                   Native Operator Writes admin::signing_keys::rotate;
    POST "/operator/platform-keys"                  Native Operator Creates admin::platform_keys::create;
    GET  "/operator/platform-keys"                  Native Operator Reads  admin::platform_keys::list;
    GET  "/operator/databases"                      Native Operator Reads  admin::databases::list;
    POST "/operator/databases/rewrap"               Native Operator Writes admin::databases::rewrap;
    GET  "/operator/databases/{id}"                 Native Operator Reads  admin::databases::inspect;
    POST "/operator/databases/{id}/migrate"         Native Operator Lasts  admin::databases::migrate;
};

/// Variable segments of a path, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathParameters(pub(crate) Vec<Box<str>>);

/// What the router finds for a request.
pub(crate) enum Found {
    /// The route at an index of the table.
    Route(usize, &'static Route, PathParameters),
    /// The path exists, with these methods and no other.
    OtherMethods(String),
    Nothing,
}

/// Exact matches of path and method; nothing is cleaned up, decoded or redirected first.
pub(crate) struct Router {
    paths: matchit::Router<Vec<(usize, &'static Route)>>,
}

impl Router {
    pub(crate) fn new(routes: &'static [Route]) -> Self {
        let mut by_path: HashMap<&str, Vec<(usize, &'static Route)>> = HashMap::new();
        for (index, route) in routes.iter().enumerate() {
            by_path.entry(route.path).or_default().push((index, route));
        }
        let mut paths = matchit::Router::new();
        for (path, routes) in by_path {
            paths.insert(path, routes).expect("no two paths of the table overlap");
        }
        Self { paths }
    }

    pub(crate) fn find(&self, method: &Method, path: &str, operator: bool) -> Found {
        // The accounts contract: "no endpoint to read, list, or update an account".
        let below = path.strip_prefix("/api/v1/accounts/").is_some_and(|id| !id.is_empty());
        if below && method != Method::POST {
            return Found::OtherMethods("POST".to_owned());
        }
        let Ok(matched) = self.paths.at(path) else {
            return Found::Nothing;
        };
        let mut routes = matched
            .value
            .iter()
            .filter(|(_, route)| operator || route.access != Access::Operator)
            .peekable();
        if routes.peek().is_none() {
            return Found::Nothing;
        }
        // A HEAD is a GET whose body is not sent (RFC 9110 §9.3.2).
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let mut allowed: Vec<&str> = Vec::new();
        for (index, route) in routes {
            if route.method == *wanted {
                let values = matched.params.iter().map(|(_, value)| value.into()).collect();
                return Found::Route(*index, route, PathParameters(values));
            }
            allowed.push(route.method.as_str());
        }
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        Found::OtherMethods(allowed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routes_family_is_its_paths() {
        for route in ROUTES {
            assert_eq!(Family::of(route.path), route.family, "{}", route.path);
        }
    }

    #[test]
    fn only_the_exact_path_matches() {
        let router = Router::new(ROUTES);
        for path in [
            "/v1/whoami/",
            "//v1/whoami",
            "/v1/./whoami",
            "/V1/whoami",
            "/v1/whoami;a=b",
            "/v1/%77hoami",
            "/v1/accounts/../whoami",
            "/sub-accounts/create/",
            "",
        ] {
            assert!(matches!(router.find(&Method::GET, path, false), Found::Nothing), "{path}");
        }
    }

    #[test]
    fn the_operators_paths_are_not_on_the_network() {
        let router = Router::new(ROUTES);
        for route in ROUTES.iter().filter(|route| route.access == Access::Operator) {
            let path = route.path.replace("{id}", "x");
            assert!(matches!(router.find(&route.method, &path, false), Found::Nothing), "{path}");
            assert!(matches!(router.find(&route.method, &path, true), Found::Route(..)), "{path}");
        }
    }
}
