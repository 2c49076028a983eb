//! Pairs: the service and its bound take turns.

use crate::Result;
use crate::sample::{Figures, Sample, Spread};

/// What was measured of both, run by run.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) measured: Vec<Sample>,
    pub(crate) bound: Vec<Sample>,
}

impl Pairs {
    /// Runs both `rounds` times, in turns, each going first every other time. A round that does not count
    /// goes before, to warm up.
    pub(crate) async fn run(
        rounds: usize,
        mut measured: impl AsyncFnMut() -> Result<Sample>,
        mut bound: impl AsyncFnMut() -> Result<Sample>,
    ) -> Result<Self> {
        measured().await?;
        bound().await?;
        let mut pairs = Self::default();
        for round in 0..rounds {
            if round % 2 == 0 {
                pairs.bound.push(bound().await?);
                pairs.measured.push(measured().await?);
            } else {
                pairs.measured.push(measured().await?);
                pairs.bound.push(bound().await?);
            }
        }
        Ok(pairs)
    }

    /// What `compare` makes of each pair: measured, bound.
    pub(crate) fn compare(&self, compare: impl Fn(&Sample, &Sample) -> f64) -> Result<Spread> {
        let compared = self.measured.iter().zip(&self.bound);
        Spread::of(compared.map(|(measured, bound)| compare(measured, bound)))
            .ok_or_else(|| "nothing was measured".into())
    }

    /// The rate of the service as a part of the bound's.
    pub(crate) fn rates(&self) -> Result<Spread> {
        self.compare(|measured, bound| measured.rate() / bound.rate())
    }

    pub(crate) fn measured(&self) -> Figures {
        Figures::of(&self.measured)
    }

    pub(crate) fn bound(&self) -> Figures {
        Figures::of(&self.bound)
    }
}
