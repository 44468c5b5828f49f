//! The `stripe-product-sync` binary: dispatch only.

use std::process::ExitCode;

fn main() -> ExitCode {
    stripe_product_sync::cli::main(std::env::args_os())
}
