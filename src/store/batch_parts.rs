//! Batches of a bounded weight: writes that bring much build data do not all share one transaction.

use super::batch::Request;

/// The most bytes of build data that one transaction writes: some thousands of usual inventories. They
/// travel as one value, which is in memory several times on its way.
const MAX_BYTES: usize = 16 << 20;

/// The requests in their order, in parts that are written one after the other: nearly always one.
pub(super) fn parts(requests: Vec<Request>) -> Vec<Vec<Request>> {
    let mut parts = Vec::with_capacity(1);
    let mut part = Vec::with_capacity(requests.len());
    let mut bytes = 0;
    for request in requests {
        let weight = weight(&request);
        if bytes + weight > MAX_BYTES && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += weight;
        part.push(request);
    }
    parts.push(part);
    parts
}

fn weight(request: &Request) -> usize {
    let changes = request.write.changes.iter();
    changes
        .flat_map(|change| &change.build_data)
        .map(|collected| collected.data_element.len())
        .sum()
}
