//! Facts about precedence, unknown keys and how problems are told.

use std::io::Write as _;
use std::time::Duration;

use super::*;
use crate::domain::StepKind;
use crate::driver::ipmi::CipherSuite;
use crate::store::DatabaseUrl;

pub(super) fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn flag(name: &'static str, key: &'static str, value: &str) -> Flag {
    Flag {
        name,
        key,
        values: vec![value.to_owned()],
    }
}

fn problems(sources: &Sources) -> Vec<String> {
    match Config::load(sources) {
        Ok(config) => panic!("nothing was refused: {config:?}"),
        Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.executor.lease, Duration::from_secs(30));
    assert_eq!(config.executor.retry_backoff, Duration::from_millis(500));
    assert_eq!(config.executor.max_running_roots, 64);
    assert_eq!(config.executor.max_parallel_nodes, 256);
    assert_eq!(config.tasks.max_queued, 100_000);
    assert_eq!(config.watch.max_per_replica, 20_000);
    assert_eq!(config.http2.max_concurrent_streams, 1024);
    assert_eq!(config.simulated.step_duration, Duration::from_millis(200));
    for step in StepKind::ALL {
        assert_eq!(config.executor.timeout.of(step), step.default_timeout());
    }
}

#[test]
fn flags_win_over_environment_over_file() {
    let file =
        file("[server]\nlisten = '127.0.0.1:1'\ndata_dir = '/file'\n[tasks]\nmax_queued = 7\n");
    let mut sources = Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.server.listen.port(), 1);
    assert_eq!(config.tasks.max_queued, 7);

    sources.environment = environment(&[
        ("DRYDOCK_LISTEN", "127.0.0.1:2"),
        ("DRYDOCK_TASKS__MAX_QUEUED", "8"),
    ]);
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.tasks.max_queued, 8);

    sources.flags = vec![flag("--listen", "server.listen", "127.0.0.1:3")];
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.server.data_dir, PathBuf::from("/file"));
}

#[test]
fn a_key_is_also_an_environment_variable() {
    let config = Config::load(&Sources {
        environment: environment(&[
            ("DRYDOCK_EXECUTOR__TIMEOUT__DEPLOY_NODE", "2s"),
            ("DRYDOCK_SIMULATED__STEP_DURATION", "0ms"),
            ("DRYDOCK_SIMULATED__ALL", "true"),
            ("DRYDOCK_DESIGN__ROOTS", "/a:/b"),
            ("DRYDOCK_DATABASE_URL", "sqlite:/x.db"),
        ]),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(
        config.executor.timeout.of(StepKind::DeployNode),
        Duration::from_secs(2)
    );
    assert_eq!(config.simulated.step_duration, Duration::ZERO);
    assert!(config.simulated.all);
    assert_eq!(config.design.roots, ["/a", "/b"].map(PathBuf::from));
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("/x.db".into()));
}

#[test]
fn all_problems_are_told_at_once_with_key_and_place() {
    let file = file(
        "[executor]\nlease = '5s'\nrenew = 'soon'\nleese = '1s'\n\n[tasks]\nmax_queued = 1.5\n",
    );
    let path = file.path().display();
    let told = problems(&Sources {
        flags: vec![flag("--listen", "server.listen", "everywhere")],
        environment: environment(&[
            ("DRYDOCK_WATCH__MAX_PER_REPLICA", "0"),
            ("DRYDOCK_WACH__STALL_TIMEOUT", "1s"),
        ]),
        file: Some(file.path().to_owned()),
    });
    for expected in [
        "server.listen (--listen): must be an address such as 127.0.0.1:50051 or [::1]:0".to_owned(),
        "watch.max_per_replica (DRYDOCK_WATCH__MAX_PER_REPLICA): must be a number from 1 to 10000000".to_owned(),
        "wach.stall_timeout (DRYDOCK_WACH__STALL_TIMEOUT): is no known key".to_owned(),
        format!("executor.renew ({path} line 3): must be a duration such as `30s`, `200ms` or `1h30m` (units d, h, m, s, ms)"),
        format!("executor.leese ({path} line 4): is no known key"),
        format!("tasks.max_queued ({path} line 7): must be a number from 1 to 10000000, not a float"),
        format!("executor.call_timeout ({path} line 2): 10s with executor.margin, 5s, must be shorter than executor.lease, 5s"),
    ] {
        assert!(told.contains(&expected), "{expected}\nnot in {told:#?}");
    }
    assert_eq!(told.len(), 7, "{told:#?}");
}

#[test]
fn a_mistake_in_the_file_is_told_although_a_flag_hides_it() {
    let file = file("server.listen = 'nowhere'\n");
    let told = problems(&Sources {
        flags: vec![flag("--listen", "server.listen", "127.0.0.1:0")],
        file: Some(file.path().to_owned()),
        ..Sources::default()
    });
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let file = file("[server]\nlisten = \n");
    let told = problems(&Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    });
    assert!(told[0].contains("line 2"), "{told:?}");
}

#[test]
fn a_listener_beyond_loopback_needs_insecure() {
    let mut sources = Sources {
        flags: vec![flag("--listen", "server.listen", "0.0.0.0:50051")],
        ..Sources::default()
    };
    assert!(problems(&sources)[0].contains("--insecure"));
    sources
        .flags
        .push(flag("--insecure", "server.insecure", "true"));
    assert!(Config::load(&sources).is_ok());
}

#[test]
fn a_listener_beyond_loopback_needs_names_and_tls() {
    let anywhere = ("server.listen", "0.0.0.0:50051");
    let roster = ("auth.roster", "/etc/drydock/roster");
    let certificate = ("tls.certificate", "/etc/drydock/tls.pem");
    let key = ("tls.key", "/etc/drydock/tls.key");
    let client_ca = ("tls.client_ca", "/etc/drydock/ca.pem");
    let insecure = ("server.insecure", "true");
    let load = |settings: &[(&'static str, &str)]| {
        let flags = settings.iter().map(|(key, value)| flag("x", key, value));
        let loaded = Config::load(&Sources {
            flags: flags.collect(),
            ..Sources::default()
        });
        loaded.map(drop).map_err(|problems| problems.to_string())
    };
    assert_eq!(load(&[roster]), Ok(()), "on loopback nobody listens in");
    assert_eq!(load(&[certificate, key]), Ok(()));
    assert_eq!(
        load(&[anywhere, roster, certificate, key, client_ca]),
        Ok(())
    );
    assert_eq!(load(&[anywhere, certificate, key, insecure]), Ok(()));
    for (settings, problem) in [
        (&[anywhere, certificate, key][..], "nobody is authenticated"),
        (&[anywhere, roster], "in clear"),
        (&[anywhere, roster, insecure], "in clear"),
        (&[certificate], "go together"),
        (&[key], "go together"),
        (&[roster, client_ca], "needs `tls.certificate`"),
        (&[certificate, key, client_ca], "needs `auth.roster`"),
    ] {
        let refused = load(settings).expect_err(problem);
        assert!(refused.contains(problem), "{refused}");
    }
}

#[test]
fn a_variable_under_two_names_is_refused() {
    let told = problems(&Sources {
        environment: environment(&[
            ("DRYDOCK_LISTEN", "127.0.0.1:1"),
            ("DRYDOCK_SERVER__LISTEN", "127.0.0.1:2"),
        ]),
        ..Sources::default()
    });
    assert_eq!(
        told,
        ["server.listen (DRYDOCK_SERVER__LISTEN): is set by DRYDOCK_LISTEN too"]
    );
}

#[test]
fn variables_that_a_cluster_sets_are_left_alone() {
    let sources = Sources {
        environment: environment(&[
            ("DRYDOCK_SERVICE_HOST", "10.0.0.1"),
            ("DRYDOCK_PORT", "tcp://10.0.0.1:50051"),
            ("DRYDOCK_SERVER", "http://127.0.0.1:50051"),
        ]),
        ..Sources::default()
    };
    assert!(Config::load(&sources).is_ok());
}

#[test]
fn secrets_in_the_environment_are_no_settings() {
    let sources = Sources {
        environment: environment(&[("DRYDOCK_SECRET_RACK__1", "hunter2")]),
        ..Sources::default()
    };
    assert!(Config::load(&sources).is_ok());
}

#[test]
fn every_secret_and_file_that_is_named_is_kept_from_designs() {
    let file = file("");
    let loaded = |name: &str, value: &str| {
        let variable = format!("DRYDOCK_{}", name.replace('.', "__").to_uppercase());
        let config = Config::load(&Sources {
            // What each of them needs beside it is another test's.
            environment: environment(&[
                (variable.as_str(), value),
                ("DRYDOCK_TLS__CERTIFICATE", "/tls.pem"),
                ("DRYDOCK_TLS__KEY", "/tls.key"),
                ("DRYDOCK_AUTH__ROSTER", "/roster"),
                ("DRYDOCK_DRIVERS__REMOTE__NAME__ADDRESS", "https://h"),
                ("DRYDOCK_DRIVERS__REMOTE__NAME__CERTIFICATE", "/ours.pem"),
                ("DRYDOCK_DRIVERS__REMOTE__NAME__KEY", "/ours.key"),
            ]),
            file: Some(file.path().to_owned()),
            ..Sources::default()
        });
        config.unwrap().secrets.reservation
    };
    let keys = keys();
    let own = keys
        .iter()
        .filter(|key| key.description.contains("secret://NAME") && key.name != "secrets.directory");
    let mut named = 0;
    for key in own {
        let list = key.description.contains("=secret://NAME");
        let value = if list {
            "https://a=secret://own"
        } else {
            "secret://own"
        };
        let reservation = loaded(&key.name, value);
        let own = "secret://own".parse().unwrap();
        assert_eq!(reservation.names, [own], "{}", key.name);
        named += 1;
    }
    assert!(named >= 2, "the keys are found by how they are described");
    let files = loaded("drivers.redfish.ca", "/ca.pem").files;
    for path in ["/tls.key", "/tls.pem", "/roster", "/ca.pem"] {
        assert!(files.contains(&path.into()), "{path}: {files:?}");
    }
    assert!(files.contains(&file.path().to_owned()), "{files:?}");
}

#[test]
fn names_for_designs_begin_as_names_of_secrets_do() {
    for (prefix, told) in [("bmc-", None), ("a/b", Some(())), ("", Some(()))] {
        let config = Config::load(&Sources {
            environment: environment(&[("DRYDOCK_SECRETS__DESIGN_PREFIX", prefix)]),
            ..Sources::default()
        });
        assert_eq!(config.err().map(drop), told, "{prefix}");
    }
}

#[test]
fn a_site_may_differ() {
    let file = file(
        "[drivers]\noob = ['manual']\n[sites.harbour]\noob = ['redfish', 'manual']\n\
         [sites.'a.b'.redfish]\nca = '/ca.pem'\n[sites.pier.ipmi]\ncipher_suite = 3\n",
    );
    let config = Config::load(&Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(config.drivers.oob, [OobType::Manual]);
    let harbour = &config.sites["harbour"];
    let both = vec![OobType::Redfish, OobType::Manual];
    assert_eq!(harbour.oob, Some(both));
    assert_eq!(config.sites["a.b"].redfish_ca, Some("/ca.pem".into()));
    let pier = config.sites["pier"].ipmi;
    assert_eq!(pier.cipher_suite, Some(CipherSuite::Sha1));
    assert_eq!(pier.privilege, None);
    assert_eq!(config.sites.len(), 3);

    let told = problems(&Sources {
        environment: environment(&[("DRYDOCK_DRIVERS__OOB", "manual,ipmy")]),
        ..Sources::default()
    });
    assert_eq!(
        told,
        [
            "drivers.oob (DRYDOCK_DRIVERS__OOB): must hold nothing but `redfish` and `ipmi` and `manual`"
        ]
    );
}

#[test]
fn a_plug_in_is_named_where_drivers_are_chosen() {
    let file = file(
        "[drivers]\noob = ['redfish', 'vendor']\nnode = 'maas'\n\
         [drivers.remote.vendor]\naddress = 'https://vendor.example:50061'\ntoken = 'secret://v'\n\
         [drivers.remote.maas]\naddress = 'unix:/run/maas.sock'\nonce = ['destroy_node']\n\
         [sites.harbour]\nnode = 'simulated'\noob = ['vendor']\n",
    );
    let config = Config::load(&Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    })
    .unwrap();
    let vendor = OobType::Remote("vendor".into());
    assert_eq!(config.drivers.oob, [OobType::Redfish, vendor.clone()]);
    assert_eq!(config.drivers.node, NodeDriver::Remote("maas".into()));
    assert_eq!(config.drivers.remote["maas"].once, [StepKind::DestroyNode]);
    assert!(!config.drivers.remote["vendor"].send_credentials);
    let harbour = &config.sites["harbour"];
    assert_eq!(harbour.oob, Some(vec![vendor]));
    assert_eq!(harbour.node, Some(NodeDriver::Simulated));
}

#[test]
fn all_that_is_wrong_with_a_plug_in_is_told_at_once() {
    let told = problems(&Sources {
        environment: environment(&[
            ("DRYDOCK_DRIVERS__NODE", "mas"),
            (
                "DRYDOCK_DRIVERS__REMOTE__MAAS__ADDRESS",
                "http://10.0.0.1:1",
            ),
            ("DRYDOCK_DRIVERS__REMOTE__MAAS__CERTIFICATE", "/c.pem"),
            ("DRYDOCK_DRIVERS__REMOTE__MAAS__TOKEN", "hunter2"),
            ("DRYDOCK_DRIVERS__REMOTE__IRONIC__ADDRESS", "https://h"),
            ("DRYDOCK_DRIVERS__REMOTE__VENDOR__SEND_DESIGN", "true"),
        ]),
        ..Sources::default()
    });
    let told = told.join("\n");
    for expected in [
        "drivers.node (DRYDOCK_DRIVERS__NODE): must be `simulated` or `ironic` or `maas` or `vendor`",
        "what leaves this machine is encrypted",
        "goes with drivers.remote.maas.certificate, and either needs the other",
        "drivers.remote.maas.token",
        "ironic must be of lower-case letters",
        "must say where the plug-in is",
    ] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    assert!(!told.contains("hunter2"));
}

#[test]
fn data_goes_where_the_platform_wants_it() {
    for (variables, expected) in [
        (
            &[("XDG_DATA_HOME", "/xdg"), ("HOME", "/home/me")][..],
            "/xdg/drydock",
        ),
        (
            &[("XDG_DATA_HOME", "relative"), ("HOME", "/home/me")],
            "/home/me/.local/share/drydock",
        ),
        (&[], "drydock-data"),
    ] {
        let config = Config::load(&Sources {
            environment: environment(variables),
            ..Sources::default()
        })
        .unwrap();
        let data_dir = PathBuf::from(expected);
        assert_eq!(
            config.database.url,
            DatabaseUrl::Sqlite(data_dir.join("drydock.db"))
        );
        assert_eq!(
            config.simulated.ledger,
            data_dir.join("simulated-ledger.jsonl")
        );
        assert_eq!(config.server.data_dir, data_dir);
    }
}

#[test]
fn a_password_is_never_repeated() {
    let mut sources = Sources {
        environment: environment(&[("DRYDOCK_DATABASE_URL", "postgres://u:hunter2@db/x")]),
        ..Sources::default()
    };
    assert!(!format!("{:?}", Config::load(&sources)).contains("hunter2"));
    sources.environment = environment(&[("DRYDOCK_DATABASE_URL", "mysql://u:hunter2@db/x")]);
    assert!(!problems(&sources).concat().contains("hunter2"));
}

#[test]
fn every_key_is_listed_once_with_one_sentence() {
    let keys = keys();
    for pair in keys.windows(2) {
        assert!(
            pair[0].name < pair[1].name,
            "{} is read twice",
            pair[1].name
        );
    }
    for key in &keys {
        assert!(key.description.ends_with('.'), "{}", key.name);
        assert!(!key.default.is_empty(), "{}", key.name);
    }
    assert!(
        keys.iter()
            .any(|key| key.name == "executor.timeout.deploy_node" && key.default == "45m")
    );
}
