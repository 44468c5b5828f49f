#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| stripe_product_sync::fuzzing::document(input));
