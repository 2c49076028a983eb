//! Reads a Region.

use super::Scope;
use crate::domain::site::region::{
    DefinitionType, Region, Repositories, Repository, RepositoryType, TagDefinition,
};

pub(crate) fn region(region: &mut Scope<'_, '_>) -> Region {
    Region {
        tag_definitions: region.list("tag_definitions", |definition| TagDefinition {
            tag: definition.text("tag"),
            definition_type: definition.choice(
                "definition_type",
                &[("lshw_xpath", DefinitionType::LshwXpath)],
            ),
            definition: definition.text("definition"),
        }),
        authorized_keys: region.texts("authorized_keys"),
        repositories: region.object("repositories", |repositories| Repositories {
            remove_unlisted: repositories.boolean("remove_unlisted"),
            repositories: repositories.others(|value| value.object(repository)),
        }),
    }
}

fn repository(repository: &mut Scope<'_, '_>) -> Repository {
    Repository {
        repo_type: repository.choice(
            "repo_type",
            &[("apt", RepositoryType::Apt), ("rpm", RepositoryType::Rpm)],
        ),
        url: repository.text("url"),
        distributions: repository.texts("distributions"),
        subrepos: repository.texts("subrepos"),
        components: repository.texts("components"),
        gpgkey: repository.text("gpgkey"),
        arches: repository.texts("arches"),
        options: repository.labels("options"),
    }
}
