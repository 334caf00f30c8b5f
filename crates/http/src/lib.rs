//! The HTTP surface: what comes in is decoded, one operation of the plane is called, what it
//! answers is encoded. No rule about who may do what lives here, and no surface calls another.
//!
//! [`App`] answers requests, [`server`] accepts connections for it. Each family of paths
//! ([`routes::Family`]) has its own error shape.

mod admin;
mod app;
mod body;
mod caller;
mod dialects;
mod health;
mod native;
mod oauth2;
mod once;
pub mod openapi;
mod query;
mod refusal;
mod reply;
mod routes;
pub mod server;
pub mod trace;
mod traffic;

pub use app::{App, AppState, Options, Peer, Readiness};
pub use routes::{Access, Effect, Family, ROUTES, Route};
pub use traffic::{BUCKET_MICROS, Cap, RouteTraffic};
