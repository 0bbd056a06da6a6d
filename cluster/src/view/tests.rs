//! The view service, driven by inputs.
