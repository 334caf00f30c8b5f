//! Three nodes, their store, and all that may happen.

use crate::log::{Log, Row};
use crate::node::{Node, Stage, Verifying};
use crate::rules::{Rule, Setting};
use stateright::{Model, Property};

/// The nonce of the row that is there at first. Others are numbered.
const FIRST: u8 = 100;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// What the nodes go by.
    pub setting: Setting,
    /// How many changes are made; at most 3, and one less where it begins off.
    pub changes: u8,
    /// How often another server, with fewer rows, takes over.
    pub failovers: u8,
    /// Whether the key is off at first, by a change that all have applied long ago.
    pub begins_off: bool,
    /// Whether the log is pruned.
    pub prunes: bool,
    /// The node whose answers are looked at: 0, which makes changes and waits, or 1.
    pub watched: usize,
}

/// How everything is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    log: Log,
    /// Changes that were made, lost ones too; the last one's nonce.
    changes: u8,
    failovers: u8,
    /// For how many ticks the key has been off without a pause.
    off_for: u8,
    /// The change that the first node waits for, if it switched the key off.
    waits_for: Option<u8>,
    /// Whether it was told that the key is off everywhere.
    told: bool,
    /// For how many ticks the first node has known which server it is; none after a failover that
    /// it has not noticed.
    server_for: Option<u8>,
    /// The first makes the changes and waits. The others are alike, and in order.
    nodes: [Node; 3],
    /// A verification that began too late was answered VALID.
    answered: bool,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time passes.
    Tick,
    /// The key is changed, or something else.
    Change {
        /// Whether it is the key.
        of_the_key: bool,
        /// Whether the first node does it.
        own: bool,
    },
    /// The first node is to switch the key off, finds it switched off, and waits for that.
    Confirm,
    /// Another server takes over, which has the first so many rows of the log; rows of nodes are the
    /// ones of a while ago.
    FailOver {
        /// How many.
        rows: u8,
    },
    /// All rows of the log but the last are deleted.
    Prune,
    /// A node asks for the log.
    Ask(usize),
    /// The question arrives, and the log is read.
    Read(usize),
    /// The transaction ends: the node's row is there.
    Commit(usize),
    /// The answer arrives.
    Arrive(usize),
    /// The answer is lost, or the question.
    Lose(usize),
    /// A node reads the key's rows for its cache.
    Fill(usize),
    /// They arrive.
    Enter(usize),
    /// A verification begins that must not be answered VALID.
    Verify(usize),
    /// It ends.
    Answer(usize),
    /// Whoever waits is told that the key is off everywhere.
    Tell,
}

impl Cluster {
    /// Whether `?wait=true` is answered.
    fn is_everywhere(&self, state: &State) -> bool {
        let Setting { bound, .. } = self.setting;
        let Some(change) = state.waits_for else { return false };
        let settled = state.server_for == Some(bound) || !self.setting.has(Rule::SettledServer);
        let noted = |node: &Node| node.noted >= change || node.silence == bound;
        settled && (!self.setting.has(Rule::WaitForNodes) || state.nodes[1..].iter().all(noted))
    }

    /// An answer of the log arrives.
    fn arrive(&self, state: &mut State, index: usize) {
        let settled = state.nodes[index].arrive(self.setting);
        if index == 0 && settled && state.server_for.is_none() {
            state.server_for = Some(0);
        }
    }

    /// Whether a verification that begins now must not be answered VALID.
    fn is_too_late(&self, state: &State) -> bool {
        !state.log.is_on() && (state.off_for == self.setting.bound || state.told)
    }

    /// The same state, as all states have it that differ from it in nothing that matters.
    fn tidied(&self, mut state: State) -> State {
        if state.off_for == self.setting.bound && !state.log.is_on() {
            state.told = true;
        }
        if state.log.is_on() {
            // It may be answered so now.
            for node in &mut state.nodes {
                node.verifying = Verifying::No;
            }
            (state.off_for, state.told, state.waits_for) = (0, false, None);
        }
        for (index, node) in state.nodes.iter_mut().enumerate() {
            if index == self.watched {
                node.tidy(self.setting);
            } else {
                node.forget();
            }
        }
        // It does not wait for itself.
        (state.nodes[0].noted, state.nodes[0].silence) = (0, 0);
        if state.failovers == self.failovers {
            // Later changes, and what is waited for then, have higher numbers.
            let wanted = if state.log.is_on() || state.told {
                0
            } else {
                state.waits_for.unwrap_or(state.log.len())
            };
            state.nodes.iter_mut().for_each(|node| node.forget_noted(wanted));
            if state.changes == self.changes && state.told {
                // Nobody waits any more.
                state.nodes.iter_mut().for_each(|node| node.silence = 0);
                (state.server_for, state.waits_for) = (None, None);
            }
        }
        if self.watched == 0 {
            state.nodes[1..].sort();
        } else {
            state.nodes[2..].sort();
        }
        state
    }
}

impl State {
    /// Another server takes over, and the rest of the log is lost.
    fn fail_over(&mut self, rows: u8, setting: Setting) {
        let was_on = self.log.is_on();
        self.log.truncate(rows);
        self.failovers += 1;
        self.server_for = None;
        if was_on {
            // What comes back was never waited for.
            (self.off_for, self.told, self.waits_for) = (0, false, None);
        }
        for node in &mut self.nodes {
            node.fail_over(rows, setting);
        }
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let bound = self.setting.bound;
        let mut log = Log::default();
        if self.begins_off {
            log.push(Row { nonce: FIRST, of_the_key: true, off: true });
        }
        let state = State {
            log,
            changes: 0,
            failovers: 0,
            off_for: bound,
            waits_for: None,
            told: false,
            server_for: Some(bound),
            nodes: [Node::new(log.head(), self.setting); 3],
            answered: false,
        };
        vec![self.tidied(state)]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        let last = state.changes == self.changes && state.failovers == self.failovers;
        if last && state.log.is_on() {
            // Nothing can go wrong any more.
            return;
        }
        events.push(Event::Tick);
        if state.changes < self.changes {
            events.extend([true, false].map(|own| Event::Change { of_the_key: true, own }));
            events.push(Event::Change { of_the_key: false, own: false });
        }
        if state.failovers < self.failovers {
            events.extend((state.log.pruned..state.log.len()).map(|rows| Event::FailOver { rows }));
        }
        if self.prunes && state.log.pruned == 0 && state.log.len() > 1 {
            events.push(Event::Prune);
        }
        if !state.told && self.is_everywhere(state) {
            events.push(Event::Tell);
        }
        if !state.log.is_on() && !state.told && state.waits_for.is_none() {
            events.push(Event::Confirm);
        }
        for (index, node) in state.nodes.iter().enumerate() {
            match &node.poll {
                None => events.push(Event::Ask(index)),
                Some(poll) => {
                    let next = match poll.stage {
                        Stage::Asked => Event::Read,
                        Stage::Read => Event::Commit,
                        Stage::Committed | Stage::OfTheServerBefore => Event::Arrive,
                    };
                    events.extend([next(index), Event::Lose(index)]);
                }
            }
            if index != self.watched {
                continue;
            }
            match &node.fill {
                None if !node.cached && node.fresh > 0 && state.log.is_on() => {
                    events.push(Event::Fill(index));
                }
                None => {}
                Some(_) => events.push(Event::Enter(index)),
            }
            if node.verifying != Verifying::No {
                events.push(Event::Answer(index));
            } else if self.is_too_late(state) {
                events.push(Event::Verify(index));
            }
        }
    }

    fn next_state(&self, last: &State, event: Event) -> Option<State> {
        let Setting { bound, .. } = self.setting;
        let mut state = *last;
        match event {
            Event::Tick => {
                state.nodes.iter_mut().for_each(|node| node.age(self.setting));
                state.server_for = state.server_for.map(|ticks| bound.min(ticks + 1));
                state.off_for = bound.min(state.off_for + 1);
            }
            Event::Change { of_the_key, own } => {
                state.changes += 1;
                let off = state.log.is_on() == of_the_key;
                state.log.push(Row { nonce: state.changes, of_the_key, off });
                if of_the_key {
                    (state.off_for, state.told) = (0, false);
                    state.waits_for = own.then(|| state.log.len());
                }
                if own && self.setting.has(Rule::OwnChangeAtOnce) {
                    state.nodes[0].publish(state.log.head(), of_the_key);
                }
            }
            Event::Confirm => {
                state.waits_for = Some(state.log.len());
                state.nodes[0].publish(state.log.head(), true);
            }
            Event::FailOver { rows } => state.fail_over(rows, self.setting),
            Event::Prune => state.log.pruned = state.log.len() - 1,
            Event::Ask(index) if index == self.watched => state.nodes[index].ask(),
            Event::Ask(index) => {
                state.nodes[index].ask();
                state.nodes[index].read(last.log);
            }
            Event::Read(index) => state.nodes[index].read(last.log),
            Event::Commit(index) => {
                state.nodes[index].commit();
                if index != self.watched {
                    self.arrive(&mut state, index);
                }
            }
            Event::Arrive(index) => self.arrive(&mut state, index),
            Event::Lose(index) => {
                if index != self.watched {
                    state.nodes[index].commit();
                }
                state.nodes[index].poll = None;
            }
            Event::Fill(index) => state.nodes[index].look_up(&last.log),
            Event::Enter(index) => state.nodes[index].enter(self.setting),
            Event::Verify(index) => {
                let node = &mut state.nodes[index];
                let goes_on = if self.setting.has(Rule::FreshnessFirst) {
                    (node.fresh > 0 || !self.setting.has(Rule::Freshness))
                        .then_some(Verifying::FoundFresh)
                } else {
                    node.cached.then_some(Verifying::FoundOn)
                };
                node.verifying = goes_on?;
            }
            Event::Answer(index) => {
                let node = &mut state.nodes[index];
                state.answered |= match node.verifying {
                    Verifying::No => false,
                    Verifying::FoundFresh => node.cached,
                    Verifying::FoundOn => node.fresh > 0,
                };
                node.verifying = Verifying::No;
            }
            Event::Tell => state.told = true,
        }
        Some(self.tidied(state))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(NEVER_TOO_LATE, |cluster: &Self, state: &State| {
            let says_on = state.nodes.iter().any(|node| node.says_on(cluster.setting));
            let too_late = state.answered || (says_on && cluster.is_too_late(state));
            !too_late
        })]
    }
}

/// What is promised.
pub const NEVER_TOO_LATE: &str = "no VALID that began later than the bound after the key was \
    switched off, nor after anybody was told that it is off everywhere";
