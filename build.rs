//! Generates the gRPC types without `protoc`, and rebuilds when a file that is
//! read at compile time changes.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

/// Relative to the `proto` folder.
const FILES: [&str; 4] = [
    "stripe_product_sync/v1/types.proto",
    "stripe_product_sync/v1/catalog.proto",
    "stripe_product_sync/v1/events.proto",
    "stripe_product_sync/v1/sync.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    // tonic-prost-build 0.14 prints none of these itself when it is given
    // descriptors; `sqlx::migrate!` can't see files that are added.
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");

    let descriptors = protox::compile(FILES, ["proto"])?;
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out_dir.join("descriptor.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names(); // the codec looks its messages up by them
    tonic_prost_build::configure()
        .btree_map(".") // the same bytes for the same message, whatever the run
        .codec_path("crate::proto::WeighingCodec")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
