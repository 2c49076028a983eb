//! What a person sees of a task: lines for a terminal of some size.

use super::model::{Connection, Model, Totals};
use super::row::{Row, State, outcome_token};
use super::text::{Glyphs, Line, Style, columns};
use crate::proto::v1::TaskStatus;

/// Lines above the tree: the task, its bar, and a line for what is said of it.
const HEAD: usize = 3;

/// Fewest lines of a terminal on which the line at its foot is not missed more than a row.
const ROOM_FOR_FOOT: usize = 8;

/// Columns of the bar of the whole, as far as the counts beside it leave a choice.
const SHORTEST_BAR: usize = 4;
const LONGEST_BAR: usize = 40;

/// What a picture is made for.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Frame<'a> {
    /// Columns.
    pub(in crate::cli) width: usize,
    /// Lines.
    pub(in crate::cli) height: usize,
    /// The time, in microseconds since 1970.
    pub(in crate::cli) now_us: i64,
    /// What to draw with.
    pub(in crate::cli) glyphs: Glyphs,
    /// What to say at the foot.
    pub(in crate::cli) foot: &'a str,
}

/// The picture of a task, which fits into its frame.
pub(in crate::cli) fn picture(model: &Model, frame: &Frame<'_>) -> Vec<Line> {
    let mut lines = head(model, frame);
    let foot = usize::from(frame.height >= ROOM_FOR_FOOT && !frame.foot.is_empty()) * 2;
    lines.extend(tree(
        model,
        frame,
        frame.height.saturating_sub(lines.len() + foot),
    ));
    if foot > 0 {
        lines.push(Line::default());
        lines.push(Line::default().with(Style::Faint, frame.foot));
    }
    lines.truncate(frame.height);
    lines
        .into_iter()
        .map(|line| line.cut(frame.width, &frame.glyphs))
        .collect()
}

/// The last picture of a task, which stays on the terminal. A tree that does not fit is left out: what
/// failed in it is told in words.
pub(in crate::cli) fn closing(model: &Model, frame: &Frame<'_>) -> Vec<Line> {
    let mut lines = head(model, frame);
    lines.truncate(HEAD - 1);
    let totals = model.totals();
    if model.rows().len() == totals.all && totals.all + HEAD < frame.height {
        lines.extend(tree(model, frame, totals.all));
    }
    lines
        .into_iter()
        .map(|line| line.cut(frame.width, &frame.glyphs))
        .collect()
}

fn head(model: &Model, frame: &Frame<'_>) -> Vec<Line> {
    let what = model
        .action()
        .map_or_else(|| "task".to_owned(), |action| action.to_string());
    let about = match (model.task.node_name.as_str(), model.task.step.as_str()) {
        ("", "") => what,
        (node, "") => format!("{what} {node}"),
        (node, step) => format!("{step} {node}"),
    };
    let elapsed = model.elapsed_us(frame.now_us).map(span).unwrap_or_default();
    let status = if model.is_over() {
        format!("{} with {}", model.status(), outcome_token(&model.task))
    } else {
        model.status()
    };
    let first = Line::default()
        .with(Style::Strong, about)
        .with(Style::Plain, "  ")
        .with(status_style(model), status)
        .with(Style::Plain, format!("  {elapsed}  "))
        .with(Style::Faint, model.task.task_id.as_str());

    let third = match &model.connection {
        Connection::Lost { why, since_us } => {
            let since = span((frame.now_us - since_us).max(0));
            let lost = format!("Connection lost for {since}, trying again: {}", flat(why));
            Line::default().with(Style::Bad, lost)
        }
        Connection::Opening | Connection::Up => {
            Line::default().with(Style::Faint, model.note.as_str())
        }
    };
    vec![first, total(model, frame), third]
}

/// The bar of the whole, and the counts beside it: those that are zero only while there is room for them.
fn total(model: &Model, frame: &Frame<'_>) -> Line {
    let totals = model.totals();
    if totals.all == 0 {
        return Line::default();
    }
    let ended = totals.succeeded + totals.failed + totals.stopped;
    let kind = if model.rows_are_nodes() {
        "nodes"
    } else {
        "steps"
    };
    let counted = format!("  {ended}/{} {kind}", totals.all);
    let mut counts = counts(&totals);
    let taken = |counts: &[(String, Style)]| {
        let counts: usize = counts.iter().map(|(text, _)| columns(text)).sum();
        columns(&counted) + counts
    };
    if model.is_over() || taken(&counts) + SHORTEST_BAR > frame.width {
        counts.retain(|(_, style)| *style != Style::Faint);
    }
    let most = (frame.width / 4).clamp(SHORTEST_BAR, LONGEST_BAR);
    let room = frame.width.saturating_sub(taken(&counts));
    let (full, empty) = frame
        .glyphs
        .bar(ended, totals.all, room.clamp(SHORTEST_BAR, most));
    let line = Line::default()
        .with(bar_style(&totals), full)
        .with(Style::Faint, empty)
        .with(Style::Plain, counted);
    counts
        .into_iter()
        .fold(line, |line, (text, style)| line.with(style, text))
}

fn tree(model: &Model, frame: &Frame<'_>, room: usize) -> Vec<Line> {
    if room == 0 {
        return Vec::new();
    }
    let totals = model.totals();
    let known = model.rows().len();
    let to_come = totals.all.saturating_sub(known);
    let fits = known + usize::from(to_come > 0) <= room;
    let rows: Vec<&Row> = if fits {
        let mut rows: Vec<&Row> = model.rows().collect();
        rows.sort_by(|left, right| order(left).cmp(&order(right)));
        rows
    } else {
        chosen(model, room - 1)
    };
    let rest = rest(&totals, &rows);
    let glyphs = &frame.glyphs;
    let name_width = rows
        .iter()
        .map(|row| columns(&row.name))
        .max()
        .unwrap_or_default()
        .min(frame.width / 3);
    let steps = if model.rows_are_nodes() {
        model.plan().len()
    } else {
        1
    };
    let last = rows.len().saturating_sub(1);
    let mut lines: Vec<Line> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let is_last = index == last && rest.is_empty();
            let branch = if is_last {
                glyphs.last_branch
            } else {
                glyphs.branch
            };
            let line = Line::default().with(Style::Faint, format!("{branch} "));
            leaf(line, row, name_width, steps, frame)
        })
        .collect();
    if !rest.is_empty() {
        lines.push(Line::default().with(Style::Faint, format!("{} {rest}", glyphs.last_branch)));
    }
    lines
}

fn order(row: &Row) -> (i32, &str) {
    (row.ordinal, &row.name)
}

/// The rows that matter most where not all fit: what failed last and what runs, each with half of the room
/// at least, as far as it needs it.
fn chosen(model: &Model, room: usize) -> Vec<&Row> {
    let mut running: Vec<&Row> = model
        .rows()
        .filter(|row| row.state == State::Running)
        .collect();
    running.sort_by(|left, right| order(left).cmp(&order(right)));
    let for_failed = (room / 2).max(room.saturating_sub(running.len()));
    let mut rows: Vec<&Row> = model.failed().take(for_failed).collect();
    rows.sort_by(|left, right| order(left).cmp(&order(right)));
    running.truncate(room - rows.len());
    rows.extend(running);
    rows
}

/// What is not shown, in words; empty if there is nothing.
fn rest(totals: &Totals, shown: &[&Row]) -> String {
    let hidden: Vec<(usize, &str)> = [
        (State::Failed, totals.failed, "failed"),
        (State::Running, totals.running, "running"),
        (State::Succeeded, totals.succeeded, "done"),
        (State::Stopped, totals.stopped, "stopped"),
        (State::Waiting, totals.waiting, "waiting"),
    ]
    .into_iter()
    .map(|(state, all, name)| {
        let seen = shown.iter().filter(|row| row.state == state).count();
        (all.saturating_sub(seen), name)
    })
    .filter(|(count, _)| *count > 0)
    .collect();
    let counted: Vec<String> = hidden
        .iter()
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if counted.is_empty() || shown.is_empty() {
        return counted.join(", ");
    }
    format!("and {}", counted.join(", "))
}

fn leaf(line: Line, row: &Row, name_width: usize, steps: usize, frame: &Frame<'_>) -> Line {
    let glyphs = &frame.glyphs;
    let (done, style) = match row.state {
        State::Waiting => (0, Style::Faint),
        State::Running => (row.steps_done, Style::Busy),
        State::Succeeded => (steps, Style::Good),
        State::Failed => (row.steps_done, Style::Bad),
        State::Stopped => (row.steps_done, Style::Faint),
    };
    let (full, empty) = glyphs.bar(done, steps, (frame.width / 8).clamp(4, 16));
    let name = super::text::clip(&row.name, name_width, glyphs);
    let line = line
        .with_column(Style::Plain, &name, name_width)
        .with(Style::Plain, "  ")
        .with(style, full)
        .with(Style::Faint, empty)
        .with(Style::Plain, "  ");
    let line = match row.state {
        State::Waiting => line.with(Style::Faint, "waiting"),
        State::Running => {
            let since = row
                .step_began_us
                .map(|began| span((frame.now_us - began).max(0)));
            line.with(
                Style::Busy,
                if row.step.is_empty() {
                    "running"
                } else {
                    &row.step
                },
            )
            .with(Style::Faint, format!("  {}", since.unwrap_or_default()))
        }
        State::Succeeded => line.with(Style::Good, "done"),
        State::Failed => line.with(Style::Bad, failed(row)),
        State::Stopped if row.step.is_empty() => line.with(Style::Faint, "stopped"),
        State::Stopped => line.with(Style::Faint, format!("stopped in {}", row.step)),
    };
    if row.note.is_empty() {
        return line;
    }
    line.with(Style::Faint, format!("  {} {}", glyphs.dot, row.note))
}

fn failed(row: &Row) -> String {
    match &row.failure {
        Some(failure) if failure.step.is_empty() || failure.step == row.name => {
            format!("failed: {}", failure.why)
        }
        Some(failure) => format!("failed in {}: {}", failure.step, failure.why),
        None => "failed".to_owned(),
    }
}

/// The counts; those that are zero are faint.
fn counts(totals: &Totals) -> Vec<(String, Style)> {
    [
        (totals.succeeded, "succeeded", Style::Good),
        (totals.failed, "failed", Style::Bad),
        (totals.running, "running", Style::Busy),
        (totals.waiting, "waiting", Style::Plain),
        (totals.stopped, "stopped", Style::Plain),
    ]
    .into_iter()
    .filter(|(count, name, _)| *count > 0 || *name != "stopped")
    .map(|(count, name, style)| {
        let style = if count == 0 { Style::Faint } else { style };
        (format!("  {count} {name}"), style)
    })
    .collect()
}

fn bar_style(totals: &Totals) -> Style {
    if totals.failed > 0 {
        Style::Bad
    } else {
        Style::Good
    }
}

fn status_style(model: &Model) -> Style {
    match model.task.status() {
        TaskStatus::Running => Style::Busy,
        TaskStatus::Complete if model.totals().failed == 0 => Style::Good,
        TaskStatus::Complete | TaskStatus::Terminating | TaskStatus::Terminated => Style::Bad,
        TaskStatus::Unspecified | TaskStatus::Requested | TaskStatus::Queued => Style::Faint,
    }
}

/// The first line of a text; the others would break the picture.
fn flat(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A span of time for people, from microseconds.
pub(super) fn span(us: i64) -> String {
    let tenths = us / 100_000;
    let seconds = tenths / 10;
    match seconds {
        0..=59 => format!("{seconds}.{} s", tenths % 10),
        60..=3_599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}
