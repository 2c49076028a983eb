//! `drydock demo`: a real server, an example site, and a deployment to watch.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use uuid::Uuid;

use super::connection::{channel, patiently};
use super::follow::{Follow, FollowOptions};
use super::settings::flag;
use super::task::{Form, watch};
use super::{Error, output};
use crate::config::{Config, Sources};
use crate::proto::v1::task_service_client::TaskServiceClient;
use crate::proto::v1::{CreateTaskRequest, TaskAction};
use crate::server::Server;
use crate::server::signal::StopSignals;

/// The site that is deployed, the one that comes with the documentation.
const SITE: &str = include_str!("../../examples/site/site.yaml");

/// How long the demo looks for its own server, which is on this machine.
const RECONNECT_FOR: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Demo {}

impl Demo {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let mut signals = StopSignals::new().map_err(Error::Signals)?;
        let directory = tempfile::tempdir().map_err(Error::Temporary)?;
        // As it really is: a design root with a link in its path would not match what is opened below it.
        let path = directory.path().canonicalize().map_err(Error::Temporary)?;
        let site = path.join("site.yaml");
        std::fs::write(&site, SITE).map_err(Error::Temporary)?;

        let server = Server::start(&config(&path)?).await?;
        let url = format!("http://{}", server.address());
        output::note(&format!(
            "A server runs at {url}; the site is simulated, no machine is touched."
        ));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run_until(async {
            // Told, or left by whoever could tell: both mean stop.
            stopped.await.ok();
        }));
        let shown = tokio::select! {
            shown = show(&url, &site) => shown,
            () = signals.next() => Err(Error::Impatient),
        };
        drop(stop);
        running.await.map_err(Error::Panicked)??;
        directory.close().map_err(Error::Temporary)?;
        // Some machines of the site fail on purpose: the demo succeeds when its task has ended.
        shown.map(|()| ExitCode::SUCCESS)
    }
}

async fn show(url: &str, site: &Path) -> Result<(), Error> {
    let client = TaskServiceClient::new(channel(url)?);
    let request = CreateTaskRequest {
        action: TaskAction::DeployNode.into(),
        design_ref: format!("file://{}", site.display()),
        request_id: Uuid::new_v4().to_string(),
        ..CreateTaskRequest::default()
    };
    let response = patiently(|| {
        let mut client = client.clone();
        let request = request.clone();
        async move { client.create_task(request).await }
    })
    .await?;
    let options = FollowOptions {
        task_id: response.into_inner().task_id,
        resume_token: String::new(),
        include_subtasks: true,
        reconnect_for: RECONNECT_FOR,
    };
    watch::to_the_end(Follow::new(client, options), Form::Table).await?;
    Ok(())
}

/// What the demo needs, whatever the environment of whoever tries it says.
fn config(directory: &Path) -> Result<Config, Error> {
    let path = directory.display().to_string();
    let config = Config::load(&Sources {
        flags: vec![
            flag("demo", "server.listen", "127.0.0.1:0"),
            flag("demo", "server.data_dir", path.clone()),
            flag("demo", "design.roots", path),
            flag("demo", "simulated.all", "true"),
        ],
        ..Sources::default()
    })?;
    Ok(config)
}
