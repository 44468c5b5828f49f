//! What is open, of each kind once. Found again, it is counted; found again soon
//! after it was over, it is the same one still.

use std::collections::BTreeSet;

use super::judge::Judgement;
use super::tell::FLAPPING;
use crate::catalog::LocalId;
use crate::plan::{AccountRef, Mode};
use crate::store::{Alert, AlertKind, Delivery, Notice, Scope, Timestamp};

/// The kinds that a run finds, and a run ends.
const OF_RUNS: [AlertKind; 3] = [
    AlertKind::RunFailed,
    AlertKind::FuseBlown,
    AlertKind::CredentialsRefused,
];

/// The alerts of one account, being changed.
pub(super) struct Book {
    alerts: Vec<Alert>,
    at: Option<AccountRef>,
    mode: Mode,
    now: Timestamp,
    changed: BTreeSet<String>,
}

impl Book {
    pub(super) fn new(
        mut alerts: Vec<Alert>,
        at: Option<AccountRef>,
        mode: Mode,
        now: Timestamp,
    ) -> Self {
        let mode = at.as_ref().map_or(mode, |at| at.mode);
        alerts.retain(|alert| alert.is_of(mode, at.as_ref()));
        Self {
            alerts,
            at,
            mode,
            now,
            changed: BTreeSet::new(),
        }
    }

    /// What is to be written.
    pub(super) fn into_changed(self) -> Vec<Alert> {
        let Self {
            mut alerts,
            changed,
            ..
        } = self;
        alerts.retain(|alert| changed.contains(&alert.id));
        alerts
    }

    pub(super) fn open(&self, kind: AlertKind) -> Option<&Alert> {
        let mut alerts = self.alerts.iter();
        alerts.find(|alert| alert.notice.kind == kind && alert.is_open())
    }

    /// Whether a run has left something that another run has to bring in order.
    pub(super) fn is_any_of_runs_open(&self) -> bool {
        OF_RUNS.iter().any(|kind| self.open(*kind).is_some())
    }

    /// Enters the end of a run.
    pub(super) fn enter(&mut self, judgement: Judgement) {
        match judgement {
            Judgement::Nothing => {}
            Judgement::Well { covered } => self.brought_in_order(&covered, None),
            Judgement::Badly {
                notice,
                covered,
                failed,
            } => {
                let kind = notice.kind;
                self.brought_in_order(&covered, Some(&failed));
                let before = self.open(kind).map(|alert| alert.scope.clone());
                self.raise(notice, union(before, failed));
            }
        }
    }

    /// What was found at this moment.
    pub(super) fn raise(&mut self, notice: Notice, scope: Scope) {
        let (now, at) = (self.now, self.at.clone());
        let soon = |alert: &Alert| {
            let end = alert.end_time;
            end.is_none_or(|end| now - end < FLAPPING)
        };
        let same = |alert: &&mut Alert| alert.notice.kind == notice.kind && soon(alert);
        // The one that is open, if any is: it began last.
        if let Some(alert) = self.alerts.iter_mut().rev().find(same) {
            alert.end_time = None;
            alert.notice = notice;
            alert.scope = scope;
            alert.last_time = now;
            alert.count = alert.count.saturating_add(1);
            if alert.account.is_none() {
                alert.account = at.map(|at| at.account);
            }
            self.changed.insert(alert.id.clone());
            return;
        }
        let id = uuid::Uuid::now_v7().to_string();
        self.changed.insert(id.clone());
        self.alerts.push(Alert {
            id,
            account: at.map(|at| at.account),
            mode: self.mode,
            notice,
            scope,
            first_time: now,
            last_time: now,
            count: 1,
            end_time: None,
            delivery: Delivery::default(),
        });
    }

    /// What is so as long as it is so: told anew only where it says something else.
    pub(super) fn raise_once(&mut self, notice: Notice) {
        let open = self.open(notice.kind);
        if open.is_none_or(|open| open.notice.message != notice.message) {
            self.raise(notice, Scope::Everything);
        }
    }

    pub(super) fn close(&mut self, kind: AlertKind) {
        let now = self.now;
        let is_it = |alert: &&mut Alert| alert.notice.kind == kind && alert.is_open();
        for alert in self.alerts.iter_mut().filter(is_it) {
            // A clock that was put back makes nothing end before it began.
            alert.end_time = Some(now.max(alert.last_time));
            self.changed.insert(alert.id.clone());
        }
    }

    /// A run saw to all that it covered, but for what failed.
    fn brought_in_order(&mut self, covered: &Scope, failed: Option<&Scope>) {
        for kind in OF_RUNS {
            let Some(open) = self.open(kind) else {
                continue;
            };
            let rest = rest(&open.scope, covered, failed);
            if rest == Scope::Products(BTreeSet::new()) {
                self.close(kind);
            } else if rest != open.scope {
                let id = open.id.clone();
                let mut alerts = self.alerts.iter_mut();
                if let Some(alert) = alerts.find(|alert| alert.id == id) {
                    alert.scope = rest;
                }
                self.changed.insert(id);
            }
        }
    }
}

/// What is left of a scope after a run.
fn rest(scope: &Scope, covered: &Scope, failed: Option<&Scope>) -> Scope {
    let failed = match failed {
        None => BTreeSet::new(),
        // Nothing was brought in order.
        Some(Scope::Everything) => return scope.clone(),
        Some(Scope::Products(failed)) => failed.clone(),
    };
    match (scope, covered) {
        (Scope::Everything, Scope::Products(_)) => Scope::Everything,
        (Scope::Everything, Scope::Everything) => Scope::Products(failed),
        (Scope::Products(open), Scope::Everything) => only(open, |id| failed.contains(id)),
        (Scope::Products(open), Scope::Products(covered)) => {
            only(open, |id| !covered.contains(id) || failed.contains(id))
        }
    }
}

fn only(ids: &BTreeSet<LocalId>, keep: impl Fn(&LocalId) -> bool) -> Scope {
    Scope::Products(ids.iter().filter(|id| keep(id)).cloned().collect())
}

fn union(one: Option<Scope>, other: Scope) -> Scope {
    match (one, other) {
        (None, other) => other,
        (Some(Scope::Everything), _) | (Some(_), Scope::Everything) => Scope::Everything,
        (Some(Scope::Products(mut one)), Scope::Products(other)) => {
            one.extend(other);
            Scope::Products(one)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;

    pub(in super::super) fn at(time: &str) -> Timestamp {
        format!("2026-11-29T{time}:00Z").parse().unwrap()
    }

    pub(in super::super) fn alert() -> Alert {
        Alert {
            id: "0190".to_owned(),
            account: Some(Arc::from("acct_1")),
            mode: Mode::Test,
            notice: notice(AlertKind::RunFailed, "failed"),
            scope: Scope::Everything,
            first_time: at("10:00"),
            last_time: at("10:00"),
            count: 1,
            end_time: None,
            delivery: Delivery::default(),
        }
    }

    pub(in super::super) fn notice(kind: AlertKind, message: &str) -> Notice {
        Notice {
            kind,
            message: message.to_owned(),
            hint: String::new(),
            details: Vec::new(),
            run: None,
        }
    }

    fn products(ids: &[&str]) -> Scope {
        Scope::Products(ids.iter().map(|id| LocalId::new(*id).unwrap()).collect())
    }

    fn book(alerts: Vec<Alert>, now: &str) -> Book {
        let account = AccountRef {
            account: Arc::from("acct_1"),
            mode: Mode::Test,
        };
        Book::new(alerts, Some(account), Mode::Test, at(now))
    }

    fn badly(covered: Scope, failed: Scope) -> Judgement {
        Judgement::Badly {
            notice: notice(AlertKind::RunFailed, "failed"),
            covered,
            failed,
        }
    }

    fn after(before: Vec<Alert>, now: &str, judgement: Judgement) -> Vec<Alert> {
        let mut book = book(before, now);
        book.enter(judgement);
        book.into_changed()
    }

    #[test]
    fn a_failure_opens_and_the_next_one_is_counted() {
        let first = after(
            Vec::new(),
            "10:00",
            badly(Scope::Everything, products(&["a"])),
        );
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].count, &first[0].scope), (1, &products(&["a"])));
        let second = after(first, "11:00", badly(products(&["b"]), products(&["b"])));
        assert_eq!(second.len(), 1);
        assert_eq!(
            (second[0].count, &second[0].scope),
            (2, &products(&["a", "b"]))
        );
        assert_eq!(second[0].last_time, at("11:00"));
    }

    #[test]
    fn it_is_over_when_runs_have_brought_all_of_it_in_order() {
        let open = after(
            Vec::new(),
            "10:00",
            badly(Scope::Everything, products(&["a", "b"])),
        );
        let covered = products(&["b", "c"]);
        let half = after(open.clone(), "10:01", Judgement::Well { covered });
        assert_eq!(
            (half[0].is_open(), &half[0].scope),
            (true, &products(&["a"]))
        );
        let covered = products(&["c"]);
        let other = after(open.clone(), "10:01", Judgement::Well { covered });
        assert_eq!(other, [], "a run over other products says nothing");
        let covered = products(&["a"]);
        let all = after(half, "10:02", Judgement::Well { covered });
        assert_eq!(all[0].end_time, Some(at("10:02")));
        let covered = Scope::Everything;
        let full = after(open, "10:02", Judgement::Well { covered });
        assert_eq!(full[0].end_time, Some(at("10:02")));
    }

    #[test]
    fn a_run_that_failed_altogether_is_made_up_for_by_a_full_one_only() {
        let open = after(
            Vec::new(),
            "10:00",
            badly(Scope::Everything, Scope::Everything),
        );
        let covered = products(&["a"]);
        let scoped = after(open.clone(), "10:01", Judgement::Well { covered });
        assert_eq!(scoped, []);
        // The next full run fails for one product only: that one is what is left.
        let less = after(open, "10:02", badly(Scope::Everything, products(&["a"])));
        assert_eq!(less[0].scope, products(&["a"]));
        assert_eq!(less[0].count, 2);
    }

    #[test]
    fn what_comes_back_soon_is_the_same_one() {
        let mut ended = alert();
        ended.end_time = Some(at("10:05"));
        let soon = after(
            vec![ended.clone()],
            "10:06",
            badly(Scope::Everything, Scope::Everything),
        );
        assert_eq!((soon[0].id.as_str(), soon[0].count), ("0190", 2));
        assert!(soon[0].is_open());
        let later = after(
            vec![ended],
            "11:00",
            badly(Scope::Everything, Scope::Everything),
        );
        assert_ne!(later[0].id, "0190");
        assert_eq!(later[0].count, 1);
    }

    #[test]
    fn what_stays_so_is_told_once_until_it_says_something_else() {
        let mut book = book(Vec::new(), "10:00");
        book.raise_once(notice(AlertKind::DeadLetters, "1 event"));
        book.raise_once(notice(AlertKind::DeadLetters, "1 event"));
        assert_eq!(book.open(AlertKind::DeadLetters).unwrap().count, 1);
        book.raise_once(notice(AlertKind::DeadLetters, "2 events"));
        assert_eq!(book.open(AlertKind::DeadLetters).unwrap().count, 2);
        book.close(AlertKind::DeadLetters);
        assert!(book.open(AlertKind::DeadLetters).is_none());
    }

    #[test]
    fn accounts_are_apart() {
        let mut other = alert();
        other.account = Some(Arc::from("acct_2"));
        let mut unknown = alert();
        unknown.account = None;
        unknown.id = "0191".to_owned();
        let covered = Scope::Everything;
        let ended = after(vec![other, unknown], "10:02", Judgement::Well { covered });
        let ids: Vec<&str> = ended.iter().map(|alert| alert.id.as_str()).collect();
        assert_eq!(
            ids,
            ["0191"],
            "what began before the account was known is its own"
        );
    }
}
