//! Which role each RPC takes. What is not named here is not served: a new RPC that
//! is forgotten answers UNIMPLEMENTED, to everybody.

use crate::access::Role;
use crate::gate::Needs;
use crate::metrics::Rpc;

/// Every method of ours and what its caller needs.
const METHODS: &[(&str, Role)] = &[
    ("ProductSyncService/GetStatus", Role::Viewer),
    ("ProductSyncService/Validate", Role::Viewer),
    ("ProductSyncService/WatchSyncProgress", Role::Viewer),
    ("ProductSyncService/GetSyncRun", Role::Viewer),
    ("ProductSyncService/ListSyncRuns", Role::Viewer),
    ("ProductSyncService/ListSyncRunResults", Role::Viewer),
    ("CatalogService/ListProducts", Role::Viewer),
    ("CatalogService/BatchGetMappings", Role::Viewer),
    ("CatalogService/ListMappings", Role::Viewer),
    ("ChangeEventService/ListChangeEvents", Role::Viewer),
    ("ChangeEventService/EmitChangeEvents", Role::Emitter),
    ("ProductSyncService/Sync", Role::Operator),
    ("ProductSyncService/CancelSync", Role::Operator),
    ("CatalogService/PutProducts", Role::Operator),
    ("CatalogService/RemoveProducts", Role::Operator),
    ("ChangeEventService/ReplayChangeEvents", Role::Operator),
    ("ProductSyncService/PauseSchedule", Role::Admin),
    ("ProductSyncService/ResumeSchedule", Role::Admin),
];

/// Methods of other packages, with how they are called.
const OTHERS: &[(&str, &str)] = &[
    ("/grpc.health.v1.Health/Check", "unary"),
    ("/grpc.health.v1.Health/Watch", "server_stream"),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "bidi_stream",
    ),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "bidi_stream",
    ),
];

/// Counts the calls of everything that is served.
pub(super) fn rpc() -> Rpc {
    let ours: Vec<String> = METHODS
        .iter()
        .map(|(method, _)| format!("{PACKAGE}{method}"))
        .collect();
    let ours = ours.iter().map(|path| {
        let is_watch = path.ends_with("/WatchSyncProgress");
        let kind = if is_watch { "server_stream" } else { "unary" };
        (path.as_str(), kind)
    });
    Rpc::of(ours.chain(OTHERS.iter().copied()))
}

const PACKAGE: &str = "/stripe_product_sync.v1.";
const HEALTH: &str = "/grpc.health.v1.Health/";
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// Which of the services beside ours are open to callers without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// `grpc.health.v1`.
    pub health: bool,
    /// Server reflection.
    pub reflection: bool,
}

impl Open {
    /// What a method needs by its path; `None`: there is no such method.
    pub(super) fn needs(self, path: &str) -> Option<Needs> {
        let unless = |is_open| {
            if is_open {
                Needs::Nothing
            } else {
                Needs::Role(Role::Viewer)
            }
        };
        if let Some(method) = path.strip_prefix(PACKAGE) {
            let known = METHODS.iter().find(|(name, _)| *name == method);
            return known.map(|(_, role)| Needs::Role(*role));
        }
        if path.starts_with(HEALTH) {
            return Some(unless(self.health));
        }
        let is_reflection = REFLECTION.iter().any(|service| path.starts_with(service));
        is_reflection.then(|| unless(self.reflection))
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::metrics::{Exposition, Source};
    use crate::proto::FILE_DESCRIPTOR_SET;

    /// By its options: nothing that changes something is for viewers, nor the reverse.
    #[test]
    fn every_method_has_a_role_and_every_role_a_method() {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let closed = Open {
            health: false,
            reflection: false,
        };
        let mut count = 0;
        for service in pool
            .services()
            .filter(|s| s.full_name().starts_with("stripe_"))
        {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let needs = closed.needs(&path);
                assert!(matches!(needs, Some(Needs::Role(_))), "{path}: {needs:?}");
                let options = method.options();
                let reads = options.get_field_by_name("idempotency_level");
                let reads = reads.and_then(|level| level.as_enum_number()) == Some(1);
                assert_eq!(needs == Some(Needs::Role(Role::Viewer)), reads, "{path}");
                count += 1;
            }
        }
        assert_eq!(count, METHODS.len(), "a role for a method that is gone");
    }

    #[test]
    fn calls_are_counted_as_what_they_are() {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let text = Exposition::of([&rpc() as &dyn Source]).text();
        let methods = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        for method in methods {
            let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
                (false, false) => "unary",
                (false, true) => "server_stream",
                (true, false) => "client_stream",
                (true, true) => "bidi_stream",
            };
            let service = method.parent_service().full_name().to_owned();
            let name = method.name();
            let line = format!(
                r#"grpc_server_started_total{{grpc_type="{kind}",grpc_service="{service}",grpc_method="{name}"}} 0"#
            );
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn what_is_not_named_is_not_there() {
        let open = Open {
            health: true,
            reflection: false,
        };
        for path in [
            "/",
            "",
            "/stripe_product_sync.v1.ProductSyncService/Drop",
            "/stripe_product_sync.v1.ProductSyncService/Sync/",
            "/stripe_product_sync.v1.productsyncservice/Sync",
            "/stripe_product_sync.v1.ProductSyncService//Sync",
            "/stripe_product_sync%2Ev1.ProductSyncService/Sync",
            "/other.Service/Sync",
        ] {
            assert_eq!(open.needs(path), None, "{path}");
        }
        assert_eq!(
            open.needs("/grpc.health.v1.Health/Check"),
            Some(Needs::Nothing)
        );
        let viewer = Some(Needs::Role(Role::Viewer));
        assert_eq!(
            open.needs("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            viewer
        );
    }
}
