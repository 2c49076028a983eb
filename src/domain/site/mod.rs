//! What the documents of a design say, as types: one for each kind, every field of it.
//!
//! Plain data as its authors wrote it. A field that is absent, or that could not be read, is `None`
//! or empty, and defaults are applied by whoever acts on them: a rule has to tell what was written
//! from what was assumed. Names are texts: whether what they name exists is for rules to say.
//!
//! A [`host::HostSpec`] is what host profiles and nodes have in common. Its sections are shared, so
//! that ten thousand nodes of one profile hold its storage layout once.

pub mod address;

pub mod size;

pub mod region;

pub mod rack;

pub mod network;

pub mod link;

pub mod hardware;

pub mod host;

pub mod storage;

pub mod oob;

pub mod boot_action;

pub use address::Cidr;
pub use boot_action::BootAction;
pub use hardware::HardwareProfile;
pub use host::HostSpec;
pub use link::NetworkLink;
pub use network::Network;
pub use oob::Oob;
pub use rack::Rack;
pub use region::Region;
pub use size::Size;
pub use storage::Storage;
