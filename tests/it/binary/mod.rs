//! The real binary, as a person uses it.

mod account;
mod alerts;
pub(crate) mod attacks;
mod event_commands;
mod events;
mod files;
mod grpcurl;
mod keys;
mod kill;
mod kills;
mod metrics;
mod migrate;
mod partly;
mod postgres;
mod pushed;
mod readme;
mod refusals;
mod replicas;
mod requests;
mod rotation;
mod sandbox;
mod schedule;
mod secrets;
mod tls;
mod traces;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use self::requests::Requests;
pub(crate) use self::sandbox::Running;
use crate::support::PATIENCE;

/// The binary, in a folder of its own, with nothing of this machine's configuration.
/// It does nothing by itself at the full hour, whenever the tests run.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stripe-product-sync"));
    command
        .current_dir(dir)
        .env_clear()
        .env("SPS_SCHEDULE__VALIDATE", "off")
        .env("SPS_SCHEDULE__SYNC", "off")
        .stdin(Stdio::null());
    command
}

pub(crate) fn run(dir: &Path, args: &[&str]) -> Output {
    command(dir).args(args).output().unwrap()
}

/// Standard output and error, and the exit code.
pub(crate) fn told(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap(),
    )
}

/// Sends a signal by its name.
fn signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args([name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// A service on ports of its own with all that it logs, as JSON; killed when dropped.
struct Logging {
    child: Child,
    log: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Logging {
    /// Starts `serve`, with what this command has already.
    fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["--set", "server.grpc_listen=127.0.0.1:0"])
            .args(["--set", "server.http_listen=127.0.0.1:0"])
            .args(["serve", "--log-format", "json"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, log) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads on when nobody listens, or the service blocks on a full pipe.
            lines
                .map_while(Result::ok)
                .for_each(|line| drop(tell.send(line)));
        });
        Self {
            child,
            log,
            seen: Vec::new(),
        }
    }

    /// The next line with this in it.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("nothing says {text}: {:?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Where it listens: `grpc.address` or `http.address`.
    fn address(&self, side: &str) -> String {
        let told = self.seen.iter().find(|line| line.contains("\"listening\""));
        let told: serde_json::Value = serde_json::from_str(told.unwrap()).unwrap();
        told[side].as_str().unwrap().to_owned()
    }

    /// What everybody on the machine can see of it.
    fn arguments(&self) -> Option<String> {
        std::fs::read_to_string(format!("/proc/{}/cmdline", self.child.id())).ok()
    }

    /// Ends it in good order; all that it logged.
    fn end(mut self) -> Vec<String> {
        signal("-TERM", self.child.id());
        assert!(self.child.wait().unwrap().success());
        let mut seen = std::mem::take(&mut self.seen);
        seen.extend(self.log.iter());
        seen
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service on ports of its own; killed when dropped. What it sent to its
/// sandbox is judged then.
pub(crate) struct Served {
    child: Child,
    /// The rest of its log, until it has ended.
    log: Option<JoinHandle<Requests>>,
    pub(crate) grpc: String,
    http: String,
}

impl Served {
    /// Starts it and waits until it listens.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child = command(dir)
            .args([
                "serve",
                "--set",
                "server.grpc_listen=127.0.0.1:0",
                "--set",
                "server.http_listen=127.0.0.1:0",
            ])
            .args(["--log-format", "json"])
            .env("SPS_TELEMETRY__LOG_LEVEL", "trace")
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let (mut seen, mut requests) = (Vec::new(), Requests::default());
        let listening = lines.by_ref().find(|line| {
            requests.read(line);
            seen.push(line.clone());
            line.contains("\"listening\"")
        });
        let line = listening.unwrap_or_else(|| panic!("it ended: {seen:?}"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |key: &str| line[key].as_str().unwrap().to_owned();
        let (grpc, http) = (address("grpc.address"), address("http.address"));
        // Somebody has to read on, or the service blocks on a full pipe.
        let log = std::thread::spawn(move || {
            lines.for_each(|line| requests.read(&line));
            requests
        });
        Self {
            child,
            log: Some(log),
            grpc,
            http,
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(log) = self.log.take() {
            let requests = log.join();
            if !std::thread::panicking() {
                requests.unwrap().judge();
            }
        }
    }
}
