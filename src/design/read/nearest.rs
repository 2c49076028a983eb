//! Slips of the pen: the known name that an unknown one is likely meant to be.

/// The known name that an unknown one is most likely a slip of the pen for.
pub(in super::super) fn nearest<'k>(
    name: &str,
    known: impl Iterator<Item = &'k str>,
) -> Option<&'k str> {
    /// Longer names are not compared: no field has one.
    const LONGEST: usize = 40;
    if name.len() > LONGEST {
        return None;
    }
    let known = known.filter(|known| known.len() <= LONGEST);
    let near = known.map(|known| (strsim::levenshtein(name, known), known));
    let near = near.filter(|(edits, known)| edits * 2 <= known.len());
    near.min().map(|(_, known)| known)
}
