//! Build data: what steps found out about nodes, kept as the documents that their generators made.
//!
//! It belongs to the step that collected it and goes when that step's tree is purged. It is never
//! changed: who asks again adds to it, and the latest of each generator is what is known of a node now.

use std::fmt;
use std::sync::Arc;

use super::id::TaskId;
use super::task::Timestamp;

/// The longest element, in bytes: the inventory of a large machine is a tenth of it, and three still
/// fit into one message beside their ids.
pub const MAX_ELEMENT_BYTES: usize = 256 * 1024;

/// The most bytes of all elements of one step: what a step leaves is written in one transaction with
/// the steps of hundreds of other nodes.
pub const MAX_STEP_BYTES: usize = 512 * 1024;

/// The most items of one step: one for each generator that a step asks, with room to spare.
pub const MAX_ITEMS: usize = 16;

/// The items of one step that are looked at. Nobody reads more reasons why something is not kept.
const MAX_LOOKED_AT: usize = 4 * MAX_ITEMS;

/// The longest name of a generator and of a format, in bytes. Both are a few words at the most.
pub const MAX_NAME_BYTES: usize = 127;

/// What a step found out about its node, not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// What made it, for example `redfish`: the latest of each generator is what people look at.
    pub generator: String,
    /// The media type of the element, for example `application/json`.
    pub data_format: String,
    /// The data itself, without secrets.
    pub data_element: String,
}

/// Build data as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildData {
    /// The node it is about.
    pub node_name: Arc<str>,
    /// The step that collected it.
    pub task_id: TaskId,
    /// When that step ended, on its executor's clock.
    pub collected_date: Timestamp,
    /// What made it.
    pub generator: Arc<str>,
    /// The media type of the element.
    pub data_format: Arc<str>,
    /// The data itself; none where it was left out.
    pub data_element: Option<Arc<str>>,
}

/// Why something that was collected is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotKept {
    /// What made it, as far as that can be shown.
    pub generator: String,
    /// What is wrong with it.
    pub why: Unfit,
}

/// What is wrong with something that was collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its generator or its format is empty, too long, or holds what is not to be shown.
    Name,
    /// It is longer than an element may be; its bytes.
    Element(usize),
    /// With what the step collected before it, it is more than a step may leave.
    Step,
    /// It is about no node: only steps of nodes collect.
    NoNode,
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generator, why } = self;
        write!(f, "build data of {generator:?} is not kept: ")?;
        match why {
            Unfit::Name => write!(
                f,
                "its generator and its format must be 1 to {MAX_NAME_BYTES} bytes without control characters"
            ),
            Unfit::Element(bytes) => {
                write!(f, "it has {bytes} bytes of {MAX_ELEMENT_BYTES} at the most")
            }
            Unfit::Step => write!(
                f,
                "a step leaves {MAX_ITEMS} items of {MAX_STEP_BYTES} bytes together at the most"
            ),
            Unfit::NoNode => f.write_str("it is about no node"),
        }
    }
}

/// Parts what is kept of what a step collected from what is not. Nothing is cut: half a document is
/// none. `of_node`: whether the step is one of a node.
pub fn sort_out(collected: &[Collected], of_node: bool) -> (Vec<Collected>, Vec<NotKept>) {
    let mut kept: Vec<Collected> = Vec::new();
    let mut refused = Vec::new();
    let mut bytes = 0;
    for item in collected.iter().take(MAX_LOOKED_AT) {
        let length = item.data_element.len();
        let why = if !of_node {
            Some(Unfit::NoNode)
        } else if !is_name(&item.generator) || !is_name(&item.data_format) {
            Some(Unfit::Name)
        } else if length > MAX_ELEMENT_BYTES {
            Some(Unfit::Element(length))
        } else if kept.len() == MAX_ITEMS || bytes + length > MAX_STEP_BYTES {
            Some(Unfit::Step)
        } else {
            None
        };
        match why {
            Some(why) => refused.push(NotKept {
                generator: shown(&item.generator),
                why,
            }),
            None => {
                bytes += length;
                kept.push(item.clone());
            }
        }
    }
    if let Some(item) = collected.get(MAX_LOOKED_AT) {
        refused.push(NotKept {
            generator: shown(&item.generator),
            why: Unfit::Step,
        });
    }
    (kept, refused)
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// As much of a name as tells it from others.
fn shown(name: &str) -> String {
    name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(generator: &str, bytes: usize) -> Collected {
        Collected {
            generator: generator.to_owned(),
            data_format: "text/plain".to_owned(),
            data_element: "x".repeat(bytes),
        }
    }

    fn refusals(collected: &[Collected]) -> Vec<(String, Unfit)> {
        let (kept, refused) = sort_out(collected, true);
        assert_eq!(kept.len() + refused.len(), collected.len());
        refused
            .into_iter()
            .map(|refused| (refused.generator, refused.why))
            .collect()
    }

    #[test]
    fn what_is_within_the_limits_is_kept_as_it_is() {
        let items = vec![item("redfish", MAX_ELEMENT_BYTES), item("ä", 0)];
        assert_eq!(sort_out(&items, true), (items, Vec::new()));
    }

    #[test]
    fn what_is_too_long_is_refused_whole_and_the_rest_is_kept() {
        let long = MAX_ELEMENT_BYTES + 1;
        let items = [item("a", 1), item("b", long), item("c", 1)];
        assert_eq!(refusals(&items), [("b".to_owned(), Unfit::Element(long))]);
        let (_, refused) = sort_out(&items, true);
        assert_eq!(
            refused[0].to_string(),
            "build data of \"b\" is not kept: it has 262145 bytes of 262144 at the most"
        );
    }

    #[test]
    fn a_step_leaves_so_much_and_no_more() {
        let half = MAX_STEP_BYTES / 2;
        let items = [item("a", half), item("b", half), item("c", 1), item("d", 0)];
        assert_eq!(refusals(&items), [("c".to_owned(), Unfit::Step)]);
        let items: Vec<Collected> = (0..=MAX_ITEMS).map(|_| item("a", 1)).collect();
        assert_eq!(refusals(&items), [("a".to_owned(), Unfit::Step)]);
    }

    #[test]
    fn names_are_short_and_can_be_shown() {
        let long = "ä".repeat(MAX_NAME_BYTES);
        let mut format = item("a", 1);
        format.data_format = String::new();
        let items = [item("", 1), item("a\nb", 1), item(&long, 1), format];
        let refused = refusals(&items);
        assert_eq!(refused.len(), items.len());
        assert!(refused.iter().all(|(_, why)| *why == Unfit::Name));
        assert!(refused[2].0.len() <= MAX_NAME_BYTES);
        let (_, refused) = sort_out(&items[1..2], true);
        assert!(refused[0].to_string().contains("\"a\\nb\""));
    }

    #[test]
    fn a_step_of_the_site_collects_nothing() {
        let (kept, refused) = sort_out(&[item("a", 1)], false);
        assert_eq!((kept.len(), refused[0].why), (0, Unfit::NoNode));
    }
}
