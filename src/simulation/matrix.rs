//! Every point at which a replica can crash or fail, under every promise that a step can bear: nothing is
//! lost, nothing is done twice, everything ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::customer::Wish;
use super::designs::reference;
use super::faults::Fault;
use super::machines::Bears;
use super::scale::scaled;
use super::scenario::{Outcome, Scenario};
use crate::domain::Policy;
use crate::failpoint::{Act, Point, Trap};
use crate::proto::v1::TaskAction;

/// How many of the times at which a point is passed are tried, at the scale of CI.
const TIMES: u32 = 1;

/// The chance of every world: what differs is where it fails.
const SEED: u64 = 1;

/// What every step of a world bears.
const POLICIES: [(Policy, Bears); 4] = [
    (Policy::Observe, |_| Policy::Observe),
    (Policy::Converge, |_| Policy::Converge),
    (Policy::Guarded, |_| Policy::Guarded),
    (Policy::Once, |_| Policy::Once),
];

/// A world that passes every point by itself: a deployment that comes to its end, one that is stopped, a
/// replica that crashes under both, and one that drains.
fn scenario(bears: Bears, trap: &Arc<Trap>) -> Scenario {
    let second = Duration::from_secs(1);
    let wish = |site: &str, after, stop_after| Wish {
        action: TaskAction::DeployNode,
        design_ref: reference(site),
        after,
        stop_after,
        patience: 60,
    };
    Scenario {
        seed: SEED,
        replicas: 2,
        nodes: 1,
        wishes: vec![
            wish("harbour", Duration::ZERO, None),
            wish("quay", Duration::ZERO, Some(2 * second)),
            wish("dock", 12 * second, None),
        ],
        // In the middle of the first deployment's last step, and of the last one's first.
        faults: vec![
            (4 * second + second / 2, 0, Fault::Crash(second)),
            (5 * second, 1, Fault::Crash(second)),
            (13 * second, 0, Fault::Drain(second)),
            (15 * second, 1, Fault::Drain(second)),
        ],
        bears,
        work: second,
        trap: Arc::clone(trap),
    }
}

/// How often each point is passed where nothing fails.
fn passed(bears: Bears) -> BTreeMap<Point, usize> {
    let trap = Trap::open();
    let outcome = scenario(bears, &trap).run();
    outcome.expect("a world in which no point fails");
    trap.passed()
}

#[test]
fn no_point_at_which_a_replica_crashes_or_fails_loses_or_repeats_anything() {
    let began = Instant::now();
    let mut worlds = 0;
    let mut sprung: BTreeMap<Point, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (policy, bears) in POLICIES {
        let passed = passed(bears);
        for (place, point) in Point::ALL.into_iter().enumerate() {
            // A point of one policy alone is not on the others' way.
            let Some(times) = passed.get(&point) else {
                continue;
            };
            let tries = (scaled(TIMES) as usize).min(*times);
            for attempt in 0..tries {
                // Spread over all times, and elsewhere for each policy.
                let spread = times * attempt / tries + (place + policy as usize) * 7;
                let time = 1 + spread % times;
                for act in [Act::Crash, Act::Error] {
                    let trap = Trap::at(point, time, act);
                    let came = scenario(bears, &trap)
                        .run()
                        .map(|outcome: Outcome| outcome.elapsed);
                    worlds += 1;
                    let name = format!("{policy:?}, {act:?} at {point:?} for the {time}th time");
                    match came {
                        Err(problem) => wrong.push(format!("{name}: {problem}")),
                        Ok(_) if trap.sprung() => *sprung.entry(point).or_default() += 1,
                        // What a drain wakes first is not for the seed to say.
                        Ok(_) => println!("{name}: not reached"),
                    }
                }
            }
        }
    }
    println!("{worlds} worlds in {:?}: {sprung:?}", began.elapsed());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missed: Vec<Point> = Point::ALL
        .into_iter()
        .filter(|point| !sprung.contains_key(point))
        .collect();
    assert!(missed.is_empty(), "no world passes {missed:?}");
}
