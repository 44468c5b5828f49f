//! The generated messages, clients and servers of the public API.
//!
//! The reference is `proto/stripe_product_sync/v1`. Only `grpc::convert` and
//! the command line's client use these types; nothing else in the crate does.

mod codec;

pub use codec::{WeighingCodec, WeighingDecoder};

/// The package `stripe_product_sync.v1`.
pub mod v1 {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::doc_markdown,
        clippy::large_futures,
        clippy::needless_pass_by_value,
        clippy::wildcard_enum_match_arm,
        reason = "generated from the proto files"
    )]
    tonic::include_proto!("stripe_product_sync.v1");
}

/// The encoded `FileDescriptorSet` of the package and of everything it
/// imports, with comments: for reflection, and for proto3 JSON of any message.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptor");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptor_set_holds_the_three_services() {
        let pool = prost_reflect::DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let mut services: Vec<_> = pool.services().map(|s| s.full_name().to_owned()).collect();
        services.sort();
        assert_eq!(
            services,
            [
                "stripe_product_sync.v1.CatalogService",
                "stripe_product_sync.v1.ChangeEventService",
                "stripe_product_sync.v1.ProductSyncService",
            ]
        );
    }
}
