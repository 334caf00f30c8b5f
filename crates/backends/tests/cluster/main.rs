//! Several planes on one store: what each answers while the others make changes, and while what
//! lies between them and the store fails. The clock is the test's.

mod everywhere;
mod failover;
mod following;
mod nodes;
mod tokens;
