//! Mistakes that people make in designs: a value or a reference changed so that it means the wrong thing.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// A design with one mistake in it.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    /// Which one.
    pub(crate) what: String,
    /// The line that is wrong, from 1.
    pub(crate) line: u32,
    /// The whole design.
    pub(crate) text: String,
}

/// A way to get a value wrong: in documents of the kind, at the key, on lines that hold `on`, the value
/// becomes `wrong`, in which `{}` is the value as it was; of a list, its first entry.
struct Way {
    kind: &'static str,
    key: &'static str,
    on: &'static str,
    wrong: &'static str,
}

const fn way(kind: &'static str, key: &'static str, wrong: &'static str) -> Way {
    Way {
        kind,
        key,
        on: "",
        wrong,
    }
}

const fn on(kind: &'static str, key: &'static str, on: &'static str, wrong: &'static str) -> Way {
    Way {
        kind,
        key,
        on,
        wrong,
    }
}

const NODE: &str = "BaremetalNode";
const PROFILE: &str = "HostProfile";
const HARDWARE: &str = "HardwareProfile";
const NETWORK: &str = "Network";
const LINK: &str = "NetworkLink";

/// Every way. Values that may be anything - labels, tags of nodes, kernel parameters, names of places -
/// have none: whatever stands there means what it says.
const WAYS: &[Way] = &[
    // References.
    way(NODE, "host_profile", "{}-gone"),
    way(NODE, "rack", "{}-gone"),
    way(NODE, "network", "{}-gone"),
    way(PROFILE, "host_profile", "{}-gone"),
    way(PROFILE, "hardware_profile", "{}-gone"),
    way(PROFILE, "device_link", "{}-gone"),
    way(PROFILE, "networks", "{}-gone"),
    way(PROFILE, "slaves", "{}-gone"),
    way(PROFILE, "primary_network", "{}-gone"),
    on(PROFILE, "network", "network: management", "{}-gone"),
    way(PROFILE, "volume_group", "{}-gone"),
    way(LINK, "allowed_networks", "{}-gone"),
    way(LINK, "default_network", "{}-gone"),
    way("Rack", "local_networks", "{}-gone"),
    // Addresses.
    on(NODE, "address", "address: 10.", "192.0.2.77"),
    on(NODE, "address", "address: 10.", "{}0.1"),
    on(NODE, "address", "address: 10.", "10.60.2.300"),
    on(
        NODE,
        "address",
        "network: service, address: 10.",
        "10.60.2.5",
    ),
    on(
        NODE,
        "address",
        "network: service, address: 10.",
        "10.60.2.1",
    ),
    on(
        NODE,
        "address",
        "network: storage, address: 10.",
        "10.60.3.255",
    ),
    on(
        NODE,
        "address",
        "network: storage, address: 10.",
        "10.60.2.99",
    ),
    on(NODE, "address", "address: dhcp", "static"),
    on(
        NODE,
        "address",
        "network: service, address: 10.60.2.34",
        "10.60.2.33",
    ),
    way(NETWORK, "cidr", "10.60.9.7/24"),
    way(NETWORK, "cidr", "10.60.9.0/33"),
    way(NETWORK, "cidr", "{}4"),
    way(NETWORK, "cidr", "port-ellis"),
    way(NETWORK, "start", "10.99.0.1"),
    way(NETWORK, "start", "nowhere"),
    way(NETWORK, "end", "10.60.1"),
    way(NETWORK, "end", "10.60.200.250"),
    on(NETWORK, "type", "type: static", "statik"),
    on(NETWORK, "type", "type: dhcp", "dynamic"),
    way(NETWORK, "gateway", "10.77.0.1"),
    way(NETWORK, "gateway", "gateway"),
    way(NETWORK, "subnet", "0.0.0.0/64"),
    way(NETWORK, "metric", "cheap"),
    way(NETWORK, "servers", "10.60.0.999"),
    way(NETWORK, "mtu", "90000"),
    way(NETWORK, "mtu", "68"),
    on(NETWORK, "mtu", "mtu: 1500", "9000"),
    way(NETWORK, "vlan", "'5000'"),
    way(NETWORK, "vlan", "blue"),
    // Links.
    way(LINK, "mtu", "jumbo"),
    way(LINK, "mtu", "100000"),
    way(LINK, "linkspeed", "fast"),
    on(LINK, "mode", "bonding: {mode: 802", "802.3da"),
    on(LINK, "mode", "bonding: {mode: disabled", "off"),
    on(LINK, "hash", "", "layer9"),
    on(LINK, "peer_rate", "", "quick"),
    on(LINK, "mode", "trunking: {mode: 802.1q", "disabled"),
    on(LINK, "mode", "trunking: {mode: 802.1q", "802.1x"),
    // Hardware.
    way(HARDWARE, "boot_mode", "uefy"),
    way(HARDWARE, "bootstrap_protocol", "floppy"),
    way(HARDWARE, "pxe_interface", "{nic: 1}"),
    // Storage.
    way(PROFILE, "size", "lots"),
    way(PROFILE, "size", "10q"),
    on(PROFILE, "size", "size: 90%", "190%"),
    on(PROFILE, "size", "size: '>40g'", "1g"),
    on(PROFILE, "size", "size: 2g", "20m"),
    on(PROFILE, "mountpoint", "mountpoint: /,", "/boot"),
    on(PROFILE, "mountpoint", "mountpoint: /,", "root"),
    on(PROFILE, "mountpoint", "mountpoint: /srv", "srv/objects"),
    on(PROFILE, "mountpoint", "mountpoint: /srv", "/boot"),
    way(PROFILE, "fstype", "ext9"),
    way(PROFILE, "bootable", "perhaps"),
    // The platform.
    way(PROFILE, "hugepagesz", "3Q"),
    way(PROFILE, "hugepages", "some"),
    way(PROFILE, "image", "''"),
    on(PROFILE, "type", "type: simulated", "simulatd"),
    // Boot actions.
    way("BootAction", "permissions", "'999'"),
    way("BootAction", "path", "motd"),
    on("BootAction", "type", "type: file", "fiel"),
    way("BootAction", "data_pipeline", "utf9_decode"),
    way("BootAction", "filter_type", "intersect"),
    way("BootAction", "filter_set_type", "both"),
    way("BootAction", "node_tags", "{}-gone"),
    // The site.
    way("Region", "url", "packages"),
    way("Region", "repo_type", "tar"),
    way("Rack", "mgmt_ip", "10.60.0"),
    // Names.
    on(NODE, "name", "name: worker-5", "worker-4"),
    on(NODE, "name", "name: worker-1", "worker_1"),
    on(NODE, "name", "name: keeper-2", "-keeper-2"),
];

/// Keys that are misspelt by leaving a letter out. Those of open mappings - labels, parameters, names of
/// devices - are not among them.
const KEYS: &[&str] = &[
    "addressing",
    "allowed_networks",
    "bonding",
    "boot_mode",
    "data_pipeline",
    "device_link",
    "fstype",
    "gateway",
    "hardware_profile",
    "host_profile",
    "image",
    "interfaces",
    "linkspeed",
    "mountpoint",
    "networks",
    "node_filter",
    "owner_data",
    "partitions",
    "permissions",
    "physical_devices",
    "primary_network",
    "ranges",
    "routes",
    "slaves",
    "trunking",
    "volume_groups",
];

/// `count` mistakes in `design`: every way in its turn, at places that chance chooses.
pub(crate) fn mistakes(design: &str, count: usize, random: &mut StdRng) -> Vec<Mistake> {
    let lines: Vec<&str> = design.lines().collect();
    let kinds = kinds(&lines);
    let mut all = Vec::with_capacity(count);
    for turn in (0..WAYS.len() + KEYS.len()).cycle() {
        if all.len() == count {
            break;
        }
        let (what, places) = match WAYS.get(turn) {
            Some(way) => way.places(&lines, &kinds),
            None => misspellings(KEYS[turn - WAYS.len()], &lines),
        };
        assert!(!places.is_empty(), "nothing to get wrong: {what}");
        let (line, wrong) = &places[random.random_range(0..places.len())];
        let mut text: Vec<&str> = lines.clone();
        text[*line] = wrong;
        all.push(Mistake {
            what: format!("{what}: {}", wrong.trim()),
            line: u32::try_from(line + 1).expect("a short file"),
            text: text.join("\n") + "\n",
        });
    }
    all
}

impl Way {
    /// The lines, from 0, that can be got wrong in this way, as they are then.
    fn places(&self, lines: &[&str], kinds: &[&str]) -> (String, Vec<(usize, String)>) {
        let places = lines
            .iter()
            .zip(kinds)
            .enumerate()
            .filter(|(_, (line, kind))| **kind == self.kind && line.contains(self.on))
            .filter_map(|(number, (line, _))| Some((number, self.replaced(line)?)))
            .collect();
        (format!("{} {} {}", self.kind, self.key, self.wrong), places)
    }

    fn replaced(&self, line: &str) -> Option<String> {
        let needle = format!("{}: ", self.key);
        let at = line
            .match_indices(&needle)
            .map(|(at, _)| at)
            // In `bonding: {mode: x}` the mode of the line that was asked for.
            .find(|at| *at == 0 || " {-,".contains(&line[at - 1..*at]))?;
        let start = at + needle.len();
        let start = start + usize::from(line[start..].starts_with('['));
        let flow = line[..start].contains(['{', '[']);
        let ends: &[char] = if flow { &[',', '}', ']'] } else { &['#'] };
        let end = line[start..]
            .find(ends)
            .map_or(line.len(), |end| start + end);
        let old = line[start..end].trim_end();
        if old.is_empty() {
            return None;
        }
        let new = self.wrong.replace("{}", old.trim_matches('\''));
        let end = start + old.len();
        Some(format!("{}{new}{}", &line[..start], &line[end..]))
    }
}

/// The kind of the document that each line belongs to.
fn kinds<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut kind = "";
    let kinds = lines.iter().map(|line| {
        if let Some(schema) = line.strip_prefix("schema: drydock/") {
            kind = schema.split('/').next().unwrap_or_default();
        }
        kind
    });
    kinds.collect()
}

fn misspellings(key: &str, lines: &[&str]) -> (String, Vec<(usize, String)>) {
    let misspelt = format!("{}{}", &key[..2], &key[3..]);
    let places = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| {
            let is_key = |at: usize| at == 0 || " {".contains(&line[at - 1..at]);
            let found = line.find(&format!("{key}:"));
            found.is_some_and(is_key) && !line.trim_start().starts_with('#')
        })
        .map(|(number, line)| (number, line.replacen(key, &misspelt, 1)))
        .collect();
    (format!("the key {key}"), places)
}
