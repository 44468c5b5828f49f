//! What happens to replicas, at random: they are killed and started again, they are
//! stopped for a while, and they are cut off from the database for a while.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::fleet::Fleet;
use super::proxy::Heal;

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Kill,
    Stop,
    Cut(Heal),
}

/// One that goes on.
struct Disturbed {
    replica: usize,
    fault: Fault,
    until: Instant,
}

/// At most so many at once: others may have to take over meanwhile.
const AT_ONCE: usize = 2;
/// How long a replica stays killed at the most.
const DOWN: u64 = 3_000;
/// How long it is stopped or cut off: some for less than the lease lasts, some for more.
const GONE: std::ops::RangeInclusive<u64> = 1_000..=15_000;
/// From one fault to the next.
const PEACE: std::ops::RangeInclusive<u64> = 1_000..=9_000;

/// So many of them, one after the other and side by side; what was done, in words.
pub(super) async fn rage(fleet: &mut Fleet, count: usize, rng: &mut fastrand::Rng) -> Vec<String> {
    let mut told = Vec::new();
    let mut disturbed: Vec<Disturbed> = Vec::new();
    let begun = Instant::now();
    let mut next = begun;
    while told.len() < count || !disturbed.is_empty() {
        let now = Instant::now();
        while let Some(over) = disturbed.iter().position(|one| one.until <= now) {
            let over = disturbed.swap_remove(over);
            end(fleet, &over).await;
        }
        let is_due = told.len() < count && next <= now && disturbed.len() < AT_ONCE;
        if is_due {
            let one = begin(fleet, &disturbed, rng).await;
            let until = (one.until - now).as_secs_f32();
            let at = (now - begun).as_secs_f32();
            told.push(format!(
                "{at:.1} s: {:?} of {} for {until:.1} s",
                one.fault, one.replica
            ));
            disturbed.push(one);
            next = now + Duration::from_millis(rng.u64(PEACE));
        }
        let ends = disturbed.iter().map(|one| one.until).min();
        let next = (told.len() < count && disturbed.len() < AT_ONCE).then_some(next);
        if let Some(next) = ends.into_iter().chain(next).min() {
            sleep_until(next).await;
        }
    }
    told
}

async fn begin(fleet: &mut Fleet, disturbed: &[Disturbed], rng: &mut fastrand::Rng) -> Disturbed {
    let is_well = |replica: &usize| disturbed.iter().all(|one| one.replica != *replica);
    let well: Vec<usize> = (0..fleet.replicas.len()).filter(is_well).collect();
    // Every other one hits whoever works.
    let leader = fleet.leader().await.filter(is_well);
    let replica = match leader {
        Some(leader) if rng.bool() => leader,
        Some(_) | None => well[rng.usize(..well.len())],
    };
    let target = &mut fleet.replicas[replica];
    let (fault, lasts) = match rng.u8(..4) {
        0 => {
            target.kill();
            (Fault::Kill, rng.u64(..DOWN))
        }
        1 => {
            target.stop();
            (Fault::Stop, rng.u64(GONE))
        }
        reset => {
            target.cut_off();
            let heal = if reset == 2 {
                Heal::Reset
            } else {
                Heal::PassOn
            };
            (Fault::Cut(heal), rng.u64(GONE))
        }
    };
    Disturbed {
        replica,
        fault,
        until: Instant::now() + Duration::from_millis(lasts),
    }
}

async fn end(fleet: &mut Fleet, over: &Disturbed) {
    let replica = &mut fleet.replicas[over.replica];
    match over.fault {
        Fault::Kill => replica.start().await,
        Fault::Stop => replica.go_on(),
        Fault::Cut(heal) => replica.heal(heal),
    }
}
