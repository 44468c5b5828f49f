//! Other ends of a process: at its start, while it reports, by SIGTERM, with
//! another one waiting behind it, and without room for its database.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::super::{signal, told};
use super::firm::{Firm, Service};
use super::{As, Victim, three, victim_meets_frost};

/// Everything is as the catalog says, once.
fn assert_well(firm: &Firm, when: &str) {
    firm.sync();
    let (account, mappings) = (firm.account(), firm.mappings());
    assert_eq!(account.live(), 3, "{when}");
    assert_eq!(mappings.len(), 3, "{when}");
    account.assert_exact(&mappings, when);
}

/// Starts a sync and kills it as soon as something shows in the folder.
fn kill_as_soon_as(firm: &Firm, shows: impl Fn(&Path) -> bool) {
    let mut victim = Victim::start(firm, As::Command);
    while !shows(firm.path()) && victim.child().try_wait().unwrap().is_none() {}
    let _ended = victim.child().kill();
    victim.child().wait().unwrap();
}

#[test]
fn killed_while_the_database_is_being_made_it_starts_again() {
    let size = |path: &Path, name: &str| path.join(name).metadata().map_or(0, |file| file.len());
    type Size<'a> = &'a dyn Fn(&str) -> u64;
    let stages: [fn(Size<'_>, bool) -> bool; 4] = [
        |_, there| there,
        |size, _| size("sync.db") > 0,
        |size, _| size("sync.db-wal") > 0,
        |size, _| size("sync.db-wal") > 50_000,
    ];
    for (n, stage) in stages.iter().enumerate() {
        let firm = Firm::new(&three());
        kill_as_soon_as(&firm, |path| {
            stage(&|name| size(path, name), path.join("sync.db").exists())
        });
        firm.run(&["migrate"], 0);
        firm.run(&["migrate", "--check"], 0);
        assert_well(&firm, &format!("killed at stage {n} of the start"));
    }
}

#[test]
fn killed_while_it_writes_its_report_no_half_report_is_left_under_its_name() {
    let firm = Firm::new(&three());
    let reports = |path: &Path| -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(path.join("logs/stripe-sync"));
        let files = files.into_iter().flatten();
        files.map(|file| file.unwrap().path()).collect()
    };
    kill_as_soon_as(&firm, |path| !reports(path).is_empty());
    assert_well(&firm, "killed while it wrote its report");
    let whole = reports(firm.path());
    let whole = whole
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "json"));
    let mut count = 0;
    for path in whole {
        count += 1;
        let text = std::fs::read_to_string(path).unwrap();
        let _report: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    assert!(count > 0);
}

#[test]
fn sigterm_in_the_middle_of_a_run_ends_the_service_and_the_next_one_goes_on() {
    let mut firm = Firm::new(&three());
    let rule = r#"{"rule":"* from 3: delay-reply 300ms"}"#;
    firm.far()
        .ask("POST /_sandbox/faults", "application/json", rule);
    let mut victim = Victim::start(&firm, As::Service);
    assert!(victim_meets_frost(&firm, &mut victim));
    signal("-TERM", victim.child().id());
    let Victim::Service(service) = &mut victim else {
        unreachable!("it was started as a service")
    };
    service.wait_for("shut down");
    assert!(service.child.wait().unwrap().success());
    firm.thaw();
    let (account, mappings) = (firm.account(), firm.mappings());
    account.assert_sound(&mappings, "after SIGTERM");
    // What has begun was carried through: nothing is left without its mapping.
    assert_eq!(account.live(), mappings.len());
    let runs = || firm.run(&["runs", "list", "-o", "json"], 0);
    if runs().contains("STATE_RUNNING") {
        let mut next = Service::start(&firm, "off");
        let end = next.wait_for("run finished");
        assert!(end.contains("Succeeded"), "{end}");
    }
    let runs: Value = serde_json::from_str(&runs()).unwrap();
    let runs = runs["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0]["state"], "STATE_SUCCEEDED", "{runs:?}");
    assert_well(&firm, "after SIGTERM");
}

#[test]
fn a_second_command_behind_one_that_is_killed_tells_its_end_truthfully() {
    let mut firm = Firm::new(&three());
    firm.freeze(4, false);
    let mut first = Victim::start(&firm, As::Command);
    assert!(victim_meets_frost(&firm, &mut first));
    let second = firm
        .command(&["sync", "--accept-price-changes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its request waits behind the first one's run.
    while !firm
        .run(&["runs", "list", "-o", "json"], 0)
        .contains("STATE_PENDING")
    {}
    first.kill();
    firm.thaw();
    // It finds the service that comes next, which goes on with both runs.
    let mut service = Service::start(&firm, "off");
    service.wait_for("run finished");
    let (stdout, stderr, code) = told(&second.wait_with_output().unwrap());
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert!(
        stdout.contains("succeeded: 3 in sync"),
        "{stdout}\n{stderr}"
    );
    assert_eq!(firm.account().live(), 3);
    service.kill();
    assert_well(&firm, "after both");
}

#[test]
fn a_database_that_cannot_grow_ends_the_run_and_the_next_one_finds_everything() {
    let firm = Firm::new(&three());
    // As on a full disk: writing beyond so many blocks fails.
    for blocks in [8, 200, 300, 400] {
        let firm = firm.copy();
        let mut limited = Command::new("sh");
        limited
            .current_dir(firm.path())
            .env_clear()
            .arg("-c")
            .arg(format!(
                "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" sync --set reports.dir=r"
            ))
            .arg(env!("CARGO_BIN_EXE_stripe-product-sync"));
        firm.configure(&mut limited);
        let (stdout, stderr, code) = told(&limited.output().unwrap());
        assert!(!stderr.contains("panicked"), "{blocks}: {stderr}");
        assert!(
            code == 0 || stderr.contains("sync.db") || stdout.contains("sync.db"),
            "{blocks} blocks, exit {code}: {stdout}\n{stderr}"
        );
        assert_well(&firm, &format!("after {blocks} blocks"));
    }
}

#[test]
fn a_database_folder_that_cannot_be_written_is_named() {
    let firm = Firm::new(&three());
    // A file in the place of the folder: no rights help against that.
    let output = firm
        .command(&["sync"])
        .env("DATABASE_URL", "sqlite:products.yaml/sync.db")
        .output()
        .unwrap();
    let (stdout, stderr, code) = told(&output);
    assert_eq!(code, 4, "{stdout}\n{stderr}");
    assert!(stderr.contains("products.yaml"), "{stderr}");
    assert_eq!(firm.account().live(), 0);
    assert_well(&firm, "afterwards");
}
