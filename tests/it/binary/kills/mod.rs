//! SIGKILL at a chosen request: the real binary, a Stripe in a process of its
//! own, both of them killed. Stripe stops answering at the `n`th request, with
//! or without its effect, so that every kill hits the instant that is meant.

mod ends;
mod firm;

use std::process::{Child, Stdio};

use self::firm::{Firm, Row, Service, row};

/// How a process is run: as the service or as a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum As {
    Service,
    Command,
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    /// Our process; Stripe stays.
    Ours,
    /// Stripe's stand-in; the service lives on.
    Far,
    Both,
}

/// Where a sync begins, and what it has to do.
struct Scenario {
    name: &'static str,
    before: fn(&Firm),
    rows: fn() -> Vec<Row>,
}

fn three() -> Vec<Row> {
    vec![
        row("plan_a", "A", 20, None),
        row("plan_b", "B", 20, Some(19)),
        row("plan_c", "C", 40, None),
    ]
}

fn scenarios() -> [Scenario; 5] {
    [
        Scenario {
            name: "first sync",
            before: |_| {},
            rows: three,
        },
        Scenario {
            name: "mixed change",
            before: |firm| synced(firm, &three()),
            rows: || {
                vec![
                    row("plan_a", "Renamed", 22, None),
                    row("plan_b", "B", 20, Some(21)),
                    row("plan_new", "New", 50, None),
                ]
            },
        },
        Scenario {
            name: "reprice",
            before: |firm| synced(firm, &three()),
            rows: || {
                let mut rows = three();
                rows.iter_mut().for_each(|row| row.2 += 5);
                rows
            },
        },
        Scenario {
            name: "adoption",
            before: older_code,
            rows: || vec![row("plan_a", "A", 20, None), row("plan_b", "B", 30, None)],
        },
        Scenario {
            name: "archive",
            before: |firm| synced(firm, &three()),
            rows: || three()[..1].to_vec(),
        },
    ]
}

fn synced(firm: &Firm, rows: &[Row]) {
    firm.say(rows);
    firm.sync();
}

/// Random ids, no default price, no mark of a catalog.
fn older_code(firm: &Firm) {
    for (local_id, cents) in [("plan_a", 2000), ("plan_b", 2500)] {
        let form = format!("name=Old&metadata[localId]={local_id}");
        let (_, made) = firm.far().post("/v1/products", &form);
        let id = made["id"].as_str().unwrap();
        let form = format!(
            "product={id}&currency=usd&unit_amount={cents}&recurring[interval]=month&metadata[localId]={local_id}"
        );
        assert_eq!(firm.far().post("/v1/prices", &form).0, 200);
    }
}

/// What a scenario leaves when nobody disturbs it, and how long it takes.
struct Undisturbed {
    start: Firm,
    shape: Vec<String>,
    requests: usize,
    /// Requests of a sync that has nothing to do.
    idle: usize,
}

impl Undisturbed {
    fn of(scenario: &Scenario) -> Self {
        let start = Firm::new(&three());
        (scenario.before)(&start);
        start.say(&(scenario.rows)());
        let firm = start.copy();
        firm.sync();
        let requests = firm.answered();
        firm.sync();
        Self {
            shape: firm.account().shape(),
            idle: firm.answered() - requests,
            requests,
            start,
        }
    }
}

/// The process whose sync is going to be disturbed.
enum Victim {
    Service(Service),
    Command(Child),
}

impl Victim {
    fn start(firm: &Firm, kind: As) -> Self {
        match kind {
            As::Service => Self::Service(Service::start(firm, "sync")),
            As::Command => Self::Command(
                firm.command(&["sync", "--accept-price-changes"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap(),
            ),
        }
    }

    fn child(&mut self) -> &mut Child {
        match self {
            Self::Service(service) => &mut service.child,
            Self::Command(child) => child,
        }
    }

    fn kill(&mut self) {
        self.child().kill().unwrap();
        self.child().wait().unwrap();
    }
}

/// Kills at one request, starts again, and looks at every stage. Returns
/// whether there was something to kill.
fn disturb(scenario: &Scenario, calm: &Undisturbed, n: usize, how: (As, Killed, As)) -> bool {
    let (first, killed, then) = how;
    let when = format!(
        "{}, {killed:?} killed at request {n} of {}, {first:?} then {then:?}",
        scenario.name, calm.requests
    );
    let mut firm = calm.start.copy();
    firm.freeze(n, n.is_multiple_of(2));
    let mut victim = Victim::start(&firm, first);
    if !victim_meets_frost(&firm, &mut victim) {
        return false;
    }
    if killed != Killed::Far {
        victim.kill();
    }
    if killed != Killed::Ours {
        firm.kill_far();
        firm.revive_far();
    }
    firm.thaw();
    if let (Killed::Far, Victim::Service(service)) = (killed, &mut victim) {
        service.wait_for("run finished");
        firm.account().assert_sound(&firm.mappings(), &when);
        service.kill();
    } else {
        firm.account().assert_sound(&firm.mappings(), &when);
        if then == As::Service
            && firm
                .run(&["runs", "list", "-o", "json"], 0)
                .contains("RUNNING")
        {
            let mut service = Service::start(&firm, "off");
            service.wait_for("run finished");
            firm.account().assert_sound(&firm.mappings(), &when);
            service.kill();
        }
    }
    let last = firm.sync();
    let (account, mappings) = (firm.account(), firm.mappings());
    account.assert_exact(&mappings, &when);
    assert_eq!(account.shape(), calm.shape, "{when}: {last}");
    let before = firm.answered();
    firm.sync();
    assert_eq!(
        firm.answered() - before,
        calm.idle,
        "{when}: a sync of nothing"
    );
    true
}

fn victim_meets_frost(firm: &Firm, victim: &mut Victim) -> bool {
    match victim {
        // A service stays when its run has ended.
        Victim::Service(_) => {
            while !firm.is_frozen() {
                if victim.child().try_wait().unwrap().is_some() {
                    return false;
                }
            }
            true
        }
        Victim::Command(child) => firm.wait_for_frost(child),
    }
}

#[expect(clippy::print_stdout, reason = "a sweep tells how far it went")]
fn sweep(every: usize, how: &[(As, Killed, As)]) {
    let (mut points, mut total, mut turn) = (0, 0, 0);
    for scenario in scenarios() {
        let calm = Undisturbed::of(&scenario);
        total += calm.requests;
        // Another first one for each, so that all kinds of requests have a turn.
        let first = 1 + scenario.name.len() % every.min(calm.requests);
        for n in (first..=calm.requests).step_by(every) {
            let how = how[turn % how.len()];
            turn += 1;
            points += usize::from(disturb(&scenario, &calm, n, how));
        }
    }
    println!("{points} of {total} requests, killed at as {how:?}");
    assert!(points * every * 2 > total, "only {points} points");
}

/// Every how manieth request is a point: what the time allows.
const EVERY: usize = 5;

#[test]
fn killed_with_sigkill_at_any_request_the_end_is_as_if_it_had_not_been() {
    sweep(
        EVERY,
        &[
            (As::Command, Killed::Ours, As::Command),
            (As::Service, Killed::Ours, As::Service),
            (As::Command, Killed::Ours, As::Service),
            (As::Service, Killed::Ours, As::Command),
        ],
    );
}

#[test]
fn stripe_killed_at_any_request_with_or_without_the_service() {
    sweep(
        2 * EVERY,
        &[
            (As::Service, Killed::Far, As::Service),
            (As::Service, Killed::Both, As::Service),
            (As::Command, Killed::Both, As::Command),
        ],
    );
}

/// Killed in the middle of a first sync of so many, then run again.
fn first_sync_killed(count: usize) {
    let rows: Vec<Row> = (0..count)
        .map(|n| row(&format!("plan_{n:03}"), &format!("P{n}"), 10, None))
        .collect();
    let mut firm = Firm::new(&rows);
    // Half of the writes: some products whole, some without their lookup key.
    firm.freeze(count, true);
    let mut victim = Victim::start(&firm, As::Command);
    assert!(victim_meets_frost(&firm, &mut victim));
    victim.kill();
    firm.thaw();
    let killed_with = firm.account().live();
    assert!(killed_with > 0 && killed_with <= count, "{killed_with}");
    firm.sync();
    let (account, mappings) = (firm.account(), firm.mappings());
    assert_eq!(account.live(), count, "0 duplicates");
    assert_eq!(mappings.len(), count);
    account.assert_exact(&mappings, "after the second run");
}

#[test]
fn killed_in_a_first_sync_of_29_products_and_run_again_makes_0_duplicates() {
    first_sync_killed(29);
}

#[test]
fn killed_in_a_first_sync_of_300_products_and_run_again_makes_0_duplicates() {
    first_sync_killed(300);
}
