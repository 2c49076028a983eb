//! What can happen next in a world.

use drydock::domain::TaskStatus;

use super::limits::Limits;
use super::mutation::Mutation;
use super::replica::{Line, Process, Renewal, Replica, Stage};
use super::tree::Place;
use super::world::World;

/// Something that happens. The first number is a replica, the second a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Time passes.
    Tick,
    /// A caller asks for the end, and is told that it is recorded.
    Terminate,
    /// The owner hears of the request to stop. The doorbell is lost where this does not happen.
    Ring(usize),

    Renew(usize),
    /// A renewal reaches the database.
    Grant(usize),
    /// The answer of a renewal reaches the replica.
    HearRenewal(usize),
    /// A replica sees that its lease has ended, and begins another life.
    LoseLife(usize),
    Claim(usize, Heard),

    StartRoot(usize),
    /// The root waited too long in the queue.
    QueueTimeout(usize),
    /// The root ran too long.
    TimeOut(usize),
    BeginNode(usize, usize, Heard),
    /// The mark of a guarded step is looked for.
    Find(usize, usize),
    /// The last check before a call.
    Start(usize, usize),
    /// The call goes out.
    Send(usize, usize),
    /// A call is not waited for any longer.
    GiveUp(usize, usize),
    /// A call on the wire reaches its machine.
    Land(usize),
    /// The work is over, or its time is.
    Over(usize, usize),
    Advance(usize, usize, Outcome, Heard),
    /// A write whose answer was lost is sent again.
    WriteAgain(usize, usize),
    /// What runs of a node is recorded as terminating.
    Wind(usize, usize),
    Settle(usize, usize, Settled),
    Finish(usize, Heard),

    Crash(usize),
    Restart(usize),
    Freeze(usize),
    FreezeInCall(usize),
    Wake(usize),
    /// A replica leaves between two calls and gives its roots back.
    Release(usize),
}

/// Whether the answer of a commit arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Heard {
    Yes,
    Lost,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Done,
    Failed,
}

/// What a stop found of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Settled {
    Stopped,
    Ended,
}

/// Everything that can happen in `world`.
pub(crate) fn possible(world: &World, limits: &Limits, mutation: Option<Mutation>) -> Vec<Action> {
    let mut actions = Vec::new();
    let status = world.root();
    for at in 0..world.wire.len() {
        actions.push(Action::Land(at));
    }
    // Of what follows the end of the root only calls that are still under way matter.
    if status.is_terminal() && !world.tree.any_open_below(Place::Root) {
        return actions;
    }
    if !world.stop_acknowledged && matches!(status, TaskStatus::Queued | TaskStatus::Running) {
        actions.push(Action::Terminate);
    }
    let look = Look {
        world,
        limits,
        mutation,
    };
    for (at, replica) in world.replicas.iter().enumerate() {
        look.at_faults(at, replica, &mut actions);
        look.at_lease(at, replica, &mut actions);
        if replica.runs() && replica.run.is_some() {
            look.at_root(at, replica, &mut actions);
            for node in 0..limits.nodes.len() {
                look.at_node(at, replica, node, &mut actions);
            }
        }
    }
    if look.may_time_pass(&actions) {
        actions.push(Action::Tick);
    }
    actions
}

struct Look<'a> {
    world: &'a World,
    limits: &'a Limits,
    mutation: Option<Mutation>,
}

impl Look<'_> {
    fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn at_faults(&self, at: usize, replica: &Replica, actions: &mut Vec<Action>) {
        let involved = replica.run.is_some() || self.world.owner == Some(self.world.instance(at));
        let faulty = self.world.faults_left > 0 && involved;
        let calls = |line: &Option<Line>| matches!(line, Some(line) if matches!(line.stage, Stage::InCall(_)));
        let in_call = |replica: &Replica| {
            let run = replica.run.as_ref();
            run.is_some_and(|run| run.lines.iter().any(calls))
        };
        match replica.process {
            Process::Runs => {
                if faulty {
                    actions.push(Action::Crash(at));
                    if self.limits.shared {
                        actions.push(Action::Freeze(at));
                    }
                    if self.may_release(at, replica) {
                        actions.push(Action::Release(at));
                    }
                }
                if self.world.inner_freezes_left > 0 && in_call(replica) {
                    actions.push(Action::FreezeInCall(at));
                }
            }
            Process::Frozen | Process::FrozenInCall => actions.push(Action::Wake(at)),
            Process::Dead => {
                let another = replica.life + 1 < self.limits.lives;
                let instance = self.world.instance(at);
                let landed = self.world.wire.iter().all(|call| call.instance != instance);
                if another && (landed || self.limits.dead_calls_land) {
                    actions.push(Action::Restart(at));
                }
            }
        }
    }

    /// Whoever gives its root back has started every step that runs, and waits for no answer.
    fn may_release(&self, at: usize, replica: &Replica) -> bool {
        let between =
            |line: &Option<Line>| line.is_none_or(|line| line.stage == Stage::Poll && !line.found);
        self.world.owner == Some(self.world.instance(at))
            && replica
                .run
                .as_ref()
                .is_some_and(|run| run.epoch == self.world.epoch && run.lines.iter().all(between))
    }

    fn at_lease(&self, at: usize, replica: &Replica, actions: &mut Vec<Action>) {
        if matches!(replica.renewal, Renewal::Sent(_)) {
            actions.push(Action::Grant(at));
        }
        if !replica.runs() {
            return;
        }
        let revivable = replica.left > 0 || self.has(Mutation::RenewalAfterExpiry);
        if self.limits.shared {
            if replica.renewal == Renewal::None && replica.left < self.limits.lease && revivable {
                actions.push(Action::Renew(at));
            }
            if replica.left == 0 {
                actions.push(Action::LoseLife(at));
            }
        }
        if matches!(replica.renewal, Renewal::Granted(_) | Renewal::Refused) {
            actions.push(Action::HearRenewal(at));
        }
        if self.may_claim(at, replica) {
            self.push_heard(actions, |heard| Action::Claim(at, heard));
        }
    }

    fn may_claim(&self, at: usize, replica: &Replica) -> bool {
        let world = self.world;
        let instance = world.instance(at);
        let abandoned = match world.owner {
            None => true,
            Some(_) if world.released => true,
            Some(owner) if self.limits.shared => {
                world.leases.get(&owner).is_none_or(|left| *left == 0)
            }
            Some(owner) => owner != instance,
        };
        let alive = world.leases.get(&instance).is_some_and(|left| *left > 0);
        // Replicas are alike: the first claim is the first replica's.
        let first = world.epoch > 0 || at == 0;
        let open = matches!(
            world.root(),
            TaskStatus::Queued | TaskStatus::Running | TaskStatus::Terminating
        );
        open && abandoned
            && alive
            && first
            && replica.run.is_none()
            && replica.left >= self.limits.margin
            && world.epoch < self.limits.epochs
    }

    fn at_root(&self, at: usize, replica: &Replica, actions: &mut Vec<Action>) {
        let Some(run) = &replica.run else { return };
        let (world, status) = (self.world, self.world.root());
        let current = run.epoch == world.epoch;
        if status == TaskStatus::Queued {
            actions.push(Action::StartRoot(at));
            if self.limits.timeouts {
                actions.push(Action::QueueTimeout(at));
            }
            return;
        }
        if current && status == TaskStatus::Terminating && !run.stop_known {
            actions.push(Action::Ring(at));
        }
        if self.limits.timeouts && current && status == TaskStatus::Running {
            actions.push(Action::TimeOut(at));
        }
        let through = run.lines.iter().all(Option::is_none) && {
            let stopping = run.stop_known;
            let mut nodes = world.tree.nodes.iter();
            nodes.all(|node| node.node.map_or(stopping, |row| !row.is_open()))
        };
        if current && (through || self.has(Mutation::ParentClosedEarly)) {
            self.push_heard(actions, |heard| Action::Finish(at, heard));
        }
    }

    fn at_node(&self, at: usize, replica: &Replica, node: usize, actions: &mut Vec<Action>) {
        let Some(run) = &replica.run else { return };
        let left = replica.left;
        let Some(line) = replica.line(node) else {
            let absent = self.world.tree.row(Place::Node(node)).is_none();
            if absent && !run.stop_known && self.world.root() != TaskStatus::Queued {
                self.push_heard(actions, |heard| Action::BeginNode(at, node, heard));
            }
            return;
        };
        let waits = line.found && run.quarantine > 0 && !self.has(Mutation::SkippedQuarantine);
        let enough = left >= self.limits.call_needs() || self.has(Mutation::CallWithoutTime);
        let overdue = self.is_overdue(node);
        let mut over = false;
        match line.stage {
            Stage::Ready if !waits && enough && !run.stop_known && !overdue => {
                actions.push(Action::Start(at, node));
            }
            Stage::Find if !waits && enough && !run.stop_known && !overdue => {
                actions.push(Action::Find(at, node));
            }
            Stage::Ready | Stage::Find => over = overdue && !waits,
            Stage::InCall(age) if self.may_send(age, left) => {
                actions.push(Action::Send(at, node));
            }
            Stage::InCall(_) => actions.push(Action::GiveUp(at, node)),
            Stage::Sent => {
                if self.is_unanswered(at, node) {
                    actions.push(Action::GiveUp(at, node));
                }
            }
            Stage::Poll => over = enough || overdue,
            Stage::Ended | Stage::Lost => {
                for outcome in [Outcome::Done, Outcome::Failed] {
                    self.push_heard(actions, |heard| Action::Advance(at, node, outcome, heard));
                }
            }
            Stage::Unanswered(_) => {
                actions.push(Action::WriteAgain(at, node));
                return;
            }
            Stage::Winding => {}
        }
        if over {
            actions.push(Action::Over(at, node));
        }
        if run.stop_known && !waits {
            let recorded = self.world.tree.row(Place::Step(node, line.step));
            let recorded = recorded.is_some_and(|row| row.status == TaskStatus::Terminating);
            match line.stage {
                Stage::Winding => {
                    actions.push(Action::Settle(at, node, Settled::Stopped));
                    actions.push(Action::Settle(at, node, Settled::Ended));
                }
                Stage::Lost if recorded => actions.push(Action::Settle(at, node, Settled::Ended)),
                Stage::Ready
                | Stage::Find
                | Stage::InCall(_)
                | Stage::Sent
                | Stage::Poll
                | Stage::Ended
                | Stage::Unanswered(_)
                | Stage::Lost => actions.push(Action::Wind(at, node)),
            }
        }
    }

    /// Whether the call that a line waits for has had its time.
    fn is_unanswered(&self, at: usize, node: usize) -> bool {
        let instance = self.world.instance(at);
        self.world.wire.iter().any(|call| {
            call.instance == instance && call.node == node && call.age >= self.limits.call_timeout
        })
    }

    fn is_overdue(&self, node: usize) -> bool {
        let clock = self.limits.clock;
        clock.is_some_and(|clock| self.world.step_ages[node] >= clock.step_timeout)
    }

    /// A call that was held up past its time, or past the lease, goes out no more.
    fn may_send(&self, age: u8, left: u8) -> bool {
        let in_time = age <= self.limits.call_timeout && left > 0;
        in_time || self.has(Mutation::CallWithoutTime)
    }

    fn push_heard(&self, actions: &mut Vec<Action>, action: impl Fn(Heard) -> Action) {
        actions.push(action(Heard::Yes));
        if self.world.lost_answers_left > 0 {
            actions.push(action(Heard::Lost));
        }
    }

    fn may_time_pass(&self, actions: &[Action]) -> bool {
        if self
            .world
            .wire
            .iter()
            .any(|call| call.age >= self.limits.wire)
        {
            return false;
        }
        match self.limits.clock {
            None => true,
            Some(clock) => {
                self.world.now < clock.end && !actions.iter().any(|action| self.is_urgent(*action))
            }
        }
    }

    /// Whether somebody who gets time does this before time passes.
    fn is_urgent(&self, action: Action) -> bool {
        match action {
            Action::Renew(_)
            | Action::Grant(_)
            | Action::HearRenewal(_)
            | Action::LoseLife(_)
            | Action::Claim(_, Heard::Yes)
            | Action::StartRoot(_)
            | Action::BeginNode(_, _, Heard::Yes)
            | Action::Find(..)
            | Action::Start(..)
            | Action::Send(..)
            | Action::GiveUp(..)
            | Action::Advance(_, _, Outcome::Done, Heard::Yes)
            | Action::WriteAgain(..)
            | Action::Wind(..)
            | Action::Settle(..)
            | Action::Finish(_, Heard::Yes) => true,
            Action::Over(_, node) => self.is_overdue(node),
            Action::Tick
            | Action::Terminate
            | Action::Ring(_)
            | Action::Claim(_, Heard::Lost)
            | Action::QueueTimeout(_)
            | Action::TimeOut(_)
            | Action::BeginNode(_, _, Heard::Lost)
            | Action::Land(_)
            | Action::Advance(..)
            | Action::Finish(_, Heard::Lost)
            | Action::Crash(_)
            | Action::Restart(_)
            | Action::Freeze(_)
            | Action::FreezeInCall(_)
            | Action::Wake(_)
            | Action::Release(_) => false,
        }
    }
}
