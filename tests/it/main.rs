//! The integration tests, in one binary.

mod engine;
mod layering;
mod support;
