//! The proofs of verdicts: written as JSON, or checked by the verifier that shares nothing with what found them.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use squall_checker::format::Recorded;
use squall_checker::judge::Judged;
use squall_checker::{Certificate, NotProven, Verdict};

use crate::cli::console::{Console, complain_error};
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

/// Checks the proofs of a history's verdicts; whether they hold. If not, it is a mistake of this program, and said to
/// be one.
///
/// # Errors
/// If there is nothing to check: the verdict has no proof, or this one is too large for the verifier.
pub(super) fn verify(console: &Console, name: &str, judged: &Judged<'_>) -> anyhow::Result<bool> {
    match judged.history.verify(&judged.outcome) {
        Ok(()) => {
            let proven = judged.outcome.partitions.iter().filter(|part| part.certificate.is_some()).count();
            console.say(format!("  verified:  {}", counted(proven as u64, "proof")));
            Ok(true)
        }
        Err(error @ (NotProven::NoCertificates(_) | NotProven::TooLarge { .. })) => {
            Err(error).with_context(|| format!("the verdict of {name} cannot be verified"))
        }
        Err(error) => {
            complain_error(&format!(
                "the verdict of {name} is not proven: {error}. This is a mistake of squall; please report it with \
                 the history"
            ));
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use squall_checker::judge::{Options, judge};
    use squall_checker::{Bounds, Proof};

    use super::*;

    #[test]
    fn a_forged_verdict_is_refused() {
        let console = Console::new(true, false);
        let rows = "0\t0\t10\tw\tx\t1\n1\t20\t30\tr\tx\t1\n";
        let bounds = Bounds { certificates: true, ..Bounds::default() };
        let honest = || judge("h.tsv", rows.as_bytes(), &Options::default(), &bounds).unwrap().1;
        assert!(verify(&console, "h.tsv", &honest()).unwrap());
        let mut forged = honest();
        forged.outcome.partitions[0].verdict = Verdict::Invalid;
        assert!(!verify(&console, "h.tsv", &forged).unwrap());
        let mut forged = honest();
        forged.outcome.partitions[0].certificate = None;
        assert!(!verify(&console, "h.tsv", &forged).unwrap());
        let mut forged = honest();
        let Some(Proof::Order(order)) =
            forged.outcome.partitions[0].certificate.as_mut().map(|certificate| &mut certificate.proof)
        else {
            panic!("a valid key has an order")
        };
        order.reverse();
        assert!(!verify(&console, "h.tsv", &forged).unwrap());
    }
}
