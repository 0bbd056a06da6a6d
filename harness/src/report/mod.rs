//! The report of a run: one HTML file that opens from disk, explains, and needs nothing else.
//!
//! [`render`] is a pure function of [`ReportData`]: the same data gives the same bytes. It knows neither runs nor
//! files. Values reach the page only as JSON data and from there as text, never as markup.

mod columns;
pub mod data;
mod html;
mod mutants;
pub mod soak;

pub use data::ReportData;
pub use html::render;
pub use mutants::mutants_page;
