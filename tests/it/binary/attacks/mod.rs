//! What a hostile client can do to the real binary: refused or cut; the process lives, its
//! memory is bounded, and others are served.
#![expect(clippy::print_stderr, reason = "the figures are worth a look")]

mod bodies;
mod crowd;
pub(crate) mod frames;
mod headers;
mod nonsense;
mod slow;

use std::time::Duration;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;

use super::Served;

/// For what has to happen soon; the server's own time limits are 10 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service under attack.
struct Target {
    served: Served,
    _dir: TempDir,
    /// The most memory it ever had before, in kB.
    before: u64,
}

impl Target {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(args: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        // Libraries tell each frame at a lower level.
        let level = ["--set", "telemetry.log_level=info"];
        let args = [&level, args].concat();
        let served = Served::start(dir.path(), &args);
        let mut target = Self {
            served,
            _dir: dir,
            before: 0,
        };
        target.answers().await;
        target.before = target.peak();
        target
    }

    fn grpc(&self) -> &str {
        &self.served.grpc
    }

    fn http(&self) -> &str {
        &self.served.http
    }

    /// Someone else's calls, over new connections.
    async fn answers(&self) {
        call(&mut client(self.grpc()).await).await;
        let answer = http(
            self.http(),
            b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        );
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The process lives, serves, and has never had more than so many MB on top.
    async fn withstood(&mut self, attack: &str, megabytes: u64) {
        assert_eq!(
            self.served.child.try_wait().unwrap(),
            None,
            "{attack}: it died"
        );
        self.answers().await;
        let grown = self.peak().saturating_sub(self.before) / 1024;
        eprintln!("{attack}: {grown} MB more at the most");
        assert!(grown < megabytes, "{attack}: {grown} MB more");
    }

    /// The most memory it ever had.
    #[cfg(target_os = "linux")]
    fn peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.served.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kb = line.unwrap().split_whitespace().nth(1).unwrap();
        kb.parse().unwrap()
    }

    #[cfg(not(target_os = "linux"))]
    fn peak(&self) -> u64 {
        0
    }
}

type Client = ProductSyncServiceClient<tonic::transport::Channel>;

async fn client(address: &str) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    ProductSyncServiceClient::new(endpoint.connect().await.unwrap())
}

async fn call(client: &mut Client) {
    let asked = client.get_status(v1::GetStatusRequest {});
    let answered = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert!(answered.unwrap().into_inner().build.is_some());
}

/// Sends bytes and reads until the server hangs up.
async fn http(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may refuse before it has read everything.
    let _sent = stream.write_all(request).await;
    rest(&mut stream).await
}

/// What the server still says before it hangs up. A reset loses some of it.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said));
    let _reset = ended.await.expect("the server keeps the connection");
    String::from_utf8_lossy(&said).into_owned()
}
