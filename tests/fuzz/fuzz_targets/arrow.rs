#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mlet_fuzz::read(bytes, "arrow"));
