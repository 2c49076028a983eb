//! `drydock demo`: a real server, an example site, and a deployment to watch.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use uuid::Uuid;

use super::connection::{Link, link, patiently};
use super::credentials::CredentialArgs;
use super::follow::{Follow, FollowOptions};
use super::moment;
use super::program::Program;
use super::settings::flag;
use super::show::{Presentation, show};
use super::{Error, output};
use crate::config::{Config, Sources, duration};
use crate::proto::v1::task_service_client::TaskServiceClient;
use crate::proto::v1::{CreateTaskRequest, GetTaskTreeRequest, Task, TaskAction};
use crate::server::Server;
use crate::server::signal::StopSignals;

mod next;

mod site;

/// How long the demo looks for its own server, which is on this machine.
const RECONNECT_FOR: Duration = Duration::from_secs(10);

/// The port that every command looks at unless it is told another one.
const USUAL_PORT: u16 = 50051;

/// Exit code of a demo that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// Nodes that are worked on at a time: some, so that a small site shows what waits too, and as many of a
/// large one that it is through in a minute.
const PARALLEL: std::ops::RangeInclusive<u32> = 6..=256;

/// Part of a site that is worked on at a time, where the limits above leave a choice.
const PARALLEL_PART: u32 = 8;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Generate a site with this many nodes instead of the example's 13
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=site::MAX_NODES))]
    nodes: Option<u32>,
    /// How long each simulated step takes
    #[arg(long, value_name = "DURATION", default_value = "400ms", value_parser = moment::span)]
    step_duration: Duration,
    /// Stay up afterwards and say what to try next, until ctrl-C
    #[arg(long)]
    keep: bool,
    /// A line for each transition also on a terminal, instead of a picture
    #[arg(long)]
    lines: bool,
}

/// What the demo's client needs.
struct Stage<'a> {
    client: TaskServiceClient<Link>,
    url: String,
    /// The demo's directory, which is the server's design root.
    directory: &'a Path,
}

impl Demo {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let mut signals = StopSignals::new().map_err(Error::Signals)?;
        let directory = tempfile::tempdir().map_err(Error::Temporary)?;
        // As it really is: a design root with a link in its path would not match what is opened below it.
        let path = directory.path().canonicalize().map_err(Error::Temporary)?;
        let write = |name: &str, text: &str| {
            std::fs::write(path.join(name), text).map_err(Error::Temporary)
        };
        write(
            site::FILE,
            &self
                .nodes
                .map_or_else(|| site::EXAMPLE.to_owned(), site::generate),
        )?;
        write(site::SILENT_FILE, site::SILENT)?;

        let server = Server::start(&self.config(&path)?).await?;
        let stage = Stage {
            url: format!("http://{}", server.address()),
            client: TaskServiceClient::new(link(
                &format!("http://{}", server.address()),
                &CredentialArgs::default(),
            )?),
            directory: &path,
        };
        output::note(&format!(
            "A server runs at {}; the site is simulated, no machine is touched.",
            stage.url
        ));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut running = tokio::spawn(server.run_until(async {
            // Told, or left by whoever could tell: both mean stop.
            stopped.await.ok();
        }));
        let played = tokio::select! {
            played = self.play(&stage) => played,
            () = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
            ended = &mut running => {
                ended.map_err(Error::Panicked)??;
                return Ok(ExitCode::FAILURE);
            }
        };
        if self.keep && matches!(&played, Ok(code) if *code == ExitCode::SUCCESS) {
            tokio::select! {
                () = signals.next() => {}
                ended = &mut running => {
                    ended.map_err(Error::Panicked)??;
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        drop(stop);
        tokio::select! {
            ended = running => ended.map_err(Error::Panicked)??,
            // Whoever asks twice does not want to wait.
            () = signals.next() => return Err(Error::Impatient),
        }
        directory.close().map_err(Error::Temporary)?;
        // Some machines of the site fail on purpose: the demo succeeds when its task has ended.
        played
    }

    async fn play(&self, stage: &Stage<'_>) -> Result<ExitCode, Error> {
        let program = Program::for_server(&stage.url);
        let task = stage.create(site::FILE).await?;
        let beginning = stage.position_after(&task).await?;
        let options = FollowOptions {
            task_id: task.task_id.clone(),
            resume_token: String::new(),
            include_subtasks: true,
            reconnect_for: RECONNECT_FOR,
        };
        let presentation = if self.lines {
            Presentation::Lines
        } else {
            Presentation::for_people()
        };
        let mut follow = Follow::new(stage.client.clone(), options);
        // What the summary proposes needs a server.
        let proposed = self.keep.then_some(&program);
        show(&mut follow, presentation, "ctrl-C ends the demo", proposed).await?;
        if !self.keep {
            output::line("")?;
            output::line("To go on from here, with the commands to try next:")?;
            let nodes = self.nodes.map(|nodes| format!(" --nodes {nodes}"));
            let again = format!("demo --keep{}", nodes.unwrap_or_default());
            output::line(&format!("  {}", Program::local().call(&again)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let silent = stage.create(site::SILENT_FILE).await?;
        let lines = next::lines(&next::Played {
            program,
            url: stage.url.clone(),
            design_ref: stage.design_ref(site::FILE),
            task_id: task.task_id,
            beginning,
            silent_task_id: silent.task_id,
            node_name: self.nodes.is_none().then_some(site::EXAMPLE_NODE),
        });
        lines.iter().try_for_each(|line| output::line(line))?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the demo needs, whatever the environment of whoever tries it says.
    fn config(&self, directory: &Path) -> Result<Config, Error> {
        let path = directory.display().to_string();
        let parallel = self
            .nodes
            .map_or(0, |nodes| nodes / PARALLEL_PART)
            .clamp(*PARALLEL.start(), *PARALLEL.end());
        let config = Config::load(&Sources {
            flags: vec![
                flag(
                    "demo",
                    "server.listen",
                    format!("127.0.0.1:{}", self.port()),
                ),
                flag("demo", "server.data_dir", path.clone()),
                flag("demo", "design.roots", path),
                flag("demo", "simulated.all", "true"),
                flag(
                    "demo",
                    "simulated.step_duration",
                    duration::format(self.step_duration),
                ),
                flag("demo", "executor.max_parallel_nodes", parallel.to_string()),
            ],
            ..Sources::default()
        })?;
        Ok(config)
    }

    /// The usual port for a demo that others talk to, if it is free; else any.
    fn port(&self) -> u16 {
        let is_free = || TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)).is_ok();
        if self.keep && is_free() {
            USUAL_PORT
        } else {
            0
        }
    }
}

impl Stage<'_> {
    fn design_ref(&self, file: &str) -> String {
        format!("file://{}", self.directory.join(file).display())
    }

    async fn create(&self, file: &str) -> Result<Task, Error> {
        let request = CreateTaskRequest {
            action: TaskAction::DeployNode.into(),
            design_ref: self.design_ref(file),
            request_id: Uuid::new_v4().to_string(),
            ..CreateTaskRequest::default()
        };
        let response = patiently(|| {
            let mut client = self.client.clone();
            let request = request.clone();
            async move { client.create_task(request).await }
        })
        .await?;
        Ok(response.into_inner())
    }

    /// The position from which a stream of `task` tells what happens after now.
    async fn position_after(&self, task: &Task) -> Result<String, Error> {
        let response = patiently(|| {
            let mut client = self.client.clone();
            let request = GetTaskTreeRequest {
                task_id: task.task_id.clone(),
                ..GetTaskTreeRequest::default()
            };
            async move { client.get_task_tree(request).await }
        })
        .await?;
        Ok(response.into_inner().resume_token)
    }
}
