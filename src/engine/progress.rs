//! What a run tells while it works. Every event has a sequence number and is
//! kept; watchers read from memory while the run is here or is followed here, and
//! from the database otherwise. A watcher holds a position, not a queue: a slow one
//! costs nothing.
//!
//! An event is told once the database has it. If its process is killed, whoever goes
//! on with the run goes on from there, and a watcher from the place that it was told:
//! there are never two events of one number.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::clock::Clock;
use super::lock;
use crate::store::{
    ActionKind, Counts, Failure, ProgressRow, ResultRow, Run, RunId, RunOptions, RunState,
    Timestamp, Trigger,
};
use crate::trace::Trace;

/// How many events stay in memory; a watcher further behind gets a snapshot.
const RING: usize = 2048;

/// One event with its place in the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// From 1, without gaps.
    pub sequence: i64,
    /// When.
    pub time: Timestamp,
    /// What.
    pub progress: Progress,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Progress {
    /// The run began, or went on after its process was killed.
    RunStarted {
        /// What started it.
        trigger: Trigger,
        /// Who.
        actor: String,
        /// What was asked for.
        options: RunOptions,
        /// Whether another process had begun it.
        resumed: bool,
    },
    /// The plan is made.
    PlanReady {
        /// What it would do.
        counts: Counts,
        /// Identifies it.
        digest: String,
        /// Products with work.
        steps_total: u32,
        /// Writes to Stripe that it holds.
        writes: u32,
    },
    /// Work on a product begins.
    StepStarted {
        /// Its id in the catalog.
        local_id: String,
        /// Its name.
        name: String,
        /// What kind of work.
        action: ActionKind,
    },
    /// A product is tried again.
    StepRetried {
        /// Its id in the catalog.
        local_id: String,
        /// Which try comes now, from 2.
        attempt: u32,
        /// Milliseconds until then.
        delay_ms: u64,
        /// Why.
        error: Failure,
    },
    /// Work on a product ended.
    StepFinished {
        /// How.
        result: Box<ResultRow>,
        /// Products done so far.
        steps_finished: u32,
        /// Products with work.
        steps_total: u32,
    },
    /// The run ended.
    RunFinished {
        /// How.
        state: RunState,
        /// What was done.
        counts: Counts,
        /// Requests to Stripe.
        stripe_calls: u32,
        /// Why it failed.
        error: Option<Failure>,
    },
}

/// The live side of a run in this process, which works on it or follows it.
pub struct RunLog {
    id: RunId,
    /// Of whoever asked for it here; otherwise it has one of its own.
    trace: Trace,
    clock: Clock,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    /// Apart from the other changes: there may be ten thousand watchers, and each wakes.
    told: watch::Sender<()>,
}

struct State {
    run: Run,
    /// The newest ones, also those that are not told yet.
    events: VecDeque<Arc<Event>>,
    /// The database has all up to here.
    told: i64,
    /// And of the later ones these: commits overtake each other.
    early: BTreeSet<i64>,
    unsaved: Vec<ProgressRow>,
    /// Results that no commit would take.
    lost: Vec<ResultRow>,
}

/// A run's end that is not told yet.
pub(super) struct Ending {
    pub(super) run: Run,
    event: Arc<Event>,
}

impl Ending {
    /// The last event for the database.
    pub(super) fn row(&self) -> (RunId, ProgressRow) {
        (self.run.id.clone(), row(&self.event))
    }
}

impl State {
    fn push(&mut self, progress: Progress, time: Timestamp) {
        let sequence = self.run.last_sequence + 1;
        self.run.last_sequence = sequence;
        let event = Arc::new(Event {
            sequence,
            time,
            progress,
        });
        self.unsaved.push(row(&event));
        self.keep(event);
    }

    /// Everything up to here can be told.
    fn tell_to(&mut self, sequence: i64) {
        self.told = self.told.max(sequence);
        while self.early.remove(&(self.told + 1)) {
            self.told += 1;
        }
        self.early = self.early.split_off(&(self.told + 1));
    }

    /// As watchers may know it: they go on from the sequence that it names.
    fn as_told(&self) -> Run {
        Run {
            last_sequence: self.told,
            ..self.run.clone()
        }
    }

    fn keep(&mut self, event: Arc<Event>) {
        if self.events.len() == RING {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

fn row(event: &Event) -> ProgressRow {
    // Serialising these types into memory cannot fail.
    let body = serde_json::to_string(&event.progress).unwrap_or_default();
    ProgressRow {
        sequence: event.sequence,
        time: event.time,
        body,
    }
}

/// What a watcher gets next.
pub enum Next {
    /// Events after its position.
    Events(Vec<Arc<Event>>),
    /// Its position is no longer, or not yet, in memory: the run as it is.
    Reset(Box<Run>),
}

impl RunLog {
    pub(super) fn new(run: Run, trace: Trace, clock: Clock) -> Arc<Self> {
        let (changed, _) = watch::channel(());
        let (told, _) = watch::channel(());
        let id = run.id.clone();
        Arc::new(Self {
            id,
            trace,
            clock,
            state: Mutex::new(State {
                told: run.last_sequence,
                run,
                events: VecDeque::new(),
                early: BTreeSet::new(),
                unsaved: Vec::new(),
                lost: Vec::new(),
            }),
            changed,
            told,
        })
    }

    /// The run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// What it is done for.
    pub(super) fn trace(&self) -> Trace {
        self.trace
    }

    /// The run as it is now.
    pub fn run(&self) -> Run {
        self.lock().run.clone()
    }

    /// The run as it is now; `last_sequence` is that of the last event told.
    pub fn snapshot(&self) -> Run {
        self.lock().as_told()
    }

    /// Whether the run has ended; cheaper than to ask for the run.
    pub fn is_over(&self) -> bool {
        self.lock().run.state.is_final()
    }

    /// Changes the run and returns it as it is then.
    pub(super) fn update(&self, change: impl FnOnce(&mut Run)) -> Run {
        let mut state = self.lock();
        change(&mut state.run);
        let run = state.run.clone();
        drop(state);
        self.changed.send_replace(());
        run
    }

    /// Adds an event, for the database with the next commit and then for the watchers.
    pub(super) fn emit(&self, progress: Progress) {
        self.lock().push(progress, (self.clock)());
    }

    /// Tells the watchers what a commit has taken.
    pub(super) fn tell(&self, rows: &[(RunId, ProgressRow)]) {
        if rows.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.early.extend(rows.iter().map(|(_, row)| row.sequence));
        let before = state.told;
        state.tell_to(before);
        let told = state.told;
        drop(state);
        // A commit that overtook an earlier one tells nothing yet.
        if told > before {
            self.wake();
        }
    }

    /// The run as it ends, its last event included, before anybody is told.
    /// Nothing else is emitted from here on.
    pub(super) fn ending(&self, change: impl FnOnce(&mut Run)) -> Ending {
        let state = self.lock();
        let mut run = state.run.clone();
        drop(state);
        change(&mut run);
        run.last_sequence += 1;
        let progress = Progress::RunFinished {
            state: run.state,
            counts: run.counts,
            stripe_calls: run.stripe_reads + run.stripe_writes,
            error: run.error.clone(),
        };
        let event = Event {
            sequence: run.last_sequence,
            time: (self.clock)(),
            progress,
        };
        Ending {
            run,
            event: Arc::new(event),
        }
    }

    /// Tells the end, state and event in one: no watcher sees one without the other.
    pub(super) fn end(&self, ending: Ending) {
        let mut state = self.lock();
        state.run = ending.run;
        state.keep(ending.event);
        let sequence = state.run.last_sequence;
        state.tell_to(sequence);
        drop(state);
        self.wake();
    }

    /// Goes on with a run that another process had begun: its events are numbered
    /// from here on.
    pub(super) fn take_up(&self, run: &Run, newest: i64) {
        let mut state = self.lock();
        // It may have been asked to stop between the look at the line and here.
        let by = std::mem::take(&mut state.run.cancelled_by);
        state.run.clone_from(run);
        if run.cancelled_by.is_empty() {
            state.run.cancelled_by = by;
        }
        state.run.last_sequence = newest;
        if state.told != newest {
            // What is between was not read here: who watches gets a snapshot.
            state.events.clear();
        }
        state.told = newest;
        drop(state);
        self.wake();
    }

    /// Lets go of a run that this process works on no longer: what was not told is
    /// not so.
    pub(super) fn let_go(&self) {
        let mut state = self.lock();
        let told = state.told;
        state.events.retain(|event| event.sequence <= told);
        (state.unsaved, state.lost) = (Vec::new(), Vec::new());
        state.early.clear();
        state.run.last_sequence = told;
    }

    /// Up to where a follower has read.
    pub(super) fn position(&self) -> i64 {
        self.lock().told
    }

    /// Takes what the database says of a run that another process works on: the run,
    /// and what follows the position.
    pub(super) fn follow(&self, run: Run, events: Vec<Event>) {
        let mut state = self.lock();
        for event in events {
            let sequence = event.sequence;
            if sequence > state.told + 1 {
                // What is missing never comes: who watches gets a snapshot.
                state.events.clear();
            }
            if sequence > state.told {
                state.keep(Arc::new(event));
                state.told = sequence;
            }
        }
        let told = state.told;
        state.run = run;
        state.run.last_sequence = state.run.last_sequence.max(told);
        drop(state);
        self.wake();
    }

    /// Events that no commit has taken yet.
    pub(super) fn take_unsaved(&self) -> Vec<(RunId, ProgressRow)> {
        let rows = std::mem::take(&mut self.lock().unsaved);
        rows.into_iter().map(|row| (self.id.clone(), row)).collect()
    }

    /// Gives events back whose commit failed, so that the next one takes them.
    pub(super) fn return_unsaved(&self, rows: Vec<(RunId, ProgressRow)>) {
        let mut state = self.lock();
        let newer = std::mem::take(&mut state.unsaved);
        state.unsaved = rows.into_iter().map(|(_, row)| row).chain(newer).collect();
    }

    /// Keeps a result that the database would not take, for the run's end.
    pub(super) fn lose(&self, result: ResultRow) {
        self.lock().lost.push(result);
    }

    /// Results that no commit would take.
    pub(super) fn take_lost(&self) -> Vec<(RunId, ResultRow)> {
        let rows = std::mem::take(&mut self.lock().lost);
        rows.into_iter().map(|row| (self.id.clone(), row)).collect()
    }

    /// Wakes when something is told; subscribe before the first [`RunLog::next`].
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    /// Wakes at every change of the run.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Has all watchers look again, though nothing new is told.
    pub(super) fn ring(&self) {
        self.told.send_replace(());
    }

    fn wake(&self) {
        self.told.send_replace(());
        self.changed.send_replace(());
    }

    /// What follows this position: nothing (an empty list), events, or a reset.
    pub fn next(&self, after: i64) -> Next {
        let state = self.lock();
        let first = state
            .events
            .front()
            .map_or(state.told + 1, |event| event.sequence);
        if after > state.told || after + 1 < first {
            return Next::Reset(Box::new(state.as_told()));
        }
        let told = state.told;
        let skip = usize::try_from(after + 1 - first).unwrap_or(usize::MAX);
        let told = state
            .events
            .iter()
            .skip(skip)
            .take_while(|event| event.sequence <= told);
        Next::Events(told.cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Arc<RunLog> {
        let time = Timestamp::UNIX_EPOCH;
        RunLog::new(
            super::super::test_support::run("r1", time),
            Trace::begin(),
            Arc::new(move || time),
        )
    }

    fn happened() -> Progress {
        Progress::RunFinished {
            state: RunState::Succeeded,
            counts: Counts::default(),
            stripe_calls: 0,
            error: None,
        }
    }

    /// Kept at once.
    fn finished(log: &RunLog) {
        log.emit(happened());
        log.tell(&log.take_unsaved());
    }

    fn sequences(next: Next) -> Vec<i64> {
        match next {
            Next::Events(events) => events.iter().map(|event| event.sequence).collect(),
            Next::Reset(_) => panic!("reset"),
        }
    }

    #[test]
    fn a_position_gets_what_follows_without_a_gap() {
        let log = log();
        assert_eq!(sequences(log.next(0)), Vec::<i64>::new());
        (0..3).for_each(|_| finished(&log));
        assert_eq!(sequences(log.next(0)), [1, 2, 3]);
        assert_eq!(sequences(log.next(2)), [3]);
        assert_eq!(sequences(log.next(3)), Vec::<i64>::new());
    }

    #[test]
    fn a_position_that_is_gone_or_never_was_gets_a_reset() {
        let log = log();
        (0..RING + 10).for_each(|_| finished(&log));
        assert!(matches!(log.next(5), Next::Reset(_)));
        assert!(matches!(log.next(1_000_000), Next::Reset(_)));
        assert_eq!(sequences(log.next(10)).len(), RING);
    }

    #[test]
    fn what_a_failed_commit_gave_back_keeps_its_place() {
        let log = log();
        log.emit(happened());
        let rows = log.take_unsaved();
        log.emit(happened());
        log.return_unsaved(rows);
        let again: Vec<i64> = log
            .take_unsaved()
            .into_iter()
            .map(|(_, row)| row.sequence)
            .collect();
        assert_eq!(again, [1, 2]);
    }

    #[test]
    fn an_event_is_told_once_it_and_all_before_it_are_kept() {
        let log = log();
        log.emit(happened());
        let first = log.take_unsaved();
        log.emit(happened());
        let second = log.take_unsaved();
        assert_eq!(sequences(log.next(0)), Vec::<i64>::new());
        log.tell(&second);
        assert_eq!(sequences(log.next(0)), Vec::<i64>::new());
        assert_eq!(log.snapshot().last_sequence, 0);
        log.tell(&first);
        assert_eq!(sequences(log.next(0)), [1, 2]);
        assert_eq!(log.snapshot().last_sequence, 2);
    }

    #[test]
    fn what_was_not_told_is_not_so_once_another_process_goes_on() {
        let log = log();
        finished(&log);
        log.emit(happened());
        log.let_go();
        let event = |sequence| Event {
            sequence,
            time: Timestamp::UNIX_EPOCH,
            progress: happened(),
        };
        log.follow(log.run(), vec![event(2), event(3)]);
        assert_eq!(sequences(log.next(1)), [2, 3]);
        assert_eq!(log.take_unsaved(), []);
        // It takes the run back, with nothing in between.
        log.take_up(&log.run(), 3);
        finished(&log);
        assert_eq!(sequences(log.next(3)), [4]);
        // What it has not read is no gap that nobody sees.
        log.let_go();
        log.follow(log.run(), vec![event(9)]);
        assert!(matches!(log.next(4), Next::Reset(_)));
        assert_eq!(sequences(log.next(8)), [9]);
    }
}
