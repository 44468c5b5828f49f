//! `products` and `mappings`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    stripe-product-sync products --root ../crm\n  \
    stripe-product-sync products --kind plan -o json\n  \
    stripe-product-sync products --server http://localhost:50051    with what was pushed\n\n\
    Exit 1 where a part of the catalog could not be read, or a product has a lint error."
)]
pub(in crate::cli) struct Products {
    #[command(subcommand)]
    pub(in crate::cli) change: Option<Change>,
    /// Only products of this kind, as in plan; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    pub(in crate::cli) kinds: Vec<String>,
    /// Only this product; may be repeated.
    #[arg(long = "product", value_name = "LOCAL_ID")]
    pub(in crate::cli) products: Vec<String>,
}

/// A change of the products that are in no file.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Change {
    /// Adds or replaces products that are in no file, and syncs them.
    Put {
        /// Proto3 JSON: a PutProductsRequest, or only its list of products; `-`: stdin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only if what is pushed is at this version.
        #[arg(long = "expected-version", value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
        expect: Option<i64>,
    },
    /// Removes such products; they are archived in Stripe.
    Remove {
        /// Local ids.
        #[arg(value_name = "LOCAL_ID", required = true)]
        ids: Vec<String>,
        /// Only if what is pushed is at this version.
        #[arg(long = "expected-version", value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
        expect: Option<i64>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Mappings {
    /// The mappings of these products; exit 1 where one has none.
    Get {
        /// Local ids.
        #[arg(value_name = "LOCAL_ID", required = true)]
        ids: Vec<String>,
    },
    /// All mappings of the account, by local id.
    List {
        /// Only products that are for sale, or only those that are not.
        #[arg(long, value_name = "BOOL")]
        active: Option<bool>,
        /// Only local ids that begin so.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
    },
}
