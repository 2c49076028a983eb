//! A site whose nodes have management controllers, a server that acts on them, and what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    BuildData, ListBuildDataRequest, ResultStatus, StatusMessage, Task, TaskAction,
};
use tempfile::TempDir;

use crate::emulator::{ACCOUNT, Emulator, PASSWORD};
use crate::ipmi_bmc::SimulatedBmc;
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::{Launch, Server};
use crate::support::stream::Follower;

/// The secret that has the password of all BMCs.
pub(crate) const CREDENTIAL: &str = "secret://harbour-bmc";

/// A node of the site.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    name: String,
    oob: BTreeMap<&'static str, String>,
    labels: BTreeMap<&'static str, &'static str>,
}

impl Node {
    /// A node of an out-of-band type, and nothing else.
    pub(crate) fn of_type(name: &str, oob_type: &str) -> Self {
        Self {
            name: name.to_owned(),
            oob: BTreeMap::from([("type", oob_type.to_owned())]),
            labels: BTreeMap::new(),
        }
    }

    /// A node whose BMC is `emulator`, which has a system of its name.
    pub(crate) fn behind(emulator: &Emulator, name: &str) -> Self {
        Self::of_type(name, "redfish")
            .oob("address", emulator.address())
            .oob("account", ACCOUNT)
            .oob("credential", CREDENTIAL)
            .oob("system_id", name)
    }

    /// A node whose BMC is `bmc`, and that is called like its machine.
    pub(crate) fn over_ipmi(bmc: &SimulatedBmc) -> Self {
        Self::of_type(bmc.name(), "ipmi")
            .oob("address", bmc.address())
            .oob("account", ACCOUNT)
            .oob("credential", CREDENTIAL)
    }

    /// The same under another name in the design.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets something about its management controller.
    pub(crate) fn oob(mut self, key: &'static str, value: impl ToString) -> Self {
        self.oob.insert(key, value.to_string());
        self
    }

    /// Leaves something about it out.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.oob.remove(key);
        self
    }

    /// The provisioner does not know it until it has booted.
    pub(crate) fn unknown(mut self) -> Self {
        self.labels.insert("drydock.dev/simulate-unknown", "true");
        self
    }
}

/// The site, with its secrets, and the database of its servers.
pub(crate) struct Harbour {
    pub(crate) database: Database,
    directory: TempDir,
}

impl Harbour {
    /// A site of `nodes`.
    pub(crate) fn of(nodes: &[Node]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let harbour = Self {
            database: Database::sqlite(),
            directory,
        };
        std::fs::create_dir(harbour.designs()).expect("a directory");
        std::fs::create_dir(harbour.secrets()).expect("a directory");
        std::fs::write(harbour.designs().join("site.yaml"), text(nodes)).expect("a design");
        harbour.keep("harbour-bmc", PASSWORD);
        harbour
    }

    /// Keeps a secret.
    pub(crate) fn keep(&self, name: &str, value: &str) {
        let path = self.secrets().join(name);
        std::fs::write(path, format!("{value}\n")).expect("a secret");
    }

    fn designs(&self) -> PathBuf {
        self.directory.path().join("designs")
    }

    fn secrets(&self) -> PathBuf {
        self.directory.path().join("secrets")
    }

    /// How a server of the site is started that trusts the BMCs of `emulator`.
    pub(crate) fn launch(&self, emulator: &Emulator) -> Launch {
        self.launch_any()
            .set("drivers.oob", "redfish,manual")
            .set("drivers.redfish.ca", emulator.authority().display())
    }

    /// How a server of the site is started whose BMCs speak IPMI.
    pub(crate) fn launch_ipmi(&self) -> Launch {
        self.launch_any()
            .set("drivers.oob", "ipmi,manual")
            // The best that the simulated ones know.
            .set("drivers.ipmi.cipher_suite", "3")
    }

    fn launch_any(&self) -> Launch {
        Launch::on(&self.database)
            .designs_in(&self.designs())
            // Its designs say what the drivers need, and nothing of disks and networks.
            .set("design.gate", "off")
            .set("secrets.directory", self.secrets().display())
            .set("executor.retry_backoff", "50ms")
    }

    /// Starts a server of the site.
    pub(crate) async fn serve(&self, emulator: &Emulator) -> Server {
        self.launch(emulator).start().await
    }

    /// Starts an action on every node.
    pub(crate) async fn begin(&self, server: &Server, action: TaskAction) -> Task {
        let reference = format!("file://{}/site.yaml", self.designs().display());
        Client::of(server.address())
            .create(action, &reference)
            .await
    }

    /// Runs an action on every node, watched to its end.
    pub(crate) async fn run(&self, server: &Server, action: TaskAction) -> Outcome {
        let task = self.begin(server, action).await;
        Outcome::of(server, &task).await
    }
}

/// What came of an action, as a watcher saw it.
pub(crate) struct Outcome {
    pub(crate) root: Task,
    /// The tasks that ended, as they were then.
    pub(crate) tasks: Vec<Task>,
    /// Everything that was said, with the task that said it.
    messages: Vec<(String, StatusMessage)>,
}

impl Outcome {
    /// Follows a task to its end.
    pub(crate) async fn of(server: &Server, task: &Task) -> Self {
        let client = Client::of(server.address());
        let follower = Follower::of(&client, &task.task_id).finish(None).await;
        let mut tasks = Vec::new();
        let mut messages = Vec::new();
        for event in follower.events {
            match event.event {
                Some(Arm::TaskFinished(task)) => tasks.push(task),
                Some(Arm::MessageAdded(message)) => messages.push((event.task_id, message)),
                _ => {}
            }
        }
        let root = tasks.iter().find(|ended| ended.task_id == task.task_id);
        Self {
            root: root.expect("the root has ended").clone(),
            tasks,
            messages,
        }
    }

    /// How the root ended.
    pub(crate) fn status(&self) -> ResultStatus {
        self.root.result.as_ref().expect("a result").status()
    }

    /// Passes if every node succeeded.
    pub(crate) fn assert_success(&self) {
        let failures: Vec<(&String, Vec<&str>)> = self
            .failures()
            .iter()
            .map(|node| (node, self.said(node)))
            .collect();
        assert_eq!(self.status(), ResultStatus::Success, "{failures:?}");
    }

    /// The nodes that failed.
    pub(crate) fn failures(&self) -> &[String] {
        &self.root.result.as_ref().expect("a result").failures
    }

    /// The steps of a node.
    pub(crate) fn steps(&self, node: &str) -> Vec<&Task> {
        let steps = self.tasks.iter();
        let of_node = steps.filter(|task| task.node_name == node && !task.step.is_empty());
        of_node.collect()
    }

    /// What the steps of a node said, in order.
    pub(crate) fn said(&self, node: &str) -> Vec<&str> {
        let steps = self.steps(node);
        let messages = self.messages.iter();
        messages
            .filter(|(task, _)| steps.iter().any(|step| step.task_id == *task))
            .map(|(_, message)| message.message.as_str())
            .collect()
    }

    /// What was found out, of every node.
    pub(crate) async fn build_data(&self, server: &Server) -> Vec<BuildData> {
        let request = ListBuildDataRequest {
            task_id: self.root.task_id.clone(),
            page_size: 500,
            ..ListBuildDataRequest::default()
        };
        Client::of(server.address()).build_data(request).await
    }

    /// All of it, to be searched.
    pub(crate) fn everything(&self) -> String {
        format!("{:?} {:?}", self.tasks, self.messages)
    }

    /// What the step of a node that failed said last.
    pub(crate) fn why(&self, node: &str) -> String {
        let said = self.said(node);
        let last = said.last().expect("a failed step says why");
        // The executor puts the step before what its driver says.
        let why = last.split_once(": ").map_or(*last, |(_, why)| why);
        why.to_owned()
    }
}

fn text(nodes: &[Node]) -> String {
    let mut text = "schema: drydock/Region/v1\nmetadata: {name: harbour}\ndata: {}\n".to_owned();
    for node in nodes {
        // JSON is YAML.
        let data =
            serde_json::json!({ "oob": node.oob, "metadata": { "owner_data": node.labels } });
        text.push_str(&format!(
            "---\nschema: drydock/BaremetalNode/v1\nmetadata: {{name: {}}}\ndata: {data}\n",
            node.name
        ));
    }
    text
}
