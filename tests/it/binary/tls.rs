//! TLS: certificates from files, who is trusted, and what is said when nobody is.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::{Served, command, run, told};

/// Longer than any of this may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A folder with a CA's certificate in `ca.pem` and one of a server that it signed.
struct Shop {
    dir: TempDir,
    ca: Ca,
}

impl Shop {
    fn new() -> Self {
        let shop = Self {
            dir: TempDir::new().unwrap(),
            ca: ca(),
        };
        std::fs::write(shop.path("ca.pem"), shop.ca.pem()).unwrap();
        shop.certify("server", &["localhost", "127.0.0.1"]);
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn flag(&self, key: &str, file: &str) -> String {
        format!("{key}={}", self.path(file).display())
    }

    /// Writes `NAME.pem` and `NAME-key.pem`.
    fn certify(&self, name: &str, names: &[&str]) {
        certify(self.dir.path(), name, names, &self.ca);
    }

    fn serve(&self, extra: &[&str]) -> Served {
        let cert = self.flag("tls.cert", "server.pem");
        let key = self.flag("tls.key", "server-key.pem");
        let args = [&["--set", &cert, "--set", &key][..], extra].concat();
        Served::start(self.dir.path(), &args)
    }

    /// A command that calls the service at this URL, from a folder without configuration.
    fn ask(&self, url: &str, set: &[(&str, &str)]) -> (String, String, i32) {
        told(&self.asked(url, set))
    }

    fn asked(&self, url: &str, set: &[(&str, &str)]) -> Output {
        let elsewhere = TempDir::new().unwrap();
        let mut command = command(elsewhere.path());
        command.args(["healthcheck", "--server", url]);
        for (key, file) in set {
            command.args(["--set", &self.flag(key, file)]);
        }
        command.output().unwrap()
    }
}

fn ca() -> Ca {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certify(dir: &Path, name: &str, names: &[&str], ca: &Ca) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, ca)
        .unwrap();
    std::fs::write(dir.join(format!("{name}-key.pem")), key.serialize_pem()).unwrap();
    std::fs::write(dir.join(format!("{name}.pem")), cert.pem()).unwrap();
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap()
}

#[track_caller]
fn says(told: &(String, String, i32), code: i32, words: &[&str]) {
    let (stdout, stderr, exit) = told;
    assert_eq!(*exit, code, "{stdout}{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in\n{stderr}");
    }
}

#[test]
fn a_client_trusts_whom_it_is_told_to_and_says_why_it_does_not() {
    let shop = Shop::new();
    shop.certify("server", &["127.0.0.1"]);
    let served = shop.serve(&[]);
    let url = format!("https://{}", served.grpc);
    let ca = [("tls.ca", "ca.pem")];
    says(&shop.ask(&url, &ca), 0, &[]);
    // The certificate itself will do.
    says(&shop.ask(&url, &[("tls.ca", "server.pem")]), 0, &[]);
    says(&shop.ask(&url, &[]), 4, &["not trusted", "tls.ca"]);
    std::fs::write(shop.path("other.pem"), self::ca().pem()).unwrap();
    let other = [("tls.ca", "other.pem")];
    says(&shop.ask(&url, &other), 4, &["not trusted", "tls.ca"]);
    let missing = [("tls.ca", "none.pem")];
    says(&shop.ask(&url, &missing), 2, &["tls.ca", "none.pem"]);
    let other_name = format!("https://localhost:{}", port(&served.grpc));
    says(&shop.ask(&other_name, &ca), 4, &["not for localhost"]);

    // Plain text where TLS is spoken, for healthcheck and a call.
    let plain = format!("http://{}", served.grpc);
    says(&shop.ask(&plain, &[]), 4, &["speaks TLS", "https://"]);
    let elsewhere = TempDir::new().unwrap();
    let status = told_of(&elsewhere, &["status", "--server", &plain]);
    says(&status, 4, &["speaks TLS", "https://"]);
    let watch = told_of(&elsewhere, &["watch", "--server", &plain]);
    says(&watch, 4, &["speaks TLS", "https://"]);
}

fn told_of(dir: &TempDir, args: &[&str]) -> (String, String, i32) {
    told(&run(dir.path(), args))
}

#[test]
fn tls_where_plain_text_is_spoken_is_told() {
    let dir = TempDir::new().unwrap();
    let served = Served::start(dir.path(), &[]);
    for address in [&served.grpc, &served.http] {
        let url = format!("https://{address}");
        let elsewhere = TempDir::new().unwrap();
        let told = told_of(&elsewhere, &["status", "--server", &url]);
        says(&told, 4, &["plain text", "http://"]);
    }
}

#[test]
fn commands_beside_the_service_trust_its_own_certificate_whatever_its_name() {
    let shop = Shop::new();
    shop.certify("server", &["sync.example.com"]);
    let served = shop.serve(&[]);
    let flags = [
        "--set".to_owned(),
        shop.flag("tls.cert", "server.pem"),
        "--set".to_owned(),
        shop.flag("tls.key", "server-key.pem"),
    ];
    let own = |args: &[&str]| {
        let output = command(shop.dir.path()).args(args).args(&flags).output();
        told(&output.unwrap())
    };
    says(&own(&["status"]), 0, &[]);
    let listen = format!("server.grpc_listen={}", served.grpc);
    says(&own(&["healthcheck", "--set", &listen]), 0, &[]);
    // HTTP is served over TLS too.
    let plain = std::net::TcpStream::connect(&served.http).unwrap();
    let answer = {
        use std::io::{Read as _, Write as _};
        let mut plain = plain;
        plain
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        let _reset = plain.read_to_end(&mut answer);
        answer
    };
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn clients_that_have_to_show_a_certificate_are_told_so() {
    let shop = Shop::new();
    let clients = ca();
    std::fs::write(shop.path("clients.pem"), clients.pem()).unwrap();
    certify(shop.dir.path(), "me", &["me"], &clients);
    shop.certify("stranger", &["stranger"]);
    let client_ca = shop.flag("tls.client_ca", "clients.pem");
    let served = shop.serve(&["--set", &client_ca]);
    let url = format!("https://{}", served.grpc);
    let ca = ("tls.ca", "ca.pem");
    let told = shop.ask(&url, &[ca]);
    says(&told, 4, &["wants a certificate", "tls.client_cert"]);
    let shown = |cert, key| [ca, ("tls.client_cert", cert), ("tls.client_key", key)];
    says(&shop.ask(&url, &shown("me.pem", "me-key.pem")), 0, &[]);
    let stranger = shown("stranger.pem", "stranger-key.pem");
    let told = shop.ask(&url, &stranger);
    says(&told, 4, &["refuses the certificate", "tls.client_ca"]);
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let shop = Shop::new();
    let served = shop.serve(&["--set", "tls.reload=50ms"]);
    let url = format!("https://{}", served.grpc);
    says(&shop.ask(&url, &[("tls.ca", "ca.pem")]), 0, &[]);

    // By another CA: whoever trusts only that one is served once it is shown.
    let next = ca();
    std::fs::write(shop.path("next.pem"), next.pem()).unwrap();
    certify(
        shop.dir.path(),
        "server",
        &["localhost", "127.0.0.1"],
        &next,
    );
    let renewed = [("tls.ca", "next.pem")];
    let begun = Instant::now();
    while shop.ask(&url, &renewed).2 != 0 {
        assert!(begun.elapsed() < PATIENCE, "the old one is still shown");
    }

    std::fs::write(shop.path("server-key.pem"), "nonsense").unwrap();
    // Many looks later.
    for _ in 0..5 {
        says(&shop.ask(&url, &renewed), 0, &[]);
    }
}

#[test]
fn files_that_cannot_be_used_stop_the_start_and_check_config() {
    let shop = Shop::new();
    shop.certify("other", &["localhost"]);
    std::fs::write(shop.path("empty.pem"), "").unwrap();
    for (cert, key, words) in [
        (
            "none.pem",
            "server-key.pem",
            ["tls.cert", "none.pem", "no such file"],
        ),
        (
            "empty.pem",
            "server-key.pem",
            ["tls.cert", "empty.pem", "no certificate"],
        ),
        (
            "server.pem",
            "empty.pem",
            ["tls.key", "empty.pem", "no private key"],
        ),
        (
            "server.pem",
            "other-key.pem",
            ["tls.cert", "other-key.pem", "another certificate's"],
        ),
    ] {
        let (cert, key) = (shop.flag("tls.cert", cert), shop.flag("tls.key", key));
        for name in ["serve", "check-config"] {
            let args = [name, "--set", &cert, "--set", &key];
            says(&told(&run(shop.dir.path(), &args)), 2, &words);
        }
    }
    let mut expired = CertificateParams::new(["localhost".to_owned()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let key = KeyPair::generate().unwrap();
    let cert = expired.signed_by(&key, &shop.ca).unwrap();
    std::fs::write(shop.path("server.pem"), cert.pem()).unwrap();
    std::fs::write(shop.path("server-key.pem"), key.serialize_pem()).unwrap();
    let served = shop.serve(&[]);
    let url = format!("https://{}", served.grpc);
    says(
        &shop.ask(&url, &[("tls.ca", "ca.pem")]),
        4,
        &["has expired"],
    );
    let (cert, key) = (
        shop.flag("tls.cert", "server.pem"),
        shop.flag("tls.key", "server-key.pem"),
    );
    let checked = told(&run(
        shop.dir.path(),
        &["check-config", "--set", &cert, "--set", &key],
    ));
    says(&checked, 0, &["warning", "tls.cert", "expired"]);
}
