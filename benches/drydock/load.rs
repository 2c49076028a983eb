//! Closed loops: clients that each do one thing after the other, for a while.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Result;
use crate::sample::Sample;

/// Somebody who does the same thing again and again.
pub(crate) trait Client: Send + 'static {
    /// Does it once; done when it is answered.
    fn operate(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Lets every client work for `slice`. `cpu` reads the processor time of what serves them.
pub(crate) async fn drive<C: Client>(
    clients: &mut Vec<C>,
    slice: Duration,
    cpu: impl Fn() -> Result<Option<Duration>>,
) -> Result<Sample> {
    let cpu_before = cpu()?;
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for mut client in std::mem::take(clients) {
        working.spawn(async move {
            let mut latencies = Vec::new();
            let mut now = Instant::now();
            while now.duration_since(begun) < slice {
                client.operate().await?;
                let after = Instant::now();
                latencies.push(after - now);
                now = after;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((client, latencies))
        });
    }
    let mut sample = Sample::default();
    while let Some(done) = working.join_next().await {
        let (client, latencies) = done??;
        clients.push(client);
        sample.latencies.extend(latencies);
    }
    sample.elapsed = begun.elapsed();
    sample.operations = sample.latencies.len() as u64;
    sample.cpu = between(cpu_before, cpu()?);
    Ok(sample)
}

/// The processor time that passed between two readings.
pub(crate) fn between(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}
