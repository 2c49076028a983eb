//! The loader of designs, as the use cases and the executor want to see it.
//!
//! Neither knows the other, nor the design layer: each says what it needs, and here the loader meets both.

use std::sync::Arc;

use async_trait::async_trait;

use crate::design::{Design, Digest, Finding, LoadError, Loader, RestoreError, Severity};
use crate::domain::inventory::Inventory;
use crate::executor::{DesignFailure, DesignFault, DesignFinding, DesignSource, LoadedDesign};
use crate::tasks::{DesignError, Designs};

/// Designs of one loader, shared by all who read them.
pub(super) struct LoadedDesigns {
    loader: Loader,
}

impl LoadedDesigns {
    pub(super) fn new(loader: Loader) -> Self {
        Self { loader }
    }
}

#[async_trait]
impl Designs for LoadedDesigns {
    fn check(&self, design_ref: &str) -> Result<(), String> {
        match self.loader.check(design_ref) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn load(&self, design_ref: &str) -> Result<Arc<Inventory>, DesignError> {
        let reference = self
            .loader
            .check(design_ref)
            .map_err(|error| DesignError::Invalid(vec![error.to_string()]))?;
        match self.loader.load(&reference).await {
            Ok(design) => Ok(design.inventory),
            Err(LoadError::Unavailable(error)) => Err(DesignError::Unavailable(error.to_string())),
            Err(LoadError::Invalid(findings)) => Err(DesignError::Invalid(
                findings.iter().map(ToString::to_string).collect(),
            )),
        }
    }

    async fn validate(&self, design_ref: &str) -> Result<Vec<DesignFinding>, DesignError> {
        let reference = self
            .loader
            .check(design_ref)
            .map_err(|error| DesignError::Invalid(vec![error.to_string()]))?;
        match self.loader.validate(&reference).await {
            Ok(validation) => Ok(all(&validation.findings, design_ref)),
            Err(LoadError::Invalid(findings)) => Ok(all(&findings, design_ref)),
            Err(LoadError::Unavailable(error)) => Err(DesignError::Unavailable(error.to_string())),
        }
    }
}

#[async_trait]
impl DesignSource for LoadedDesigns {
    async fn load(&self, design_ref: &str) -> Result<LoadedDesign, DesignFailure> {
        // It was allowed when the task was created: the operator has narrowed what may be read since.
        let reference = self
            .loader
            .check(design_ref)
            .map_err(|error| DesignFailure::Invalid(vec![wrong(design_ref, error.to_string())]))?;
        match self.loader.load(&reference).await {
            Ok(design) => Ok(loaded(&design, all(&design.findings, design_ref))),
            Err(error) => Err(failure(error, design_ref)),
        }
    }

    async fn validate(&self, design_ref: &str) -> Result<LoadedDesign, DesignFailure> {
        let reference = self
            .loader
            .check(design_ref)
            .map_err(|error| DesignFailure::Invalid(vec![wrong(design_ref, error.to_string())]))?;
        let validation = match self.loader.validate(&reference).await {
            Ok(validation) => validation,
            Err(error) => return Err(failure(error, design_ref)),
        };
        let findings = all(&validation.findings, design_ref);
        match &validation.design {
            Some(design) => {
                let faults = validation.faults.iter().map(|fault| DesignFault {
                    finding: finding(&fault.finding, design_ref),
                    needed_by: fault.needed_by,
                    nodes: fault.nodes.clone(),
                });
                Ok(LoadedDesign {
                    faults: faults.collect(),
                    ..loaded(design, findings)
                })
            }
            None => Err(DesignFailure::Invalid(findings)),
        }
    }

    async fn stored(&self, digest: &str, bytes: Vec<u8>) -> Result<Arc<Inventory>, DesignFailure> {
        let named = digest
            .parse::<Digest>()
            .map_err(|error| DesignFailure::Invalid(vec![wrong(digest, error.to_string())]))?;
        match self.loader.restore(named, bytes.into()).await {
            Ok(design) => Ok(design.inventory),
            Err(error @ RestoreError::Unavailable(_)) => {
                Err(DesignFailure::Unavailable(error.to_string()))
            }
            Err(error @ (RestoreError::Damaged(_) | RestoreError::Digest { .. })) => Err(
                DesignFailure::Invalid(vec![wrong(digest, error.to_string())]),
            ),
        }
    }
}

/// A reference for messages: its query may hold a secret, and is no use to whoever reads them.
fn without_query(design_ref: &str) -> &str {
    design_ref.split('?').next().unwrap_or(design_ref)
}

fn loaded(design: &Design, findings: Vec<DesignFinding>) -> LoadedDesign {
    LoadedDesign {
        digest: Arc::from(design.digest.to_string()),
        bytes: Arc::from(&design.stored[..]),
        inventory: Arc::clone(&design.inventory),
        findings,
        faults: Vec::new(),
    }
}

fn failure(error: LoadError, design_ref: &str) -> DesignFailure {
    match error {
        LoadError::Unavailable(error) => DesignFailure::Unavailable(error.to_string()),
        LoadError::Invalid(findings) => DesignFailure::Invalid(all(&findings, design_ref)),
    }
}

fn all(findings: &[Finding], design_ref: &str) -> Vec<DesignFinding> {
    findings
        .iter()
        .map(|found| finding(found, design_ref))
        .collect()
}

/// An error that is of no document, but of the whole design.
fn wrong(design: &str, message: String) -> DesignFinding {
    DesignFinding {
        error: true,
        message,
        document: without_query(design).to_owned(),
        extra: serde_json::Map::new(),
    }
}

/// A finding; one that names no document is about the design itself.
fn finding(finding: &Finding, design_ref: &str) -> DesignFinding {
    let mut extra = serde_json::Map::new();
    extra.insert("code".to_owned(), finding.code.as_str().into());
    let places = [
        ("file", finding.file.clone().map(serde_json::Value::from)),
        ("line", finding.line.map(serde_json::Value::from)),
        ("column", finding.column.map(serde_json::Value::from)),
        ("field", finding.field.clone().map(serde_json::Value::from)),
    ];
    for (key, place) in places {
        if let Some(place) = place {
            extra.insert(key.to_owned(), place);
        }
    }
    DesignFinding {
        error: match finding.severity {
            Severity::Error => true,
            Severity::Warning => false,
        },
        message: finding.message.clone(),
        document: match &finding.document {
            Some(document) => document.clone(),
            None => without_query(design_ref).to_owned(),
        },
        extra,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Code;

    #[test]
    fn a_finding_has_its_code_and_a_context() {
        let found = Finding {
            severity: Severity::Error,
            code: Code::NoDocuments,
            document: None,
            file: None,
            line: None,
            column: None,
            field: None,
            message: "nothing here".to_owned(),
            nodes: Vec::new(),
            node_count: 0,
        };
        let shown = finding(&found, "file:///d");
        assert_eq!(shown.document, "file:///d");
        assert_eq!(shown.extra["code"], "no_documents");
    }
}
