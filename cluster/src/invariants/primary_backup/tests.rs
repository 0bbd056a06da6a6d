//! Every invariant is seen to be broken.
