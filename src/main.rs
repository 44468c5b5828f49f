//! The `stripe-product-sync` binary: dispatch only.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    stripe_product_sync::cli::main(&arguments)
}
