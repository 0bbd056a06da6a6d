//! The proofs of verdicts: written as JSON, or checked by the verifier that shares nothing with what found them.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use squall_checker::format::Recorded;
use squall_checker::judge::Judged;
use squall_checker::{Certificate, Verdict};

use crate::cli::console::Console;
use crate::store::write_file;
use crate::trial::failure::counted;

/// What `--certificate` writes.
#[derive(Serialize)]
struct Certificates<'a> {
    schema: u32,
    history: &'a str,
    model: &'a str,
    verdict: Verdict,
    certificates: Vec<&'a Certificate>,
}

/// Writes the proofs of a history's verdicts.
pub(super) fn write(
    console: &Console,
    path: &Path,
    recorded: &Recorded<'_>,
    judged: &Judged<'_>,
) -> anyhow::Result<()> {
    let certificates = Certificates {
        schema: 1,
        history: recorded.name(),
        model: judged.model.name(),
        verdict: judged.outcome.verdict,
        certificates: judged.outcome.partitions.iter().filter_map(|part| part.certificate.as_ref()).collect(),
    };
    write_file(path, serde_json::to_string(&certificates)?.as_bytes())?;
    console.say(format!("  proof:     {}", path.display()));
    Ok(())
}

/// Checks the proofs of a history's verdicts.
pub(super) fn verify(console: &Console, name: &str, judged: &Judged<'_>) -> anyhow::Result<()> {
    judged.history.verify(&judged.outcome).with_context(|| {
        format!(
            "the verdict of {name} is not proven; unless its model has no proofs, this is a mistake of squall"
        )
    })?;
    let proven = judged.outcome.partitions.iter().filter(|part| part.certificate.is_some()).count();
    console.say(format!("  verified:  {}", counted(proven as u64, "proof")));
    Ok(())
}
