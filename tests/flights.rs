//! The built-in flights data: what the file holds, against numbers counted in the source with pandas.

use mlet::data::flights::{DENSE, Flights, FlightsSource};
use mlet::data::source::{RawExample, Source};

/// Counted in the package's own `flights.csv`: rows, rows with an arrival delay, and of these more than 15 minutes late.
const SCHEDULED: usize = 336_776;
const ARRIVED: usize = 327_346;
const LATE: usize = 77_630;

/// The constants are of the source's own decimals and the file holds them as f32: half an ulp of 1018 millibars (2⁻¹⁵), in
/// standard deviations of 7.45 millibars.
const STORED_F32: f64 = 4.1e-6;

#[test]
fn the_built_in_file_holds_every_flight() {
    let mut flights = Flights::open().expect("the built-in file opens");
    assert_eq!(flights.rows() as usize, SCHEDULED);
    let (mut rows, mut arrived, mut late) = (0, 0, 0);
    let mut sum = [0.0f64; DENSE.len()];
    let mut square = [0.0f64; DENSE.len()];
    while let Some(flight) = flights.next_flight().expect("the built-in file reads") {
        rows += 1;
        arrived += usize::from(flight.late.is_some());
        late += usize::from(flight.late == Some(true));
        for (at, &value) in flight.dense.iter().enumerate() {
            assert!(value.is_finite(), "row {rows}: {} is {value}", DENSE[at]);
            sum[at] += f64::from(value);
            square[at] += f64::from(value) * f64::from(value);
        }
    }
    assert_eq!((rows, arrived, late), (SCHEDULED, ARRIVED, LATE));
    for (at, name) in DENSE.iter().enumerate() {
        if !["wind_sin", "wind_cos"].contains(name) {
            // A missing value is 0, the mean, so the mean stays 0 and the variance is the share of rows that have a value:
            // at least that of the plane's age, 278,864 of 336,776.
            let (mean, variance) = (sum[at] / rows as f64, square[at] / rows as f64);
            assert!(mean.abs() <= STORED_F32, "{name}: mean {mean}");
            assert!(
                variance > 0.828 && variance <= 1.0 + 2.0 * STORED_F32,
                "{name}: variance {variance}"
            );
        }
    }
}

#[test]
fn the_first_flight_is_the_one_of_the_source() {
    let mut flights = Flights::open().expect("the built-in file opens");
    let flight = flights.next_flight().expect("it reads").expect("it has rows");
    // The first row of flights.csv: UA 1545, 5:15, EWR to IAH, 11 minutes late; plane N14228, a Boeing 737-824 of 1999.
    let categories = [
        "1", "1", "Tue", "5", "UA", "1545", "N14228", "EWR", "IAH", "737-824", "BOEING",
    ];
    assert_eq!(flight.categorical, categories);
    assert_eq!(flight.late, Some(false));
    // Wind from 260 degrees.
    assert!((f64::from(flight.dense[6]) - (260.0f64).to_radians().sin()).abs() <= f64::from(f32::EPSILON));
    assert!((f64::from(flight.dense[7]) - (260.0f64).to_radians().cos()).abs() <= f64::from(f32::EPSILON));
}

#[test]
fn the_source_leaves_out_flights_without_an_arrival_and_says_so() {
    let mut source = FlightsSource::open().expect("the built-in file opens");
    let mut example = RawExample::default();
    let mut late = 0;
    let mut rows = 0;
    while source.next(&mut example).expect("a row") {
        assert_eq!((example.dense.len(), example.num_features()), (14, 11));
        rows += 1;
        late += usize::from(example.label);
    }
    assert_eq!((rows, late), (ARRIVED, LATE));
    assert_eq!(source.without_label() as usize, SCHEDULED - ARRIVED);
    assert_eq!(
        source.progress().done,
        source.progress().total.expect("the file says how many")
    );
    let info = source.info().expect("the built-in file is there");
    assert!(info.name.contains("9430 of 336776"), "{}", info.name);
    assert_eq!((info.sha256.len(), info.bytes), (64, Flights::bytes().len() as u64));
}
