//! What a feature's record holds beyond its spectra: advice.

use crate::report::record::Feature;
use crate::spectrum::advice::Advice;

/// The advice at 99 % of the energy.
pub(super) fn at_99(feature: &Feature) -> Option<&Advice> {
    feature.advice.iter().find(|a| a.energy == 0.99)
}

/// Bytes of the table as it is stored.
pub(super) fn stored(feature: &Feature) -> Option<u64> {
    feature.advice.first().map(|a| a.bytes + a.bytes_saved)
}
