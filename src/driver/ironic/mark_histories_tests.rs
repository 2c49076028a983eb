//! Every history of a node that is short enough, as Ironic's state machine lets it happen: after none of
//! them may a mark be found wrongly present or wrongly absent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::domain::inventory::Inventory;
use crate::domain::{Action, InstanceId, Policy, TaskId};

/// Events of one history: a request with its way to an end and back, and somebody else's.
const LENGTH: usize = 6;

const THEIRS: &str = "somebody else's";

/// A node, as far as a decision rests on it, and what is true of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    state: &'static str,
    /// How often the state has changed: each time in a moment of its own.
    moment: u32,
    instance: Option<String>,
    locked: bool,
    lacked_a_worker: bool,
    /// What was asked for has begun, by whoever asked, and was not put back.
    begun: bool,
}

impl World {
    fn to(&self, state: &'static str, locked: bool) -> Self {
        Self {
            state,
            moment: self.moment + 1,
            locked,
            lacked_a_worker: false,
            ..self.clone()
        }
    }

    /// Ironic puts it back, as it has no worker.
    fn put_back(&self) -> Self {
        Self {
            moment: self.moment + 2,
            lacked_a_worker: true,
            ..self.clone()
        }
    }

    fn released(&self) -> Self {
        Self {
            instance: None,
            ..self.to("available", false)
        }
    }

    /// What may happen next.
    fn next(&self, verb: Verb, task: &str) -> Vec<Self> {
        let mut next = Vec::new();
        let ours = self.instance.as_deref() == Some(task);
        let releases = verb == Verb::Deleted;
        if self.locked {
            next.push(Self {
                locked: false,
                ..self.clone()
            });
        } else {
            next.push(Self {
                locked: true,
                ..self.clone()
            });
            next.push(Self {
                lacked_a_worker: false,
                ..self.clone()
            });
        }
        match self.state {
            "available" | "deploy failed" if !self.locked => {
                // Whoever asks for what is claimed for us does it for us.
                next.push(Self {
                    begun: self.begun || (!releases && ours),
                    ..self.to("deploying", true)
                });
                next.push(self.put_back());
            }
            "deploying" => {
                next.push(self.to("wait call-back", false));
                next.push(self.to("active", false));
                next.push(self.to("deploy failed", false));
            }
            "wait call-back" if !self.locked => next.push(self.to("deploying", true)),
            "deleting" => {
                next.push(self.released());
                next.push(self.to("error", false));
            }
            "manageable" if !self.locked => next.push(self.to("available", false)),
            _ => {}
        }
        if self.state == "available" && !self.locked {
            next.push(self.to("manageable", false));
        }
        let deployed = ["active", "wait call-back", "deploy failed", "error"];
        if deployed.contains(&self.state) && !self.locked {
            next.push(Self {
                begun: self.begun || releases,
                ..self.to("deleting", true)
            });
            next.push(self.put_back());
        }
        if !self.locked && self.instance.is_none() {
            next.push(Self {
                instance: Some(THEIRS.to_owned()),
                ..self.clone()
            });
        }
        if !self.locked && !deployed.contains(&self.state) && self.instance.is_some() {
            next.push(Self {
                instance: None,
                ..self.clone()
            });
        }
        next
    }

    fn node(&self, extra: Value) -> Node {
        let node = json!({
            "uuid": "u", "name": "n1", "provision_state": self.state, "extra": extra,
            "provision_updated_at": format!("2026-11-22T15:07:{:02}+00:00", self.moment),
            "reservation": self.locked.then_some("conductor"), "instance_uuid": self.instance,
            "last_error": self.lacked_a_worker.then_some("No free conductor workers available"),
        });
        serde_json::from_value(node).unwrap()
    }

    /// What a driver sees of it.
    fn seen(&self) -> Self {
        Self {
            begun: false,
            ..self.clone()
        }
    }
}

fn call(step: StepKind) -> StepCall {
    StepCall {
        task_id: TaskId::new_root(),
        root_task_id: TaskId::new_root(),
        instance: InstanceId::new(),
        epoch: 1,
        attempt: 1,
        step,
        policy: Policy::Guarded,
        advisory: false,
        action: Action::DeployNode,
        site: Arc::from("s"),
        node_name: Some(Arc::from("n1")),
        design: Arc::new(Inventory::new(None, Vec::new(), BTreeMap::new()).unwrap()),
    }
}

/// Every world that a request for `verb` from `state` may lead to, with what is true in those that look
/// the same.
fn worlds(first: World, verb: Verb, task: &str) -> BTreeMap<World, BTreeSet<bool>> {
    let mut all = BTreeSet::from([first.clone()]);
    let mut newest = vec![first];
    for _ in 0..LENGTH {
        let reached = newest.iter().flat_map(|world| world.next(verb, task));
        newest = reached.filter(|world| all.insert(world.clone())).collect();
    }
    let mut truths: BTreeMap<World, BTreeSet<bool>> = BTreeMap::new();
    for world in all {
        truths.entry(world.seen()).or_default().insert(world.begun);
    }
    truths
}

#[test]
fn a_mark_is_found_where_its_request_was_begun_and_nowhere_else() {
    let mut decided = 0;
    for (step, verb, states) in [
        (
            StepKind::DeployNode,
            Verb::Active,
            &["available", "deploy failed"][..],
        ),
        (
            StepKind::DestroyNode,
            Verb::Deleted,
            &["active", "wait call-back", "deploy failed", "error"],
        ),
    ] {
        for state in states {
            for instance in [None, Some("an instance")] {
                let call = call(step);
                let task = call.task_id.to_string();
                let mut first = World {
                    state,
                    moment: 1,
                    instance: instance.map(str::to_owned),
                    locked: false,
                    lacked_a_worker: false,
                    begun: false,
                };
                let mark = Mark::before(&call, &first.node(json!({})), verb).unwrap();
                let extra = json!({"drydock": serde_json::to_value(&mark).unwrap()});
                if step == StepKind::DeployNode {
                    first.instance = Some(task.clone());
                }
                let unchanged = first.seen();
                for (seen, begun) in worlds(first, verb, &task) {
                    let node = seen.node(extra.clone());
                    let context = || format!("{step} from {state} {instance:?}: {seen:?}");
                    match found(&call, &node) {
                        Ok(Found::Present) => {
                            assert_eq!(begun, BTreeSet::from([true]), "{}", context());
                            decided += 1;
                        }
                        Ok(Found::Absent) => {
                            assert_eq!(begun, BTreeSet::from([false]), "{}", context());
                            decided += 1;
                        }
                        Err(error) => {
                            // Only a lock is worth waiting for.
                            assert!(seen.locked || !error.transient, "{}: {error}", context());
                            assert_ne!(seen, unchanged, "what nobody has touched is known");
                        }
                    }
                }
            }
        }
    }
    assert!(decided > 100, "{decided} worlds are told from each other");
}
