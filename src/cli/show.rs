//! Showing a task that is being followed: as a picture that moves, as lines, or as JSON.

use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::follow::{Follow, Followed};
use super::json::Json;
use super::line::Lines;
use super::program::Program;
use super::view::{self, Connection, Frame, Model, Screen};
use super::{Error, output};
use crate::proto::v1::Task;

/// How often the picture is drawn: often enough to look alive, and no work to speak of.
const FRAME: Duration = Duration::from_millis(100);

/// How long a line waits for what may belong to it: the events of one commit arrive together.
const HOLD: Duration = Duration::from_millis(20);

/// How a task is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presentation {
    /// A tree with bars, drawn in place.
    Picture,
    /// A line for each transition.
    Lines,
    /// A JSON object for each event.
    Json,
}

impl Presentation {
    /// A picture where one can be drawn.
    pub(super) fn for_people() -> Self {
        if Screen::is_possible() {
            Self::Picture
        } else {
            Self::Lines
        }
    }
}

/// Shows a task until its end, and then says in words what came of it; `program` has what to call next.
/// Gives back the task as it ended.
///
/// Safe to drop: the terminal is given back.
pub(super) async fn show(
    follow: &mut Follow,
    presentation: Presentation,
    foot: &str,
    program: Option<&Program>,
) -> Result<Option<Task>, Error> {
    let mut model = Model::new(follow.task_id());
    match presentation {
        Presentation::Picture => show_picture(follow, &mut model, foot).await?,
        Presentation::Lines => show_lines(follow, &mut model).await?,
        Presentation::Json => show_json(follow, &mut model).await?,
    }
    if presentation != Presentation::Json {
        let summary = view::summary(&model, program);
        if !summary.is_empty() {
            output::line("")?;
        }
        summary.iter().try_for_each(|line| output::line(line))?;
    }
    Ok(model.finished().cloned())
}

async fn show_picture(follow: &mut Follow, model: &mut Model, foot: &str) -> Result<(), Error> {
    let mut resized = signal(SignalKind::window_change()).map_err(Error::Signals)?;
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let screen = Screen::open()?;
    // One attempt at a time is carried through: a frame must not cut short the pause before the next one.
    loop {
        let followed = {
            let mut next = pin!(follow.next());
            loop {
                tokio::select! {
                    followed = &mut next => break followed?,
                    _ = frames.tick() => {}
                    _ = resized.recv() => {}
                }
                screen.show(&view::picture(model, &frame(foot)))?;
            }
        };
        let Some(followed) = followed else { break };
        learn(model, &followed);
        // However fast events come, the picture moves.
        if futures::FutureExt::now_or_never(frames.tick()).is_some() {
            screen.show(&view::picture(model, &frame(foot)))?;
        }
    }
    drop(screen);
    view::print(&view::closing(model, &frame(foot)))
}

async fn show_lines(follow: &mut Follow, model: &mut Model) -> Result<(), Error> {
    let mut lines = Lines::default();
    loop {
        let followed = {
            let mut next = pin!(follow.next());
            match tokio::time::timeout(HOLD, &mut next).await {
                Ok(followed) => followed?,
                Err(_) => {
                    lines.flush().map_or(Ok(()), |line| output::line(&line))?;
                    next.await?
                }
            }
        };
        let Some(followed) = followed else { break };
        learn(model, &followed);
        match followed {
            Followed::Event(event) => {
                for line in lines.lines(&event) {
                    output::line(&line)?;
                }
            }
            Followed::Interrupted(why) => output::note(&format!("interrupted: {why}; resuming")),
            Followed::Resumed => output::note("resumed"),
        }
    }
    lines.flush().map_or(Ok(()), |line| output::line(&line))
}

async fn show_json(follow: &mut Follow, model: &mut Model) -> Result<(), Error> {
    let json = Json::new()?;
    while let Some(followed) = follow.next().await? {
        learn(model, &followed);
        match followed {
            Followed::Event(event) => output::line(&json.line("TaskEvent", event.as_ref())?)?,
            Followed::Interrupted(why) => output::note(&format!("interrupted: {why}; resuming")),
            Followed::Resumed => output::note("resumed"),
        }
    }
    Ok(())
}

fn learn(model: &mut Model, followed: &Followed) {
    match followed {
        Followed::Event(event) => model.learn(event),
        Followed::Interrupted(why) => model.connected(Connection::Lost {
            why: why.clone(),
            since_us: now_us(),
        }),
        Followed::Resumed => model.connected(Connection::Up),
    }
}

fn frame(foot: &str) -> Frame<'_> {
    let (width, height) = Screen::size();
    Frame {
        // Not the last column: what ends in it leaves the cursor there, to be erased with the rest.
        width: width.saturating_sub(1),
        height,
        now_us: now_us(),
        glyphs: Screen::glyphs(),
        foot,
    }
}

fn now_us() -> i64 {
    crate::clock::now().timestamp_micros()
}
