//! A company's folder: its catalog, its database, and Stripe in a process of
//! its own that keeps its state in a file.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::super::account::Account;
use super::super::sandbox::Running;
use super::super::{command, told};
use crate::support::PATIENCE;

const FAR: [&str; 3] = ["--state=stripe.jsonl", "--latency=1ms..4ms", "--record"];

/// One product of a catalog: id, name, amount, and one in euros besides.
pub(super) type Row = (String, String, u32, Option<u32>);

pub(super) fn row(id: &str, name: &str, amount: u32, eur: Option<u32>) -> Row {
    (id.to_owned(), name.to_owned(), amount, eur)
}

pub(super) struct Firm {
    dir: TempDir,
    pub(super) far: Option<Running>,
    address: String,
    /// Requests before the frost.
    answered_before: Option<usize>,
}

impl Firm {
    /// With nothing in Stripe and no database.
    pub(super) fn new(rows: &[Row]) -> Self {
        let firm = Self::at(TempDir::new().unwrap());
        firm.say(rows);
        firm
    }

    fn at(dir: TempDir) -> Self {
        let far = Running::at("127.0.0.1:0", dir.path(), &FAR);
        Self {
            address: far.address.clone(),
            far: Some(far),
            dir,
            answered_before: None,
        }
    }

    /// Another one that is just as far.
    pub(super) fn copy(&self) -> Self {
        let dir = TempDir::new().unwrap();
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
            }
        }
        Self::at(dir)
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What the catalog says from now on.
    pub(super) fn say(&self, rows: &[Row]) {
        let mut yaml = String::from("currency: usd\nproducts:\n");
        for (id, name, amount, eur) in rows {
            writeln!(
                yaml,
                "  - {{id: {id}, name: {name}, amount: {amount}, interval: month{}}}",
                eur.map_or_else(String::new, |eur| format!(
                    ", prices: [{{key: eur, amount: {eur}, currency: eur, interval: month}}]"
                ))
            )
            .unwrap();
        }
        std::fs::write(self.dir.path().join("products.yaml"), yaml).unwrap();
    }

    /// The binary, set up for this company.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.dir.path());
        self.configure(&mut command);
        command.args(args);
        command
    }

    pub(super) fn configure(&self, command: &mut Command) {
        command
            .env("STRIPE_SECRET_KEY", "sk_test_firm")
            .env("STRIPE_API_BASE", format!("http://{}", self.address))
            .env("DATABASE_URL", "sqlite:sync.db")
            .env("SPS_CATALOG__ROOT", "products.yaml")
            .env("SPS_STRIPE__RATE_LIMIT", "1000")
            .env("SPS_STRIPE__ENDPOINT_RATE_LIMIT", "1000")
            .env("SPS_STRIPE__RETRY_DELAY", "20ms");
    }

    /// Standard output, if it ended so.
    pub(super) fn run(&self, args: &[&str], code: i32) -> String {
        let output = self.command(args).output().unwrap();
        let (stdout, stderr, got) = told(&output);
        assert_eq!(got, code, "{args:?}: {stdout}\n{stderr}");
        stdout
    }

    pub(super) fn sync(&self) -> Value {
        let said = self.run(&["sync", "--accept-price-changes", "-o", "json"], 0);
        serde_json::from_str(&said).unwrap()
    }

    pub(super) fn far(&self) -> &Running {
        self.far.as_ref().unwrap()
    }

    /// Kills Stripe's stand-in.
    pub(super) fn kill_far(&mut self) {
        drop(self.far.take());
        self.answered_before = None;
    }

    /// Starts it again where it was.
    pub(super) fn revive_far(&mut self) {
        self.far = Some(Running::at(&self.address, self.dir.path(), &FAR));
    }

    /// From the `n`th request on, nobody gets an answer for a while: time to kill
    /// a process. Their effect comes at once, or only afterwards.
    pub(super) fn freeze(&mut self, n: usize, at_once: bool) {
        self.answered_before = Some(self.answered());
        let action = if at_once {
            "delay-reply 1s"
        } else {
            "delay 1s"
        };
        let rule = serde_json::json!({ "rule": format!("* from {n}: {action}") });
        let (status, answer) = self.far().ask(
            "POST /_sandbox/faults",
            "application/json",
            &rule.to_string(),
        );
        assert_eq!(status, 200, "{answer}");
    }

    /// Once what was under way has had its effect, all is as before.
    pub(super) fn thaw(&mut self) {
        if let Some(before) = self.answered_before.take() {
            let deadline = Instant::now() + PATIENCE;
            while self.far.is_some() && self.answered() - before < self.frost("seen") {
                assert!(Instant::now() < deadline, "a request has no end");
            }
        }
        self.far()
            .ask("DELETE /_sandbox/faults", "application/json", "");
    }

    /// Whether a request has met the frost.
    pub(super) fn is_frozen(&self) -> bool {
        self.frost("fired") > 0
    }

    /// What the stand-in counted of its frost.
    fn frost(&self, counted: &str) -> usize {
        let (_, answer) = self.far().ask("GET /_sandbox/faults", "text/plain", "");
        let counted = answer["faults"][0][counted].as_u64();
        usize::try_from(counted.unwrap_or(0)).unwrap()
    }

    /// Waits until a request has met the frost; `false` if the process ended first.
    pub(super) fn wait_for_frost(&self, child: &mut Child) -> bool {
        loop {
            if self.is_frozen() {
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return self.is_frozen();
            }
        }
    }

    /// How many requests there were since the stand-in was started.
    pub(super) fn answered(&self) -> usize {
        let (_, summary) = self.far().ask("GET /_sandbox", "text/plain", "");
        usize::try_from(summary["answered"].as_u64().unwrap()).unwrap()
    }

    /// Everything in Stripe.
    pub(super) fn account(&self) -> Account {
        Account::of(self.far())
    }

    pub(super) fn mappings(&self) -> Vec<Value> {
        let said = self.run(&["mappings", "list", "-o", "json"], 0);
        let said: Value = serde_json::from_str(&said).unwrap();
        said["mappings"].as_array().cloned().unwrap_or_default()
    }
}

/// A service, with its log.
pub(super) struct Service {
    pub(super) child: Child,
    log: BufReader<ChildStderr>,
}

impl Service {
    pub(super) fn start(firm: &Firm, on_start: &str) -> Self {
        let mut child = firm
            .command(&[
                "serve",
                "--set=server.grpc_listen=127.0.0.1:0",
                "--set=server.http_listen=127.0.0.1:0",
                "--log-format=json",
            ])
            .env("SPS_SYNC__ON_START", on_start)
            .env("SPS_STRIPE__MAX_ATTEMPTS", "8")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads its log up to the line that has these words; returns that line.
    pub(super) fn wait_for(&mut self, words: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it ended before {words:?}: {seen:#?}");
            if line.contains(words) {
                return line;
            }
            seen.push(line);
        }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
