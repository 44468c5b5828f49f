//! The `stripe-product-sync` binary: dispatch only.

fn main() {}
