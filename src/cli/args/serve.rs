//! `serve`.

use clap::Args;

use crate::config::Override;

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync serve\n  \
    stripe-product-sync serve --root ../crm --grpc-listen 127.0.0.1:6000\n  \
    STRIPE_SECRET_KEY=sk_test_… stripe-product-sync serve --root ../crm\n\n\
    SIGTERM or Ctrl-C ends it gracefully: what is begun is finished or left to be taken up by the \
    next start. A second one ends it at once.")]
pub(in crate::cli) struct Serve {
    /// Where gRPC listens (server.grpc_listen).
    #[arg(long, value_name = "ADDR")]
    grpc_listen: Option<String>,
    /// Where HTTP listens (server.http_listen).
    #[arg(long, value_name = "ADDR")]
    http_listen: Option<String>,
    /// What to do first: off, validate or sync (sync.on_start).
    #[arg(long, value_name = "WHAT")]
    on_start: Option<String>,
}

impl Serve {
    pub(in crate::cli) fn overrides(&self) -> Vec<Override> {
        let own = [
            ("server.grpc_listen", "--grpc-listen", &self.grpc_listen),
            ("server.http_listen", "--http-listen", &self.http_listen),
            ("sync.on_start", "--on-start", &self.on_start),
        ];
        own.into_iter()
            .filter_map(|(key, flag, value)| {
                let value = value.as_ref()?;
                Some(Override::new(key, value, flag))
            })
            .collect()
    }
}
