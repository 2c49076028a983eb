//! What each component is told of the configuration.

use std::path::{Component, Path, PathBuf};

use super::Error;
use crate::api::node_document;
use crate::config::{self, Config, IronicAuth, Migrate, Plugin, PluginAddress, Site};
use crate::design::{FetchOptions, LoaderOptions, ReferencePolicy, WebPolicy};
use crate::domain::StepKind;
use crate::driver::ipmi::IpmiOptions;
use crate::driver::ironic::{self, Authentication, Enrolment, Images, Login, Scope};
use crate::driver::remote::{self, Address, Describe, Place, Trust};
use crate::driver::simulated::SimulatedOptions;
use crate::executor::{ExecutorOptions, Gate};
use crate::secret::SecretSource;
use crate::store::StoreOptions;
use crate::tasks::{self, RetentionOptions};
use crate::trust::Authorities;
use crate::watch::HubOptions;

pub(super) fn store(config: &Config) -> StoreOptions {
    StoreOptions {
        url: config.database.url.clone(),
        migrate: match config.database.migrate {
            Migrate::Auto => true,
            Migrate::Check => false,
        },
        lease: config.executor.lease,
    }
}

pub(super) fn hub(config: &Config) -> HubOptions {
    HubOptions {
        max_watches: count(config.watch.max_per_replica),
        stall_timeout: config.watch.stall_timeout,
        max_life: config.watch.max_life,
        spool_directory: config.server.data_dir.clone(),
        ..HubOptions::default()
    }
}

/// Reads the certificate authorities, if they are in a file of ours.
pub(super) fn loader(config: &Config) -> Result<LoaderOptions, Error> {
    let web = &config.design.web;
    let authorities = Authorities::of(web.ca_file.as_deref()).map_err(Error::Authorities)?;
    Ok(LoaderOptions {
        references: ReferencePolicy {
            file_roots: config
                .design
                .roots
                .iter()
                .map(|root| design_root(root))
                .collect(),
            web: WebPolicy {
                hosts: web.allowed_hosts.clone(),
                plain_http: web.allow_plain_http,
                loopback: web.allow_loopback_hosts,
            },
        },
        fetch: FetchOptions {
            authorities,
            tokens: web.tokens.clone(),
            secrets: secrets(config),
            connect_timeout: web.connect_timeout,
            time_limit: web.fetch_timeout,
        },
        ..LoaderOptions::default()
    })
}

/// Where secrets are, and which of them are kept from designs.
pub(super) fn secrets(config: &Config) -> SecretSource {
    let source = SecretSource::new(config.secrets.directory.clone());
    source.reserving(config.secrets.reservation.clone())
}

/// What goes for BMCs that speak IPMI at a site; none: at those that have no settings of their own.
pub(super) fn ipmi(config: &Config, site: Option<&Site>) -> IpmiOptions {
    let common = &config.drivers.ipmi;
    let own = site.map(|site| site.ipmi).unwrap_or_default();
    IpmiOptions {
        program: common.ipmitool.clone(),
        cipher_suite: own.cipher_suite.unwrap_or(common.cipher_suite),
        privilege: own.privilege.unwrap_or(common.privilege),
        boot_mode: own.boot_mode.unwrap_or(common.boot_mode),
        graceful_shutdown: common.graceful_shutdown,
        call_timeout: config.executor.call_timeout,
    }
}

pub(super) fn simulated(config: &Config) -> SimulatedOptions {
    SimulatedOptions {
        step_duration: config.simulated.step_duration,
        ledger: Some(config.simulated.ledger.clone()),
    }
}

/// None: there is no endpoint, or not what proves who we are.
pub(super) fn ironic(config: &Config) -> Option<ironic::Options> {
    let section = &config.drivers.ironic;
    let authentication = match section.auth {
        IronicAuth::None => Authentication::None,
        IronicAuth::HttpBasic => Authentication::Basic {
            username: section.username.clone()?,
            password: section.secret.clone()?,
        },
        IronicAuth::Token => Authentication::Token(section.secret.clone()?),
        IronicAuth::Keystone => Authentication::Keystone(Login {
            endpoint: section.keystone.endpoint.clone()?,
            username: section.username.clone()?,
            user_domain: section.keystone.user_domain.clone(),
            password: section.secret.clone()?,
            scope: match &section.keystone.project {
                None => Scope::System,
                Some(name) => Scope::Project {
                    name: name.clone(),
                    domain: section.keystone.project_domain.clone(),
                },
            },
        }),
    };
    Some(ironic::Options {
        endpoint: section.endpoint.clone()?,
        authentication,
        ca_file: section.ca.clone(),
        enrolment: section.enroll.then(|| Enrolment {
            hardware_type: section.enroll_driver.clone(),
            verify_ca: section.enroll_verify_ca.clone(),
        }),
        inspect: section.inspect,
        config_drive: section.config_drive,
        images: Images {
            source: section.image_source.clone(),
            checksum: section.image_checksum.clone(),
            boot_iso: section.boot_iso.clone(),
        },
        max_concurrent_calls: count(section.max_concurrent),
        call_timeout: config.executor.call_timeout,
    })
}

/// None: the configuration does not say where the plug-in is.
pub(super) fn plugin(config: &Config, name: &str, plugin: &Plugin) -> Option<remote::Options> {
    let place = |host: &str, port: u16| Place {
        host: host.to_owned(),
        port,
    };
    let address = match plugin.address.as_ref()? {
        PluginAddress::Tls { host, port } => Address::Tls {
            place: place(host, *port),
            trust: Trust {
                authorities: plugin.ca.clone(),
                identity: plugin.identity.clone(),
            },
        },
        PluginAddress::Loopback { host, port } => Address::Loopback(place(host, *port)),
        PluginAddress::Socket(path) => Address::Socket(path.clone()),
    };
    Some(remote::Options {
        name: name.to_owned(),
        address,
        token: plugin.token.clone(),
        send_credentials: plugin.send_credentials,
        design: plugin.send_design.then(|| Describe::by(node_document)),
        guarded: plugin.guarded.iter().copied().collect(),
        once: plugin.once.iter().copied().collect(),
        call_timeout: config.executor.call_timeout,
    })
}

pub(super) fn executor(config: &Config) -> ExecutorOptions {
    let defaults = ExecutorOptions::default();
    let max_parallel_nodes = count(config.executor.max_parallel_nodes);
    ExecutorOptions {
        lease: config.executor.lease,
        renew: config.executor.renew,
        call_timeout: config.executor.call_timeout,
        margin: config.executor.margin,
        quarantine: config.executor.quarantine,
        terminate_grace: config.executor.terminate_grace,
        retry_backoff: config.executor.retry_backoff,
        max_running_roots: count(config.executor.max_running_roots),
        max_parallel_nodes,
        // One task on nodes that hang must not keep every other from beginning.
        max_running_nodes: max_parallel_nodes.saturating_mul(4),
        gate: match config.design.gate {
            config::Gate::Action => Gate::Action,
            config::Gate::Strict => Gate::Strict,
            config::Gate::Off => Gate::Off,
        },
        max_queue_time: config.tasks.max_queue_time,
        step_timeouts: StepKind::ALL
            .map(|step| (step, config.executor.timeout.of(step)))
            .into(),
        ..defaults
    }
}

pub(super) fn tasks(config: &Config) -> tasks::Options {
    tasks::Options {
        max_queued: config.tasks.max_queued.into(),
        default_timeout: config.tasks.timeout,
        keep_events: config.retention.events,
    }
}

pub(super) fn retention(config: &Config) -> RetentionOptions {
    RetentionOptions {
        tasks: config.retention.tasks,
        interval: config.retention.interval,
    }
}

/// A design root as references must spell it: absolute, without `..`. What it resolves to is the loader's
/// business, when it opens files.
fn design_root(configured: &Path) -> PathBuf {
    let climbs = configured
        .components()
        .any(|component| component == Component::ParentDir);
    let spelled = if climbs {
        // Where the way up leads depends on links, so it has to be walked.
        configured.canonicalize()
    } else {
        std::path::absolute(configured)
    };
    // Nothing is read below a root that cannot be spelled: the loader refuses each reference to it.
    spelled.unwrap_or_else(|_| configured.to_owned())
}

/// A count as memory has it; every platform that we run on has 32 bits at least.
pub(super) fn count(configured: u32) -> usize {
    usize::try_from(configured).unwrap_or(usize::MAX)
}
