//! What the search does beside trying one order after the other; each technique can be switched off, so that what it
//! brings can be measured and that it changes no verdict can be tested.

/// Which techniques a search uses. All of them are sound: they change how long it takes, never what it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Techniques {
    /// Indeterminate operations of which the specification says that nobody could have observed them are left out.
    pub omission: bool,
    /// A position is dropped if another one with the same state has satisfied as many operations and spent no more.
    pub dominance: bool,
    /// Of interchangeable pending operations only that which returns first is tried.
    pub symmetry: bool,
    /// An operation that overwrites is ordered only when something waits for its state, or when it returns; else
    /// it is excused by the next one that overwrites.
    pub laziness: bool,
    /// A position is dropped if what must still return there can no longer do so, as far as the specification
    /// knows; what helps the operation that returns next is tried first.
    pub look_ahead: bool,
    /// Where nothing is open the history is cut: what goes on from there depends on the state alone. If more bytes than
    /// these were remembered when the search comes to a cut, all but the cuts is forgotten.
    pub cuts: Option<usize>,
}

impl Techniques {
    /// Everything.
    pub const ALL: Self = Self {
        omission: true,
        dominance: true,
        symmetry: true,
        laziness: true,
        look_ahead: true,
        cuts: Some(64 << 20),
    };
    /// Only the exact memory of positions.
    pub const NONE: Self = Self {
        omission: false,
        dominance: false,
        symmetry: false,
        laziness: false,
        look_ahead: false,
        cuts: None,
    };
}

impl Default for Techniques {
    fn default() -> Self {
        Self::ALL
    }
}
