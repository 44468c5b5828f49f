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
        let mut book = Self {
            alerts,
            at,
            mode,
            now,
            changed: BTreeSet::new(),
        };
        book.take_over();
        book
    }

    /// What began before the account was known is the account's, or over where the
    /// same is open there: a key was changed for another one of the same account.
    fn take_over(&mut self) {
        let Some(at) = self.at.clone() else {
            return;
        };
        let known: BTreeSet<AlertKind> = self
            .alerts
            .iter()
            .filter(|alert| alert.is_open() && alert.account.is_some())
            .map(|alert| alert.notice.kind)
            .collect();
        let now = self.now;
        let is_unknown = |alert: &&mut Alert| alert.is_open() && alert.account.is_none();
        for alert in self.alerts.iter_mut().filter(is_unknown) {
            if known.contains(&alert.notice.kind) {
                alert.end_time = Some(now.max(alert.last_time));
            } else {
                alert.account = Some(at.account.clone());
            }
            self.changed.insert(alert.id.clone());
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
            Judgement::Well { covered } => {
                for kind in OF_RUNS {
                    self.brought_in_order(kind, &covered, None);
                }
            }
            Judgement::Badly {
                notice,
                covered,
                failed,
                is_carried_out,
            } => {
                for kind in OF_RUNS {
                    // Not the key or the fuse stood in its way, but what failed.
                    let is_over =
                        is_carried_out && kind != notice.kind && kind != AlertKind::RunFailed;
                    let failed = (!is_over).then_some(&failed);
                    self.brought_in_order(kind, &covered, failed);
                }
                let before = self.open(notice.kind).map(|alert| alert.scope.clone());
                self.raise(notice, union(before, failed));
            }
        }
    }

    /// What was found at this moment. What was over only just now is not over.
    pub(super) fn raise(&mut self, notice: Notice, scope: Scope) {
        let now = self.now;
        let account = self.at.as_ref().map(|at| at.account.clone());
        let is_same = |alert: &&mut Alert| {
            alert.notice.kind == notice.kind
                && match alert.end_time {
                    None => true,
                    Some(end) => alert.account == account && now - end < FLAPPING,
                }
        };
        let same = self.alerts.iter_mut().filter(is_same);
        if let Some(alert) = same.max_by_key(|alert| (alert.is_open(), alert.first_time)) {
            alert.end_time = None;
            alert.notice = notice;
            alert.scope = scope;
            alert.last_time = now.max(alert.last_time);
            alert.count = alert.count.saturating_add(1);
            self.changed.insert(alert.id.clone());
            return;
        }
        let id = uuid::Uuid::now_v7().to_string();
        self.changed.insert(id.clone());
        self.alerts.push(Alert {
            id,
            account,
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

    /// When the last of what runs had left was over.
    pub(super) fn last_end_of_runs(&self) -> Option<Timestamp> {
        let of_runs = |alert: &&Alert| OF_RUNS.contains(&alert.notice.kind);
        let ends = self.alerts.iter().filter(of_runs);
        ends.filter_map(|alert| alert.end_time).max()
    }

    /// A run saw to all that it covered, but for what failed.
    fn brought_in_order(&mut self, kind: AlertKind, covered: &Scope, failed: Option<&Scope>) {
        let now = self.now;
        let is_it = |alert: &&mut Alert| alert.notice.kind == kind && alert.is_open();
        let Some(open) = self.alerts.iter_mut().find(is_it) else {
            return;
        };
        let rest = rest(&open.scope, covered, failed);
        if rest == open.scope {
            return;
        }
        if rest == Scope::Products(BTreeSet::new()) {
            open.end_time = Some(now.max(open.last_time));
        } else {
            open.scope = rest;
        }
        self.changed.insert(open.id.clone());
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
            is_carried_out: true,
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
    fn what_failed_for_another_reason_says_that_the_key_and_the_fuse_are_fine() {
        let mut refused = alert();
        refused.notice.kind = AlertKind::CredentialsRefused;
        let mut blown = alert();
        blown.notice.kind = AlertKind::FuseBlown;
        blown.id = "0191".to_owned();
        let both = vec![refused, blown];
        let partly = badly(Scope::Everything, products(&["a"]));
        let changed = after(both.clone(), "10:10", partly);
        let open: Vec<_> = changed.iter().filter(|alert| alert.is_open()).collect();
        assert_eq!((changed.len(), open.len()), (3, 1), "{changed:?}");
        assert_eq!(open[0].notice.kind, AlertKind::RunFailed);
        // One that Stripe did not answer says nothing of them.
        let judgement = Judgement::Badly {
            notice: notice(AlertKind::RunFailed, "Stripe is down"),
            covered: Scope::Everything,
            failed: Scope::Everything,
            is_carried_out: false,
        };
        let changed = after(both, "10:10", judgement);
        assert_eq!(changed.len(), 1, "{changed:?}");
    }

    #[test]
    fn accounts_are_apart() {
        let mut other = alert();
        other.account = Some(Arc::from("acct_2"));
        let covered = Scope::Everything;
        let ended = after(vec![other], "10:02", Judgement::Well { covered });
        assert_eq!(ended, []);
    }

    #[test]
    fn what_began_before_the_account_was_known_becomes_its_own() {
        let mut unknown = alert();
        unknown.account = None;
        let alone = book(vec![unknown.clone()], "10:02").into_changed();
        assert_eq!(alone[0].account.as_deref(), Some("acct_1"));
        assert!(alone[0].is_open());

        // A changed key: the same is open for the account, and goes on there.
        unknown.id = "0191".to_owned();
        unknown.first_time = at("10:01");
        let mut both = book(vec![alert(), unknown], "10:02");
        both.raise(notice(AlertKind::RunFailed, "again"), Scope::Everything);
        let changed = both.into_changed();
        let state = |id: &str| {
            let alert = changed.iter().find(|alert| alert.id == id).unwrap();
            (alert.is_open(), alert.count)
        };
        assert_eq!((state("0190"), state("0191")), ((true, 2), (false, 1)));
    }
}
