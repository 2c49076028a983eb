//! How large the tests are that can be of any size.

/// The factor for every such size.
const VARIABLE: &str = "DRYDOCK_TEST_SCALE";

/// `size` is what CI has the time for; `DRYDOCK_TEST_SCALE`, a positive number, multiplies it. At least 1.
pub(crate) fn scaled(size: u32) -> u32 {
    let asked = std::env::var(VARIABLE);
    let factor: f64 = asked.map_or(1.0, |factor| {
        let factor = factor.parse().ok().filter(|factor: &f64| *factor > 0.0);
        factor.unwrap_or_else(|| panic!("{VARIABLE} is a positive number"))
    });
    // Saturates, and no test that large would end.
    (f64::from(size) * factor).round().max(1.0) as u32
}
