//! The dashboard in a real browser, with the real binary behind it.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::binary::{Running as Sandbox, command, told};
use crate::support::postgres::free_port;
use crate::support::programs::{Running, has};

const INSTALL: &str = "install Node.js 18 or newer, then `npm install puppeteer-core axe-core`, and set \
     NODE_PATH to its node_modules";
const CHROMIUM: &str = "chromium";
const WEBHOOK_SECRET: &str = "whsec_browser";
const INSTALL_CHROMIUM: &str = "install it: Debian has it as `chromium`";

/// A service at ports that it has again after a restart. It syncs nothing by itself.
struct Site {
    dir: TempDir,
    http: u16,
    grpc: u16,
    /// What it has in its environment.
    env: Vec<(&'static str, String)>,
    service: Option<Running>,
}

impl Site {
    /// With what this makes of its address for the environment.
    fn start(env: impl FnOnce(&str) -> Vec<(&'static str, String)>) -> Self {
        let http = free_port();
        let mut site = Self {
            dir: TempDir::new().unwrap(),
            http,
            grpc: free_port(),
            env: env(&format!("http://127.0.0.1:{http}")),
            service: None,
        };
        site.service = Some(Running(site.serve()));
        site
    }

    fn command(&self) -> Command {
        let mut command = command(self.dir.path());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn serve(&self) -> Child {
        let mut child = self
            .command()
            .args(["serve", "--log-format", "json"])
            .args([
                "--set",
                &format!("server.http_listen=127.0.0.1:{}", self.http),
            ])
            .args([
                "--set",
                &format!("server.grpc_listen=127.0.0.1:{}", self.grpc),
            ])
            .args(["--set", "sync.on_start=off"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("listening"))
            .unwrap();
        // Somebody has to read on, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        child
    }

    /// Kills the service and starts it anew.
    fn restart(&mut self) {
        self.service = None;
        self.service = Some(Running(self.serve()));
    }

    /// As somebody edits the sample catalog: a price and a text.
    fn change_catalog(&self) {
        let file = self
            .dir
            .path()
            .join("examples/ghostcrm/src/config/pricing/plans.ts");
        let old = std::fs::read_to_string(&file).unwrap();
        let new = old.replace("monthlyPrice: 29,", "monthlyPrice: 35,");
        let new = new.replace("For solo sellers", "For one-person shops");
        assert_ne!(new, old);
        std::fs::write(file, new).unwrap();
    }

    fn key(&self) -> String {
        let made = self
            .command()
            .args(["keys", "create", "--name", "ada", "--role", "admin"])
            .output();
        let (stdout, stderr, code) = told(&made.unwrap());
        assert_eq!(code, 0, "{stderr}");
        stdout.trim().to_owned()
    }

    /// Has a person do all that is in the script, who may ask for what only the one who
    /// runs the service can do.
    fn visit(&mut self, script: &str, args: &[&str]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/browser");
        let mut node = Command::new("node")
            .arg(folder.join(script))
            .arg(format!("http://127.0.0.1:{}", self.http))
            .arg(self.key())
            .args(args)
            .args(screenshots())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = node.stdin.take().unwrap();
        for line in BufReader::new(node.stdout.take().unwrap()).lines() {
            match line.unwrap().as_str() {
                "restart the service" => self.restart(),
                "change the catalog" => self.change_catalog(),
                other => panic!("{other}"),
            }
            stdin.write_all(b"done\n").unwrap();
        }
        let output = node.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {stderr}");
    }
}

fn has_browser() -> bool {
    let resolves = "require.resolve('puppeteer-core'); require.resolve('axe-core')";
    has("node", &["-e", resolves], INSTALL) && has(CHROMIUM, &["--version"], INSTALL_CHROMIUM)
}

/// Where to put what the pages look like, if anybody wants to know.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are where the environment may be looked at"
)]
fn screenshots() -> Option<String> {
    std::env::var("SCREENSHOTS").ok()
}

#[test]
fn a_person_previews_applies_watches_and_finds_it_again() {
    if has_browser() {
        Site::start(|_| Vec::new()).visit("flow.mjs", &[]);
    }
}

#[test]
fn in_live_mode_a_write_is_confirmed_and_what_goes_wrong_is_told_to_who_watches() {
    if !has_browser() {
        return;
    }
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ghostcrm");
    let catalog = catalog.to_str().unwrap().to_owned();
    let dir = TempDir::new().unwrap();
    let mut sandbox = None;
    let mut site = Site::start(|base| {
        let webhook = format!("{base}/webhooks/stripe={WEBHOOK_SECRET}");
        let far = sandbox.insert(Sandbox::start(
            dir.path(),
            &["--live", "--webhook", &webhook],
        ));
        vec![
            ("STRIPE_SECRET_KEY", "sk_live_service".to_owned()),
            ("STRIPE_API_BASE", format!("http://{}", far.address)),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("SPS_STRIPE__MODE", "live".to_owned()),
            ("SPS_STRIPE__MAX_CONCURRENCY", "2".to_owned()),
            ("SPS_CATALOG__ROOT", catalog),
            ("SPS_SYNC__ON_DRIFT", "report".to_owned()),
            ("SPS_SYNC__DEBOUNCE", "100ms".to_owned()),
        ]
    });
    let sandbox = sandbox.unwrap();
    site.visit("trouble.mjs", &[&sandbox.address]);
}
