//! The section of the node driver that deploys through Ironic.

use std::path::PathBuf;

use reqwest::Url;

use crate::config::reader::Reader;
use crate::domain::SecretReference;

/// The most calls that may be in flight: Ironic's API takes few at a time, and resets what is more.
const MAX_CALLS: u32 = 64;

/// How Ironic is told who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IronicAuth {
    /// Not at all.
    None,
    /// By a user and a password.
    HttpBasic,
    /// By a token.
    Token,
}

impl IronicAuth {
    const TOKENS: [(&str, Self); 3] = [
        ("none", Self::None),
        ("http_basic", Self::HttpBasic),
        ("token", Self::Token),
    ];
}

/// The driver that deploys through Ironic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ironic {
    /// Where its API is; given where it is the node driver.
    pub endpoint: Option<Url>,
    /// How it is told who we are.
    pub auth: IronicAuth,
    /// The user, for `http_basic`.
    pub username: Option<String>,
    /// The password or token.
    pub secret: Option<SecretReference>,
    /// A PEM file of the authorities whose certificates are accepted; none: the system's.
    pub ca: Option<PathBuf>,
    /// Whether nodes that it does not know are made known to it.
    pub enroll: bool,
    /// The hardware type of these; none: the one that goes with the out-of-band type.
    pub enroll_driver: Option<String>,
    /// The certificates that its conductors trust BMCs by, a path there.
    pub enroll_verify_ca: Option<String>,
    /// Whether hardware is inspected.
    pub inspect: bool,
    /// Whether deployments get a config drive.
    pub config_drive: bool,
    /// Where images are, with `{image}` for the name in the design.
    pub image_source: Option<String>,
    /// Where their checksums are.
    pub image_checksum: Option<String>,
    /// Where live images are.
    pub boot_iso: Option<String>,
    /// Most calls in flight.
    pub max_concurrent: u32,
}

impl Ironic {
    /// `used`: it is the node driver, so what it cannot do without must be there.
    pub(super) fn read(reader: &mut Reader, used: bool) -> Self {
        let endpoint = reader.text("drivers.ironic.endpoint", "none", ENDPOINT, endpoint);
        reader.check(
            "drivers.ironic.endpoint",
            &["drivers.node"],
            !used || endpoint.is_some(),
            "must say where Ironic is: it is the node driver".to_owned(),
        );
        let auth = reader.token("drivers.ironic.auth", IronicAuth::TOKENS, AUTH);
        let username = text(reader, "drivers.ironic.username", "none", USERNAME);
        reader.check(
            "drivers.ironic.username",
            &["drivers.ironic.auth"],
            auth != IronicAuth::HttpBasic || username.is_some(),
            "must be set: drivers.ironic.auth is `http_basic`".to_owned(),
        );
        let secret = reader.secret("drivers.ironic.secret", SECRET);
        reader.check(
            "drivers.ironic.secret",
            &["drivers.ironic.auth"],
            auth == IronicAuth::None || secret.is_some(),
            "must be set: drivers.ironic.auth is not `none`".to_owned(),
        );
        Self {
            endpoint,
            auth,
            username,
            secret,
            ca: reader.path("drivers.ironic.ca", "the system's", CA),
            enroll: reader.boolean("drivers.ironic.enroll", false, ENROLL),
            enroll_driver: text(
                reader,
                "drivers.ironic.enroll_driver",
                "by out-of-band type",
                "The hardware type of nodes that are made known to Ironic, instead of the one that goes with their out-of-band type.",
            ),
            enroll_verify_ca: text(
                reader,
                "drivers.ironic.enroll_verify_ca",
                "Ironic's own",
                "The certificates that Ironic is told to trust the BMCs of such nodes by: a path where its conductors run.",
            ),
            inspect: reader.boolean(
                "drivers.ironic.inspect",
                false,
                "Whether `configure_hardware` has Ironic inspect the hardware.",
            ),
            config_drive: reader.boolean("drivers.ironic.config_drive", false, CONFIG_DRIVE),
            image_source: text(reader, "drivers.ironic.image_source", "none", IMAGE_SOURCE),
            image_checksum: text(
                reader,
                "drivers.ironic.image_checksum",
                "none",
                "What goes into `instance_info.image_checksum`: a checksum's URL, with `{image}` for the image.",
            ),
            boot_iso: text(
                reader,
                "drivers.ironic.boot_iso",
                "none",
                "What goes into `instance_info.boot_iso`, for the deploy interface `ramdisk`: a URL, with `{image}` for the image.",
            ),
            max_concurrent: reader.count(
                "drivers.ironic.max_concurrent",
                4,
                1..=MAX_CALLS,
                "Most calls of one replica to Ironic that are in flight at a time.",
            ),
        }
    }
}

fn text(reader: &mut Reader, key: &str, default: &str, description: &str) -> Option<String> {
    reader.text(key, default, description, |text| {
        if text.is_empty() {
            Err("must not be empty")
        } else {
            Ok(text.to_owned())
        }
    })
}

fn endpoint(text: &str) -> Result<Url, &'static str> {
    const EXPECTED: &str = "must be a URL such as `https://ironic.example:6385`, without a version";
    let url = Url::parse(text).map_err(|_| EXPECTED)?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
        return Err(EXPECTED);
    }
    // It is logged and shown; `drivers.ironic.secret` is not.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and no password");
    }
    if url.path().trim_end_matches('/').ends_with("/v1") {
        return Err(EXPECTED);
    }
    Ok(url)
}

const ENDPOINT: &str = "Where Ironic's API is, without a version: `https://ironic.example:6385`.";
const AUTH: &str = "How Ironic is told who we are: `none`, `http_basic` with a user and a password, or `token` with a token of Keystone that something else renews.";
const USERNAME: &str = "The user for `http_basic`.";
const SECRET: &str = "The password or token, as `secret://NAME`; read anew with each call.";
const CA: &str =
    "PEM file of the authorities that sign Ironic's certificate; only these are accepted then.";
const ENROLL: &str = "Whether `identify_node` makes nodes known to Ironic that it does not know, with the BMC's address and credentials.";
const CONFIG_DRIVE: &str = "Whether deployments get a config drive with the node's name, its networks and the site's authorized keys.";
const IMAGE_SOURCE: &str = "What goes into `instance_info.image_source`: a URL, with `{image}` for the image that the design's platform names.";
