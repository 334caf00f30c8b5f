//! The server on a real socket: what slow, greedy and malicious clients get, and what the others
//! get meanwhile. Numbers in test names are the abuse cases of `docs/design/security.md`.

mod crowd;
mod http2;
mod patience;
mod proxies;
mod sizes;
mod smuggling;
mod support;
mod tls;
