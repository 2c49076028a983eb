//! Region: the site as a whole.

use std::collections::BTreeMap;

/// The site itself: its name is the document's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Region {
    /// `tag_definitions`: tags that nodes get from what is found in them.
    pub tag_definitions: Vec<TagDefinition>,
    /// `authorized_keys`: OpenSSH public keys that may log in to every node.
    pub authorized_keys: Vec<String>,
    /// `repositories`: where nodes get packages from.
    pub repositories: Option<Repositories>,
}

/// A tag given to nodes whose inventory matches an expression.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagDefinition {
    /// `tag`: its name.
    pub tag: Option<String>,
    /// `definition_type`: how `definition` is read.
    pub definition_type: Option<DefinitionType>,
    /// `definition`: the expression.
    pub definition: Option<String>,
}

/// How a tag is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefinitionType {
    /// `lshw_xpath`: an XPath expression over what `lshw` lists.
    LshwXpath,
}

/// `repositories` of a Region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repositories {
    /// `remove_unlisted`: whether repositories that the image brings along are removed; default no.
    pub remove_unlisted: Option<bool>,
    /// The repositories, by name.
    pub repositories: BTreeMap<String, Repository>,
}

/// A package repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// `repo_type`: the package system. Required.
    pub repo_type: Option<RepositoryType>,
    /// `url`: where it is. Required.
    pub url: Option<String>,
    /// `distributions`: the releases it is for.
    pub distributions: Vec<String>,
    /// `subrepos`: parts of it that are used.
    pub subrepos: Vec<String>,
    /// `components`: components that are used, for example `main`.
    pub components: Vec<String>,
    /// `gpgkey`: the armoured public key that it is signed with.
    pub gpgkey: Option<String>,
    /// `arches`: processor architectures, for example `amd64`. Required by the schema.
    pub arches: Vec<String>,
    /// `options`: options of the package system.
    pub options: BTreeMap<String, String>,
}

/// The package system of a [`Repository`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryType {
    /// `apt`.
    Apt,
    /// `rpm`.
    Rpm,
}
