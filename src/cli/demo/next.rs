//! What to try once the demo has run, with the addresses and ids that work.

use crate::cli::program::Program;

/// `buf curl` for a server without TLS, as it is run without being installed.
const BUF_CURL: &str = "npx --yes @bufbuild/buf curl --protocol grpc --http2-prior-knowledge";

/// What a demo has left behind.
pub(super) struct Played {
    pub(super) program: Program,
    /// URL of the server.
    pub(super) url: String,
    /// The design that was deployed.
    pub(super) design_ref: String,
    /// The task that was shown.
    pub(super) task_id: String,
    /// The position after its creation.
    pub(super) beginning: String,
    /// A task that does not end by itself.
    pub(super) silent_task_id: String,
    /// A node that the design has something to say about, if there is one.
    pub(super) node_name: Option<&'static str>,
}

/// The commands, each with what it is for.
pub(super) fn lines(played: &Played) -> Vec<String> {
    let Played {
        program,
        url,
        design_ref,
        task_id,
        beginning,
        silent_task_id,
        node_name,
    } = played;
    let address = url.trim_start_matches("http://");
    let body = format!("'{{\"task_id\": \"{task_id}\"}}'");
    let groups = [
        (
            "What happened, as a tree",
            vec![program.call(&format!("task tree {task_id}"))],
        ),
        (
            "Its events again, from the position after its creation",
            vec![program.call(&format!("task watch {task_id} --resume-token {beginning}"))],
        ),
        (
            "A second task runs on a machine that never answers: watch it, and stop it from a third terminal",
            vec![
                program.call(&format!("task watch {silent_task_id}")),
                program.call(&format!(
                    "task terminate {silent_task_id} --reason 'seen enough'"
                )),
            ],
        ),
        (
            "A task of your own, and what it finds out about a machine",
            std::iter::once(program.call(&format!(
                "task create --action verify_node --design-ref {design_ref} --watch"
            )))
            .chain(node_name.map(|node| program.call(&format!("node builddata {node} -o data"))))
            .collect(),
        ),
        (
            "The API without this program, by reflection (needs Node.js)",
            vec![
                format!("{BUF_CURL} --list-methods {url}"),
                format!("{BUF_CURL} -d {body} {url}/drydock.v1.TaskService/GetTask"),
                format!("{BUF_CURL} -d {body} {url}/drydock.v1.TaskService/WatchTask"),
            ],
        ),
        (
            "The same with grpcurl (its usual form; Drydock's own tests use buf)",
            vec![
                format!("grpcurl -plaintext {address} list drydock.v1.TaskService"),
                format!("grpcurl -plaintext -d {body} {address} drydock.v1.TaskService/GetTask"),
            ],
        ),
    ];
    let mut lines = vec![
        String::new(),
        format!("The server stays up at {url} until ctrl-C. Try in a second terminal:"),
    ];
    for (what, commands) in groups {
        lines.push(String::new());
        lines.push(format!("  # {what}"));
        lines.extend(commands.iter().map(|command| format!("  {command}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_have_the_real_address_and_ids() {
        let lines = lines(&Played {
            program: Program::for_server("http://127.0.0.1:7"),
            url: "http://127.0.0.1:7".to_owned(),
            design_ref: "file:///d/site.yaml".to_owned(),
            task_id: "first".to_owned(),
            beginning: "token".to_owned(),
            silent_task_id: "second".to_owned(),
            node_name: Some("n1"),
        });
        let has = |end: &str| assert!(lines.iter().any(|line| line.ends_with(end)), "{end}");
        has("task watch first --resume-token token --server http://127.0.0.1:7");
        has("node builddata n1 -o data --server http://127.0.0.1:7");
        has("task terminate second --reason 'seen enough' --server http://127.0.0.1:7");
        has("-d '{\"task_id\": \"first\"}' http://127.0.0.1:7/drydock.v1.TaskService/GetTask");
        has("-d '{\"task_id\": \"first\"}' 127.0.0.1:7 drydock.v1.TaskService/GetTask");
    }
}
