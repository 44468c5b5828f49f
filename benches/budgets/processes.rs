//! The processes that are measured: the real binary, and parts of this one.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tonic::transport::{Channel, Endpoint};

/// A process that is killed when dropped.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A gRPC server at work, in a process of its own.
pub(crate) struct Server {
    process: Killed,
    endpoint: Endpoint,
}

impl Server {
    /// The service on a database in this folder, with these settings (`section.key=value`).
    /// Nothing is synced unless it is asked to.
    pub(crate) fn service(dir: &Path, settings: &[&str]) -> Self {
        // The kernel gives a free port, and gives it to no one else for a while.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let mut command = binary(dir);
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
            process: Killed(command.spawn().unwrap()),
            endpoint: endpoint(&address.to_string()),
        }
    }

    /// Nothing but tonic: see `bare`.
    pub(crate) fn bare() -> Self {
        let mut command = part("bare");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut address = String::new();
        let told = child.stdout.take().unwrap();
        BufReader::new(told).read_line(&mut address).unwrap();
        Self {
            process: Killed(child),
            endpoint: endpoint(address.trim()),
        }
    }

    /// What the system knows it as.
    pub(crate) fn process(&self) -> &Child {
        &self.process.0
    }

    /// What a bare server is to send, in `bare::give`'s words.
    pub(crate) fn input(&mut self) -> std::process::ChildStdin {
        self.process.0.stdin.take().unwrap()
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        self.endpoint.uri().to_string()
    }

    /// A connection, as soon as there is one to be had: the service takes some before its
    /// database is open, and answers afterwards.
    pub(crate) async fn connect(&self) -> Channel {
        loop {
            if let Ok(channel) = self.endpoint.connect().await {
                return channel;
            }
        }
    }
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

/// The binary, in this folder.
pub(crate) fn binary(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stripe-product-sync"));
    command.current_dir(dir);
    command
}

/// A part of this program, in a process of its own: see `main`.
pub(crate) fn part(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([super::PART, name]);
    command
}
