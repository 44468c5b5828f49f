//! Asks over HTTP, and reads an exposition as strictly as `OpenMetrics` is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Status and body.
pub(in crate::binary) fn request(
    address: &str,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n"));
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{body}",
        key.unwrap_or_default(),
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    assert!(!is_chunked, "{head}");
    (code, body.to_owned())
}

pub(in crate::binary) fn get(address: &str, path: &str, key: Option<&str>) -> (u16, String) {
    request(address, "GET", path, key, "")
}

pub(in crate::binary) fn post(address: &str, path: &str, body: &str) -> (u16, String) {
    request(address, "POST", path, None, body)
}

/// An exposition.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    /// By name and labels, as written.
    samples: BTreeMap<String, f64>,
    /// The values that each label of each name has.
    labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Scrape {
    pub(super) fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        let mut families = BTreeSet::new();
        let mut family = None;
        assert!(text.ends_with("# EOF\n"), "it does not end");
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words.as_slice() {
                ["#", "EOF"] => {}
                ["#", "HELP", name, help] => {
                    assert!(help.len() > 5, "{line}");
                    assert!(families.insert((*name).to_owned()), "twice: {line}");
                }
                ["#", "TYPE", name, kind] => {
                    family = Some(((*name).to_owned(), (*kind).to_owned()))
                }
                ["#", ..] => panic!("{line}"),
                _ => {
                    let (name, kind) = family.as_ref().unwrap();
                    scrape.sample(line, name, kind);
                }
            }
        }
        scrape
    }

    fn sample(&mut self, line: &str, family: &str, kind: &str) {
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let ending = name
            .strip_prefix(family)
            .unwrap_or_else(|| panic!("{line} in {family}"));
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => panic!("{family} is a {kind}"),
        };
        assert!(endings.contains(&ending), "{line} in the {kind} {family}");
        let known = self.labels.entry(name.to_owned()).or_default();
        let mut rest = labels.trim_end_matches('}');
        while let Some((label, behind)) = rest.split_once("=\"") {
            let (value, behind) = behind.split_once('"').unwrap();
            let values = known.entry(label.to_owned()).or_default();
            values.insert(value.to_owned());
            rest = behind.trim_start_matches(',');
        }
        let value = value.parse().unwrap();
        let earlier = self.samples.insert(sample.to_owned(), value);
        assert_eq!(earlier, None, "twice: {line}");
    }

    pub(super) fn value(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// A name's labels with their values; `None`: there is no such name.
    pub(super) fn labels(&self, name: &str) -> Option<&BTreeMap<String, BTreeSet<String>>> {
        self.labels.get(name)
    }
}
