//! The service as the benches measure it: the real binary.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tonic::transport::{Channel, Endpoint};

/// A service at work; killed when dropped.
pub(crate) struct Service {
    child: Child,
    endpoint: Endpoint,
}

impl Service {
    /// Starts it on a database in this folder, with these settings (`section.key=value`).
    /// Nothing is synced while it is measured.
    pub(crate) fn start(dir: &Path, settings: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let mut command = command(dir);
        command.arg("serve").stderr(Stdio::null());
        let address_setting = format!("server.grpc_listen={address}");
        let own = [
            address_setting.as_str(),
            "server.http_listen=127.0.0.1:0",
            "sync.on_start=off",
        ];
        for setting in own.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        Self {
            child: command.spawn().unwrap(),
            endpoint: Endpoint::from_shared(format!("http://{address}")).unwrap(),
        }
    }

    /// Where it is.
    #[allow(dead_code, reason = "not every bench asks")]
    pub(crate) fn address(&self) -> String {
        self.endpoint.uri().to_string()
    }

    /// A connection, as soon as there is one to be had: it takes some before its database
    /// is open, and answers afterwards.
    pub(crate) async fn connect(&self) -> Channel {
        loop {
            if let Ok(channel) = self.endpoint.connect().await {
                return channel;
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, in this folder.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stripe-product-sync"));
    command.current_dir(dir);
    command
}
