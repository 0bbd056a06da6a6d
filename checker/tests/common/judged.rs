//! Recorded histories whose verdicts are never believed: each is judged with its certificate, and that is verified.

use squall_checker::format::Recorded;
use squall_checker::judge::{JudgeError, Judged, Options, judge};
use squall_checker::transactions::Level;
use squall_checker::{Bounds, NotProven};

/// What [`judge`] answers, every verdict of it verified.
pub(crate) fn judged<'a>(
    name: &'a str,
    text: &'a str,
    options: &Options,
    bounds: &Bounds<'_>,
) -> Result<(Recorded<'a>, Judged<'a>), JudgeError> {
    let bounds = Bounds { certificates: true, ..bounds.clone() };
    let (recorded, judged) = judge(name, text.as_bytes(), options, &bounds)?;
    match judged.history.verify(&judged.outcome) {
        Ok(()) => Ok((recorded, judged)),
        // What may hold where no serial order does.
        Err(NotProven::NoCertificates(_)) if options.level != Level::default() => Ok((recorded, judged)),
        Err(error) => panic!("{error}: {:.2000} of {text:.2000}", format!("{:#?}", judged.outcome)),
    }
}
