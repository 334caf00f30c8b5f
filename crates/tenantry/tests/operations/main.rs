//! What an operator does with the started binary: back up, restore, look over, and what becomes of
//! each when something goes wrong.

mod audit;
mod backup;
mod damage;
mod doctor;
mod recipients;
mod refusals;
mod rotation;
mod shared;
mod stolen;
mod support;
mod tenants;
