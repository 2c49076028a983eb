//! Figures of one run of something, and what many of them say together.

use std::time::Duration;

/// One run: one side of a pair, once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    /// Of the operations whose time was taken.
    pub(crate) latencies: Vec<Duration>,
    /// Processor time of every server process; none where the work is done by the client itself.
    pub(crate) cpu: Option<Duration>,
}

impl Sample {
    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that half of the operations did not exceed.
    pub(crate) fn p50(&self) -> Duration {
        percentile(&self.latencies, 50)
    }
}

/// What many runs say together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Median of the runs, operations a second.
    pub(crate) rate: Option<f64>,
    /// Over the operations of all runs.
    pub(crate) p50: Option<Duration>,
    pub(crate) p99: Option<Duration>,
    /// Processor time of every server process for one operation.
    pub(crate) cpu: Option<Duration>,
}

impl Figures {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let latencies: Vec<Duration> = samples
            .iter()
            .flat_map(|sample| sample.latencies.iter().copied())
            .collect();
        let operations: u64 = samples.iter().map(|sample| sample.operations).sum();
        let cpu: Option<Duration> = samples.iter().map(|sample| sample.cpu).sum();
        let some = !latencies.is_empty();
        Self {
            rate: Spread::of(samples.iter().map(Sample::rate)).map(|spread| spread.median),
            p50: some.then(|| percentile(&latencies, 50)),
            p99: some.then(|| percentile(&latencies, 99)),
            cpu: cpu
                .filter(|_| operations > 0)
                .map(|cpu| cpu.div_f64(operations as f64)),
        }
    }
}

/// The middle and the ends of a set of numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// None for no numbers.
    pub(crate) fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_unstable_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let upper = *numbers.get(middle)?;
        let median = if numbers.len().is_multiple_of(2) {
            f64::midpoint(numbers[middle - 1], upper)
        } else {
            upper
        };
        Some(Self {
            median,
            least: *numbers.first()?,
            most: *numbers.last()?,
        })
    }
}

/// The value that `percent` of a hundred do not exceed; zero for none.
fn percentile(latencies: &[Duration], percent: usize) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
