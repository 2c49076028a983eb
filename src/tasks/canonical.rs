//! One digest for one meaning: hashes of requests and of the arguments that page tokens belong to.
//!
//! The fields of a value go into SHA-256 in a fixed order, each text behind its length and each list
//! behind its count, so that no two values share an encoding by accident. Hashing the request's own
//! protobuf bytes was rejected: they differ between clients for the same request, and grow with every
//! field that the contract gains.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet};
use crate::domain::{TaskFilter, Timestamp};

/// A value on its way into a digest.
#[derive(Clone)]
pub struct Canonical(Sha256);

impl Canonical {
    /// Begins the digest of something called `name`: digests of different things never agree.
    pub fn new(name: &str) -> Self {
        Self(Sha256::new()).text(name)
    }

    /// Adds a text.
    pub fn text(self, text: &str) -> Self {
        let mut this = self.count(text.len());
        this.0.update(text.as_bytes());
        this
    }

    /// Adds a number.
    pub fn number(mut self, number: i64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    /// Adds a value that may be missing; missing differs from every value.
    pub fn optional<T>(self, value: Option<T>, add: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            None => self.number(0),
            Some(value) => add(self.number(1), value),
        }
    }

    /// Adds a list, in its order.
    pub fn list<T>(
        self,
        values: impl ExactSizeIterator<Item = T>,
        add: impl FnMut(Self, T) -> Self,
    ) -> Self {
        let this = self.count(values.len());
        values.fold(this, add)
    }

    /// Adds a map, in the order of its keys.
    pub fn map(self, map: &BTreeMap<String, String>) -> Self {
        self.list(map.iter(), |this, (key, value)| this.text(key).text(value))
    }

    /// Adds a node filter, or that there is none.
    pub fn node_filter(self, filter: Option<&NodeFilterSet>) -> Self {
        self.optional(filter, |this, set| {
            let NodeFilterSet {
                filter_set_type,
                filter_set,
            } = set;
            this.filter_type(*filter_set_type)
                .list(filter_set.iter(), |this, filter| {
                    let NodeFilter {
                        filter_type,
                        node_names,
                        node_tags,
                        node_labels,
                        rack_names,
                        rack_labels,
                    } = filter;
                    this.filter_type(*filter_type)
                        .texts(node_names)
                        .texts(node_tags)
                        .map(node_labels)
                        .texts(rack_names)
                        .map(rack_labels)
                })
        })
    }

    /// Adds a task filter.
    pub fn task_filter(self, filter: &TaskFilter) -> Self {
        // Taken apart by name, so that a field that is added cannot be forgotten here.
        let TaskFilter {
            status,
            action,
            result_status,
            created_by,
            created_after,
            created_before,
            parent_task_id,
            root_task_id,
            roots_only,
            node_name,
            design_ref,
            labels,
        } = filter;
        self.list(status.iter(), |this, each| this.text(each.token()))
            .list(action.iter(), |this, each| this.text(each.token()))
            .list(result_status.iter(), |this, each| this.text(each.token()))
            .optional(created_by.as_deref(), Self::text)
            .optional(*created_after, Self::time)
            .optional(*created_before, Self::time)
            .optional(*parent_task_id, |this, id| this.text(&id.to_string()))
            .optional(*root_task_id, |this, id| this.text(&id.to_string()))
            .number(i64::from(*roots_only))
            .optional(node_name.as_deref(), Self::text)
            .optional(design_ref.as_deref(), Self::text)
            .map(labels)
    }

    /// The digest of what was added.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    fn time(self, time: Timestamp) -> Self {
        self.number(time.timestamp_micros())
    }

    fn texts(self, texts: &[String]) -> Self {
        self.list(texts.iter(), |this, text| this.text(text))
    }

    fn filter_type(self, filter_type: FilterType) -> Self {
        self.text(filter_type.token())
    }

    fn count(self, count: usize) -> Self {
        // A length in memory is below 2^63.
        self.number(count as i64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn filter(names: &[&str], tags: &[&str]) -> NodeFilterSet {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        NodeFilterSet {
            filter_set_type: FilterType::Union,
            filter_set: vec![NodeFilter {
                filter_type: FilterType::Intersection,
                node_names: owned(names),
                node_tags: owned(tags),
                node_labels: BTreeMap::new(),
                rack_names: Vec::new(),
                rack_labels: BTreeMap::new(),
            }],
        }
    }

    #[test]
    fn borders_between_fields_count() {
        let digests: HashSet<[u8; 32]> = [
            Canonical::new("a").text("bc").finish(),
            Canonical::new("ab").text("c").finish(),
            Canonical::new("a").text("b").text("c").finish(),
            Canonical::new("a")
                .optional(Some("bc"), Canonical::text)
                .finish(),
            Canonical::new("a").optional(None, Canonical::text).finish(),
            Canonical::new("a").finish(),
        ]
        .into();
        assert_eq!(digests.len(), 6);
    }

    #[test]
    fn node_filters_that_differ_have_different_digests() {
        let digests: HashSet<[u8; 32]> = [
            Some(filter(&["a", "b"], &[])),
            Some(filter(&["ab"], &[])),
            Some(filter(&["a"], &["b"])),
            Some(filter(&[], &["a", "b"])),
            Some(filter(&["b", "a"], &[])),
            None,
        ]
        .iter()
        .map(|filter| Canonical::new("x").node_filter(filter.as_ref()).finish())
        .collect();
        assert_eq!(digests.len(), 6);
    }

    #[test]
    fn a_digest_is_the_same_in_every_version() {
        // Stored beside each request_id: a change here would break repeated requests.
        let digest = Canonical::new("CreateTask")
            .text("deploy_node")
            .node_filter(Some(&filter(&["a"], &["b"])))
            .finish();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "70475f8c2693cc0c08348012d8317bc12dc10f389688b2c2a2e2720cddc104d0"
        );
    }
}
