//! A plan of arms and seeds → runs → results.
