//! Servers, driven by inputs.
